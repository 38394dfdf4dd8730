/** What stores with versioning or soft delete still have of objects that were replaced or deleted. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ABSENT,
  type Bucket,
  type History,
  type PastKind,
  type PastVersion,
} from '../../src/bucket/bucket.ts';
import { pastVersionOf } from '../../src/bucket/gcs/version.ts';
import { listPast } from '../../src/bucket/list-all.ts';
import { retrying } from '../../src/bucket/retry.ts';
import { pageOf, placeOf } from '../../src/bucket/s3/history.ts';
import type { Scope } from '../support/cleanup.ts';
import { createTestBucket, gcsEmulator } from '../support/gcs-emulator.ts';
import { type GcsProxy, startGcsProxy } from '../support/gcs-proxy.ts';
import { startS3Proxy } from '../support/s3-proxy.ts';
import { createS3Bucket, motoServer } from '../support/s3-server.ts';
import { until } from '../support/until.ts';
import { gcsBehindProxy, ofKind, openGcs, openS3, subjects } from './subjects.ts';

type Kept = Bucket & { readonly history: History };

function put(bucket: Bucket, name: string, content: string, ifGeneration: string = ABSENT) {
  return bucket.put(name, Buffer.from(content), { ifGeneration, metadata: {} });
}

async function past(
  bucket: Bucket,
  prefix: string,
  kind: PastKind = 'version',
): Promise<readonly PastVersion[]> {
  const found: PastVersion[] = [];
  for await (const page of listPast(bucket, kind, prefix)) found.push(...page);
  return found.sort((a, b) => a.createdMs - b.createdMs);
}

/** Between two changes: as exact as a store tells times. */
const PAUSES_MS: Readonly<Record<string, number>> = { gcs: 20, moto: 1100 };

const versioned: Readonly<Record<string, (scope: Scope) => Promise<Bucket>>> = {
  gcs: async (scope) => {
    const emulatorUrl = await gcsEmulator();
    const name = await createTestBucket(emulatorUrl, { versioning: { enabled: true } });
    return openGcs(scope, await startGcsProxy(scope, emulatorUrl), { name });
  },
  moto: async (scope) => {
    const url = await motoServer();
    const name = await createS3Bucket(url, true);
    return (await openS3(scope, await startS3Proxy(scope, url), { name }))();
  },
};

for (const [name, subject] of Object.entries(subjects))
  test(`${name}: a bucket without versioning has no version but the newest, if it tells of any`, async (t) => {
    const bucket = (await subject(t))();
    const { generation } = await put(bucket, 'in/x', 'one');
    await put(bucket, 'in/x', 'two', generation);
    const found = await past(bucket, 'in/');
    assert.ok(found.length <= 1 && found[0]?.endedMs === undefined, JSON.stringify(found));
    assert.deepEqual(await past(bucket, 'in/', 'soft-deleted'), []);
  });

for (const [name, subject] of Object.entries(versioned))
  describe(`${name} with versioning`, () => {
    test('each version is told with the time that it was the newest one, and read as it was', async (t) => {
      const bucket = (await subject(t)) as Kept;
      const first = await put(bucket, 'in/ä b+', 'one');
      await sleep(PAUSES_MS[name]);
      const second = await put(bucket, 'in/ä b+', 'two!', first.generation);
      await sleep(PAUSES_MS[name]);
      await bucket.delete('in/ä b+', { ifGeneration: second.generation });
      await sleep(PAUSES_MS[name]);
      await put(bucket, 'in/ä b+', '3');
      await put(bucket, 'other', 'other');
      const found = await past(bucket, 'in/');
      assert.deepEqual(
        found.map(({ name, kind }) => [name, kind]),
        Array(3).fill(['in/ä b+', 'version']),
      );
      const contents = [];
      for (const version of found) contents.push((await bucket.history.read(version)).bytes.toString());
      assert.deepEqual(contents, ['one', 'two!', '3']);
      const [one, two, three] = found as [PastVersion, PastVersion, PastVersion];
      assert.ok(one.endedMs !== undefined && Math.abs(one.endedMs - two.createdMs) <= 1000);
      // Deleted, and made again later.
      assert.ok(two.endedMs !== undefined && two.endedMs > two.createdMs);
      assert.ok(three.endedMs === undefined && two.endedMs < three.createdMs);
      await assert.rejects(bucket.history.read(two, { maxBytes: 3 }), ofKind('corrupt', /more than the 3/));
      assert.equal((await bucket.get('in/ä b+')).bytes.toString(), '3');
      await assert.rejects(bucket.history.read({ ...two, name: 'in/never' }), ofKind('missing'));
    });
  });

