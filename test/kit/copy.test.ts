/** `sessionfs copy`, between each kind of bucket. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ABSENT, type Bucket } from '../../src/bucket/bucket.ts';
import { openDirectoryBucket } from '../../src/bucket/directory/directory-bucket.ts';
import { listAll } from '../../src/bucket/list-all.ts';
import { copyBucket, copyObjects, type Progress } from '../../src/kit/copy.ts';
import { SessionfsError } from '../../src/lib/errors.ts';
import { subjects } from '../bucket/subjects.ts';
import { Rig, S } from '../lease/support.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const options = { overwrite: false, force: false, atATime: 4 };
const silent = () => {};

/** A bucket that mounts have used and left. */
async function fill(bucket: Bucket): Promise<void> {
  const put = (name: string, content: string, metadata = {}) =>
    bucket.put(name, Buffer.from(content), { ifGeneration: ABSENT, metadata });
  await put('.sessionfs/key-check', 'check');
  await put('.sessionfs/mounts/abc', '');
  await put('.sessionfs/probe/1', 'probe');
  await put('sessions/u/+1/creds.json', 'sealed creds', { 'sessionfs-writer': 'w', 'sessionfs-epoch': '2' });
  await put('sessions/u/+1/pre key+1%.json', 'sealed key', { 'sessionfs-epoch': '2' });
  await put('.sessionfs/set-aside/sessions/u/+1/creds.json.1', 'kept');
  const owner = { holder: '-', name: 'a', epoch: '2', floor: '1', refresh: '0' };
  await put('.sessionfs/owners/u/+1/%owner', '', owner);
}

async function contentOf(bucket: Bucket): Promise<Record<string, unknown>> {
  const names = (await listAll(bucket, '')).map(({ name }) => name).sort();
  const content: Record<string, unknown> = {};
  for (const name of names) {
    const { bytes, metadata } = await bucket.get(name);
    content[name] = [bytes.toString(), metadata];
  }
  return content;
}

