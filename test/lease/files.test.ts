import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { openDirectoryBucket } from '../../src/bucket/directory/directory-bucket.ts';
import { identityFile, KeptIdentity, newIdentity, withNewId } from '../../src/lease/identity.ts';
import { inboxCodec } from '../../src/lease/records/inbox.ts';
import { ownerCodec, ownerName, sessionOfOwner } from '../../src/lease/records/owner.ts';
import { printableName, readLeaseRecord, writeLeaseRecord } from '../../src/lease/records/record.ts';
import { checkOrder, LEASE_RETRY, pollAfterMs, takeOverAfterMs } from '../../src/lease/times.ts';
import { backoffMs } from '../../src/lib/backoff.ts';
import { cleanUp } from '../support/cleanup.ts';
import { markdownTable } from '../support/markdown-table.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { TIMES } from './support.ts';

test('times that are out of order are refused by the names of both', () => {
  checkOrder(TIMES);
  checkOrder({ renewIntervalMs: 40, grantMs: 60, takeOverMs: 75, pollMs: 74 });
  const refused = (change: Partial<typeof TIMES>, ...names: string[]) => {
    for (const name of names)
      assert.throws(() => checkOrder({ ...TIMES, ...change }), { name: 'Error', message: new RegExp(name) });
  };
  refused({ renewIntervalMs: 40_001 }, 'renewIntervalMs', 'grantMs');
  refused({ takeOverMs: 74_999 }, 'grantMs', 'takeOverMs');
  refused({ pollMs: 90_000 }, 'pollMs', 'takeOverMs');
  refused({ pollMs: 0 }, 'pollMs');
  refused({ renewIntervalMs: Number.NaN }, 'renewIntervalMs');
});

test('a foreign grant counts half as much again; waiting long asks less often; failures wait longer', () => {
  assert.equal(takeOverAfterMs(TIMES, 60_000), 90_000);
  assert.equal(takeOverAfterMs(TIMES, 80_000), 120_000);
  assert.deepEqual([pollAfterMs(TIMES, 0), pollAfterMs(TIMES, 60_000)], [2_000, 10_000]);
  assert.deepEqual(
    [
      [0, 0],
      [0, 1],
      [3, 1],
      [99, 1],
    ].map(([failures = 0, random = 0]) => backoffMs(failures, LEASE_RETRY, random)),
    [250, 500, 4_000, 4_000],
  );
});

test('each session has one owner object, and its name tells the session', () => {
  assert.equal(ownerName('u-+1'), '.sessionfs/owners/u/+1/%owner');
  assert.equal(ownerName('u'), '.sessionfs/owners/u/%owner');
  assert.equal(ownerName(''), '.sessionfs/owners/%owner');
  const session = fc
    .string({ unit: 'binary', maxLength: 20 })
    .filter((name) => !/[/\0]/.test(name) && Buffer.from(name).toString() === name);
  fc.assert(fc.property(session, (name) => sessionOfOwner(ownerName(name)) === name));
  for (const foreign of [
    '.sessionfs/owners/u',
    '.sessionfs/owners/u%owner',
    '.sessionfs/mounts/a',
    '.sessionfs/owners/u//%owner',
  ])
    assert.equal(sessionOfOwner(foreign), undefined, foreign);
});