test('a listing of versions goes on where a page ended, in mid-name too', async () => {
  const at = (seconds: number) => new Date(seconds * 1000);
  const version = (Key: string, seconds: number, IsLatest = false) => ({
    ...{ Key, VersionId: `${Key}${seconds}`, LastModified: at(seconds), Size: 5, IsLatest },
  });
  const whole = (name: string) => decodeURIComponent(name);
  const first = pageOf(
    {
      Versions: [version('a', 9, true), version('b%20', 7)],
      DeleteMarkers: [{ Key: 'b%20', VersionId: 'm', LastModified: at(8), IsLatest: true }],
      ...{ IsTruncated: true, NextKeyMarker: 'b%20', NextVersionIdMarker: 'b%207' },
    },
    whole,
    undefined,
  );
  assert.deepEqual(
    first.versions.map(({ name, createdMs, endedMs }) => [name, createdMs, endedMs]),
    [
      ['a', 9000, undefined],
      ['b ', 7000, 8000],
    ],
  );
  const place = placeOf(first.nextPage);
  assert.deepEqual(place, { keyMarker: 'b ', versionIdMarker: 'b%207', newerMs: 7000 });
  const second = pageOf({ Versions: [version('b%20', 5), version('c', 5, true)] }, whole, place);
  assert.deepEqual(second.versions.map(({ name, endedMs }) => [name, endedMs]).sort(), [
    ['b ', 7000],
    ['c', undefined],
  ]);
  assert.equal(second.nextPage, undefined);
});

test('of one second a delete marker is the newer one, unless the version is the latest', () => {
  const LastModified = new Date(5000);
  const marker = { Key: 'x', VersionId: 'm', LastModified };
  const version = (IsLatest: boolean) => ({ Key: 'x', VersionId: 'v', LastModified, Size: 1, IsLatest });
  const ended = (isLatest: boolean) =>
    pageOf({ Versions: [version(isLatest)], DeleteMarkers: [marker] }, String, undefined).versions[0]
      ?.endedMs;
  assert.deepEqual([ended(false), ended(true)], [5000, undefined]);
});

test('what no store would say of a version is refused', () => {
  const good = { Key: 'x', VersionId: 'v', LastModified: new Date(0), Size: 1 };
  for (const bad of [
    { Key: '' },
    { VersionId: 'v w' },
    { VersionId: '' },
    { LastModified: new Date('never') },
    { LastModified: undefined },
    { Size: -1 },
    { Size: 1.5 },
  ])
    assert.throws(() => pageOf({ Versions: [{ ...good, ...bad }] }, String, undefined), TypeError);
  assert.throws(() => pageOf({ Versions: [good], IsTruncated: true }, String, undefined), TypeError);

  const time = '2026-05-22T10:00:00.123Z';
  const resource = { name: 'x', generation: '17', size: '1', timeCreated: time };
  const atMs = Date.parse(time);
  const same = { name: 'x', id: '17', size: 1, createdMs: atMs, uploadId: undefined };
  assert.deepEqual(pastVersionOf('version', resource), { ...same, endedMs: undefined, kind: 'version' });
  for (const bad of [
    { name: '' },
    { generation: '-1' },
    { size: '1e9' },
    { timeCreated: 'soon' },
    { timeCreated: undefined },
    { timeDeleted: 'x' },
  ])
    assert.throws(() => pastVersionOf('version', { ...resource, ...bad }), TypeError);
  // A server that ignores `softDeleted` lists objects.
  assert.equal(pastVersionOf('soft-deleted', resource), undefined);
  const softDeleteTime = '2026-05-22T12:00:00Z';
  const soft = (added: object) => pastVersionOf('soft-deleted', { ...resource, softDeleteTime, ...added });
  assert.equal(soft({})?.endedMs, Date.parse(softDeleteTime));
  // It was replaced before.
  assert.equal(soft({ timeDeleted: time })?.endedMs, atMs);
});