function ofCode(code: string, message = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SessionfsError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

for (const [from, to] of [
  ['gcs', 's3'],
  ['s3', 'directory'],
  ['directory', 'gcs'],
] as const) {
  test(`from ${from} to ${to} everything goes as it is, and nothing twice`, async (t) => {
    const source = (await (subjects[from] as (typeof subjects)[string])(t))();
    const target = (await (subjects[to] as (typeof subjects)[string])(t))();
    await fill(source);
    const progress: Progress[] = [];
    const copied = await copyObjects(source, target, options, (now) => progress.push(now));
    assert.deepEqual([copied.objects, copied.copied, copied.others], [5, 5, 0]);
    assert.deepEqual(progress.at(-1), { done: 5, total: 5, bytes: copied.bytes });
    const { '.sessionfs/mounts/abc': _, '.sessionfs/probe/1': __, ...expected } = await contentOf(source);
    assert.deepEqual(await contentOf(target), expected);
    assert.equal((await copyObjects(source, target, options, silent)).copied, 0);
  });
}

test('a copy that was cut short goes on with what is left; owners come last', async () => {
  const [source, target] = [new MemoryBucket(), new MemoryBucket()];
  await fill(source);
  let puts = 0;
  target.before = ({ operation }) => {
    if (operation === 'put' && ++puts > 3) throw new Error('killed');
  };
  await assert.rejects(copyObjects(source, target, { ...options, atATime: 1 }, silent), /killed/);
  assert.equal(target.objects.size, 3);
  assert.ok(![...target.objects.keys()].some((name) => name.includes('owners')));
  target.before = () => {};
  assert.equal((await copyObjects(source, target, options, silent)).copied, 2);
});

test('what differs at the destination is replaced only when asked to; what is only there stays', async () => {
  const [source, target] = [new MemoryBucket(), new MemoryBucket()];
  await fill(source);
  target.store('sessions/u/+1/creds.json', Buffer.from('other'));
  target.store('sessions/v/+2/creds.json', Buffer.from('foreign'));
  await assert.rejects(
    copyObjects(source, target, options, silent),
    ofCode('COPY_CONFLICT', /other versions of 1 objects: sessions\/u\/\+1\/creds.json/),
  );
  assert.equal(target.objects.size, 2);
  const copied = await copyObjects(source, target, { ...options, overwrite: true }, silent);
  assert.deepEqual([copied.copied, copied.others], [5, 1]);
  assert.equal(target.objects.get('sessions/u/+1/creds.json')?.bytes.toString(), 'sealed creds');
  assert.equal(target.objects.get('sessions/v/+2/creds.json')?.bytes.toString(), 'foreign');
});

test('equal bytes under another epoch are another version', async () => {
  const [source, target] = [new MemoryBucket(), new MemoryBucket()];
  source.store('sessions/u/+1/a', Buffer.from('x'), { 'sessionfs-epoch': '2' });
  target.store('sessions/u/+1/a', Buffer.from('x'), { 'sessionfs-epoch': '1' });
  await assert.rejects(copyObjects(source, target, options, silent), ofCode('COPY_CONFLICT'));
});

test('an object that comes back otherwise than it was stored ends the copy', async () => {
  const [source, target] = [new MemoryBucket(), new MemoryBucket()];
  await fill(source);
  target.after = ({ operation, name }) => {
    if (operation === 'put' && name.endsWith('creds.json')) target.store(name, Buffer.from('other'));
  };
  await assert.rejects(copyObjects(source, target, options, silent), ofCode('COPY_FAILED', /creds\.json/));
});

test('a bucket in which a mount holds sessions is neither copied nor written to, unless forced', async (t) => {
  const rig = new Rig(t);
  const mount = await rig.mount('host:/m');
  await mount.leases.acquire(S);
  const other = new MemoryBucket();
  const inUse = ofCode('BUCKET_IN_USE', /host:\/m/);
  await assert.rejects(copyObjects(rig.bucket, other, options, silent), inUse);
  await assert.rejects(copyObjects(other, rig.bucket, options, silent), inUse);
  assert.equal(other.objects.size, 0);
  await copyObjects(rig.bucket, other, { ...options, force: true }, silent);
  assert.equal(other.objects.size, 1);
  await mount.leases.release([S]);

  const second = new MemoryBucket();
  second.before = async ({ operation }) => {
    if (operation === 'put') await mount.leases.acquire(S);
  };
  await assert.rejects(copyObjects(rig.bucket, second, options, silent), inUse, 'it began meanwhile');
  await mount.leases.release([S]);

  const third = new MemoryBucket();
  third.before = async ({ operation }) => {
    if (operation !== 'put') return;
    await mount.leases.acquire(S);
    await mount.leases.release([S]);
  };
  const wasUsed = ofCode('BUCKET_IN_USE', /was used by a mount while/);
  await assert.rejects(copyObjects(rig.bucket, third, options, silent), wasUsed, 'it came and went');
});

test('addresses are opened and closed; the same one twice is refused', async (t) => {
  const directory = temporaryDirectory(t);
  const [a, b] = [join(directory, 'a'), join(directory, 'b')];
  for (const path of [a, b]) mkdirSync(path);
  const source = openDirectoryBucket(a);
  await source.put('.sessionfs/trash/sessions/u/+1.1', Buffer.from('removed'), {
    ifGeneration: ABSENT,
    metadata: {},
  });
  source.close();
  const request = { ...options, emulatorUrl: undefined, s3EndpointUrl: undefined };
  const address = (path: string) => ({ kind: 'directory', path }) as const;
  const copied = await copyBucket({ ...request, from: address(a), to: address(b) }, silent);
  assert.equal(copied.objects, 1, 'what was removed can be brought back there, too');
  const missing = join(directory, 'missing');
  await assert.rejects(
    copyBucket({ ...request, from: address(missing), to: address(b) }, silent),
    ofCode('BUCKET_UNAVAILABLE'),
  );
  assert.ok(!existsSync(missing), 'it would be made a bucket');
  const link = join(directory, 'link');
  symlinkSync(a, link);
  for (const to of [a, link])
    await assert.rejects(
      copyBucket({ ...request, from: address(a), to: address(to) }, silent),
      ofCode('USAGE'),
    );
});