test('records come back from a bucket as they were, and a damaged one is called corrupt', async (t) => {
  const bucket = openDirectoryBucket(temporaryDirectory(t));
  cleanUp(t, () => bucket.close());
  const owner = { holder: '', name: printableName(' ünïcode "x" '), epoch: 7, floor: 3, refresh: true };
  const name = ownerName('');
  assert.equal(await readLeaseRecord(bucket, name, ownerCodec), undefined);
  const written = await writeLeaseRecord(bucket, name, ownerCodec, { record: owner, ifGeneration: '0' });
  assert.deepEqual(await readLeaseRecord(bucket, name, ownerCodec), written);
  assert.deepEqual(written.record, owner);
  const inbox = { start: '', challenge: 'c', condemned: true, grantMs: 60_000, name: 'a' };
  await writeLeaseRecord(bucket, 'x', inboxCodec, { record: inbox, ifGeneration: '0' });
  assert.deepEqual((await readLeaseRecord(bucket, 'x', inboxCodec))?.record, inbox);
  // A plain folder's owner and a session's lie beside one another in a directory too.
  for (const session of ['u', 'u-+1'])
    await writeLeaseRecord(bucket, ownerName(session), ownerCodec, { record: owner, ifGeneration: '0' });
  for (const change of [
    { epoch: '-1' },
    { epoch: '1e3' },
    { epoch: '' },
    { refresh: '2' },
    { floor: undefined },
    { floor: '8' },
  ]) {
    const metadata = { ...ownerCodec.write(owner), ...change } as Record<string, string>;
    for (const [key, value] of Object.entries(metadata)) if (!value) delete metadata[key];
    await bucket.put(`bad ${JSON.stringify(change)}`, Buffer.alloc(0), { ifGeneration: '0', metadata });
    await assert.rejects(readLeaseRecord(bucket, `bad ${JSON.stringify(change)}`, ownerCodec), {
      kind: 'corrupt',
    });
  }
});

test('a name becomes what metadata can hold', () => {
  assert.equal(printableName('host:/srv/sessions'), 'host:/srv/sessions');
  assert.equal(printableName(' hö\nst '), 'h??st');
  assert.equal(printableName(''), '?');
  assert.equal(printableName('-'), '?');
  assert.equal(printableName('x'.repeat(500)).length, 200);
});

test('the mount id lies in the cache, readable by its owner only, and is whole or absent', async (t) => {
  const cache = temporaryDirectory(t);
  const store = identityFile(cache);
  assert.equal(await store.load(), undefined);
  const identity = { ...newIdentity(), opened: true, former: [newIdentity().id], releasing: ['u-+1'] };
  await store.save(identity);
  assert.deepEqual(await store.load(), identity);
  assert.deepEqual(readdirSync(cache), ['mount-id']);
  assert.equal(statSync(join(cache, 'mount-id')).mode & 0o777, 0o600);
  const text = readFileSync(join(cache, 'mount-id'), 'utf8');
  for (const damaged of [
    '',
    '{',
    'null',
    '[]',
    '{"version":2}',
    text.replace('"opened":true', '"opened":1'),
    text.replace(identity.id, '../x'),
  ]) {
    writeFileSync(join(cache, 'mount-id'), damaged);
    assert.equal(await store.load(), undefined, damaged);
  }
});

test('changes of an identity are saved in order; one that cannot be saved is told', async (t) => {
  const cache = temporaryDirectory(t);
  const store = identityFile(cache);
  const first = newIdentity();
  const kept = new KeptIdentity(store, first);
  await Promise.all([
    kept.change((now) => ({ ...now, opened: true })),
    kept.change((now) => ({ ...now, started: true })),
    kept.change(withNewId),
  ]);
  assert.deepEqual(await store.load(), kept.now);
  assert.deepEqual(kept.now.former, [first.id]);
  assert.deepEqual([kept.now.opened, kept.now.started], [false, false]);
  const broken = new KeptIdentity(identityFile(join(cache, 'missing')), first);
  await assert.rejects(broken.change(withNewId), { code: 'ENOENT' });
});

test('docs/file-format.md lists what owners, inboxes and mount ids hold', () => {
  const keysOf = (head: string) =>
    markdownTable('docs/file-format.md', [head, 'meaning']).map(([key]) => key?.replaceAll('`', ''));
  const owner = { holder: 'a', name: 'a', epoch: 1, floor: 0, refresh: false };
  assert.deepEqual(keysOf("owner's key"), Object.keys(ownerCodec.write(owner)));
  const inbox = { start: 'a', challenge: '', condemned: false, grantMs: 1, name: 'a' };
  assert.deepEqual(keysOf("inbox's key"), Object.keys(inboxCodec.write(inbox)));
  const page = readFileSync(join(repository, 'docs/file-format.md'), 'utf8');
  const section = page.slice(page.indexOf('## Mount id'));
  for (const key of Object.keys(newIdentity())) assert.match(section, new RegExp(`\`${key}\` \\(`));
});