/** With 'x', which was stored as 'one', then as 'two', and deleted. */
async function softDeleting(scope: Scope): Promise<{ bucket: Kept; proxy: GcsProxy }> {
  const { proxy, name } = await gcsBehindProxy(scope);
  proxy.softDelete = true;
  const opened = openGcs(scope, proxy, { name });
  const bucket = retrying(opened, { attempts: 3, baseMs: 1, capMs: 1 }) as Kept;
  const first = await put(bucket, 'x', 'one');
  const { generation } = await put(bucket, 'x', 'two', first.generation);
  await bucket.delete('x', { ifGeneration: generation });
  return { bucket, proxy };
}

test('what was soft-deleted is told and read, and deleted again', async (t) => {
  const { bucket, proxy } = await softDeleting(t);
  const found = await past(bucket, 'x', 'soft-deleted');
  const [one, two] = found as [PastVersion, PastVersion];
  assert.equal(found.length, 2);
  assert.ok((one.endedMs ?? Number.POSITIVE_INFINITY) <= two.createdMs + 1);
  for (const [version, content] of [
    [one, 'one'],
    [two, 'two'],
  ] as const)
    assert.equal((await bucket.history.read(version)).bytes.toString(), content);
  assert.deepEqual((await bucket.list('')).objects, []);
  await assert.rejects(bucket.history.read(one, { maxBytes: 2 }), ofKind('corrupt'));
  assert.deepEqual((await bucket.list('')).objects, [], 'it stayed after a failed read');
  assert.equal(proxy.count('restore'), 3);
});

test('an object that has the name is never replaced by what was soft-deleted', async (t) => {
  const { bucket } = await softDeleting(t);
  const [one] = await past(bucket, 'x', 'soft-deleted');
  const { generation } = await put(bucket, 'x', 'newer');
  await assert.rejects(bucket.history.read(one as PastVersion), ofKind('precondition'));
  assert.equal((await bucket.head('x')).generation, generation);
});

test('what became an object although the answer was lost is read and deleted; another’s is left', async (t) => {
  const { bucket, proxy } = await softDeleting(t);
  const [one] = (await past(bucket, 'x', 'soft-deleted')) as [PastVersion];
  proxy.inject({ fault: 'lost-answer', match: ({ kind }) => kind === 'restore', count: 1 });
  assert.equal((await bucket.history.read(one)).bytes.toString(), 'one');
  assert.deepEqual((await bucket.list('')).objects, []);

  // A person restores another version while ours is on its way.
  proxy.inject({ fault: 'reset', match: ({ kind }) => kind === 'restore', count: 1 });
  const hold = proxy.hold(({ kind }) => kind === 'restore');
  const ours = bucket.history.read(one).catch((error: unknown) => error);
  await until(() => hold.count > 0);
  const person = await put(bucket, 'x', 'of a person');
  hold.release();
  assert.ok(ofKind('precondition')(await ours));
  assert.equal((await bucket.head('x')).generation, person.generation);
});

test('without the right to restore, the listing and the read say so', async (t) => {
  const { bucket, proxy } = await softDeleting(t);
  const [one] = await past(bucket, 'x', 'soft-deleted');
  const fault = { status: 403, reason: 'forbidden', message: 'no storage.objects.restore' };
  proxy.inject({ fault, match: ({ kind, query }) => kind === 'restore' || query.has('softDeleted') });
  await assert.rejects(past(bucket, 'x', 'soft-deleted'), ofKind('permission', /storage\.objects\.restore/));
  await assert.rejects(bucket.history.read(one as PastVersion), ofKind('permission'));
  assert.deepEqual((await bucket.list('')).objects, []);
});
