/** Caches that an operator, or a repair of the disk, has changed between two runs. */
import assert from 'node:assert/strict';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { ForeignWrite } from '../../src/sync/backup/upload.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { FakeGrants, grantOf } from './lease-support.ts';
import { contentsOf, Machine } from './support.ts';

const S = 'u-+1';
const CREDS = `${S}/creds.json`;
const KEY = `${S}/key.json`;
const grant = grantOf({ epoch: 1, previousEpoch: 1 });

/** A cache at version 1, a copy of it, and a bucket that has gone on to version 2 from the cache itself. */
async function rig(t: TestContext, before: (machine: Machine) => Promise<void> = async () => {}) {
  const bucket = new MemoryBucket();
  const grants = new FakeGrants({ epoch: 1, previousEpoch: 1 });
  const machine = new Machine(t, bucket, { grants });
  await machine.sync.prepare();
  for (const path of [CREDS, KEY]) await machine.write(path, 'ok 1');
  await machine.sync.flusher.flush(S);
  await before(machine);
  const copy = temporaryDirectory(t);
  cpSync(machine.cache.path, copy, { recursive: true });
  for (const path of [CREDS, KEY]) await machine.write(path, 'ok 2');
  await machine.sync.flusher.flush(S);
  await machine.sync.end();
  const putBack = () => {
    const again = new Machine(t, bucket, { cachePath: copy, grants });
    again.ledger.setListed(false);
    again.ledger.beginMount();
    return again;
  };
  return { bucket, putBack };
}

const setAside = (machine: Machine) =>
  readdirSync(join(machine.cache.path, 'set-aside')).map((name) =>
    decodeURIComponent(name).split('/').at(-1),
  );

test('a cache that is put back from a copy is older than the bucket: that version is taken, the copy kept', async (t) => {
  const { bucket, putBack } = await rig(t);
  const machine = putBack();
  await machine.sync.prepare();
  assert.deepEqual(machine.ledger.absentSessions, [S]);
  await machine.sync.reconcileSession(S, grant, false);
  await machine.sync.restorer.restore(S);
  assert.deepEqual([machine.read(CREDS), machine.read(KEY)], ['ok 2', 'ok 2']);
  await machine.sync.flusher.flushAll();
  assert.equal(contentsOf(bucket)[CREDS], 'ok 2');
  assert.equal(setAside(machine).length, 2);
  assert.ok(machine.lines.some(({ level, files }) => level === 'warn' && files === 2));
});

test('a copy in which something had changed is a conflict, and the newer version in the bucket wins', async (t) => {
  const { bucket, putBack } = await rig(t, (machine) => machine.write(CREDS, 'ok other'));
  const machine = putBack();
  await machine.sync.prepare();
  await machine.sync.restorer.restore(S);
  assert.deepEqual([machine.read(CREDS), machine.read(KEY)], ['ok 2', 'ok 2']);
  assert.deepEqual(machine.counted.slice(0, 1), ['conflict 1']);
  assert.equal(contentsOf(bucket)[CREDS], 'ok 2');
});

test('a copy overwrites nothing where the bucket was not listed at the start either', async (t) => {
  for (const isServed of [false, true]) {
    const { bucket, putBack } = await rig(t);
    const machine = putBack();
    if (isServed) machine.ledger.serve(S);
    await machine.write(CREDS, 'ok other');
    await machine.sync.flusher.flush(S).catch(() => {});
    assert.equal(contentsOf(bucket)[CREDS], 'ok 2');
    assert.deepEqual([...machine.ledger.conflicts], isServed ? [S] : []);
  }
});

test('a copy that is compared with nothing is refused by the upload itself', async (t) => {
  const { bucket, putBack } = await rig(t);
  const machine = putBack();
  machine.ledger.setListed(true);
  await machine.write(CREDS, 'ok other');
  await assert.rejects(machine.sync.flusher.flush(S), ForeignWrite);
  assert.equal(contentsOf(bucket)[CREDS], 'ok 2');
});

test('an upload whose answer was lost is ours in the next run, also of a file that has changed since', async (t) => {
  const bucket = new MemoryBucket();
  const first = new Machine(t, bucket);
  await first.write(CREDS, 'ok 1');
  bucket.after = () => {
    throw new BucketError('unreachable', 'no answer');
  };
  await assert.rejects(first.sync.flusher.flush(S));
  await first.write(CREDS, 'ok 2');
  await first.sync.end();
  first.ledger.close();
  bucket.after = () => {};
  const next = new Machine(t, bucket, { cachePath: first.cache.path });
  await next.sync.prepare();
  await next.sync.flusher.flush(S);
  assert.deepEqual([contentsOf(bucket), [...next.ledger.conflicts]], [{ [CREDS]: 'ok 2' }, []]);
});

test('what is the same here and there is no conflict, no matter which mount stored it', async (t) => {
  const bucket = new MemoryBucket();
  const first = new Machine(t, bucket);
  for (const path of [CREDS, KEY]) await first.write(path, 'ok 1');
  await first.sync.flusher.flush(S);
  await first.sync.end();
  rmSync(join(first.cache.path, 'bucket.log'));
  const next = new Machine(t, bucket, { cachePath: first.cache.path });
  assert.notEqual(next.ledger.id, first.ledger.id);
  await next.sync.prepare();
  assert.deepEqual([next.ledger.dirtyCount, next.ledger.absentSessions], [0, []]);
  assert.deepEqual(next.counted, []);
  await next.write(KEY, 'ok 2');
  await next.sync.flusher.flush(S);
  assert.equal(contentsOf(bucket)[KEY], 'ok 2');
});

test('files that are gone from the cache are restored, never taken for a session that is empty', async (t) => {
  const bucket = new MemoryBucket();
  const first = new Machine(t, bucket, { grants: new FakeGrants({ epoch: 1, previousEpoch: 1 }) });
  for (const path of [CREDS, KEY]) await first.write(path, 'ok 1');
  await first.sync.flusher.flush(S);
  await first.write(KEY, 'ok 2');
  await first.write(`${S}/new.json`, 'ok');
  await first.sync.end();
  for (const file of ['creds.json', 'key.json', 'new.json'])
    rmSync(first.cache.files.locate(toObjectName(`${S}/${file}`, 'file')));
  const next = new Machine(t, bucket, {
    cachePath: first.cache.path,
    grants: new FakeGrants({ epoch: 1, previousEpoch: 1 }),
  });
  await next.sync.prepare();
  // By itself, as at the start, before an application opens it.
  await next.sync.flusher.flush(S);
  assert.deepEqual(contentsOf(bucket), { [CREDS]: 'ok 1', [KEY]: 'ok 1' });
  await next.sync.reconcileSession(S, grant, false);
  assert.deepEqual(next.ledger.absentSessions, [S]);
  await next.sync.restorer.restore(S);
  assert.deepEqual([next.read(CREDS), next.read(KEY)], ['ok 1', 'ok 1']);
  assert.equal(next.ledger.dirtyCount, 0);
});

test('a file whose removal only the journal knows of yet is not fetched again', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  for (const path of [CREDS, KEY]) await machine.write(path, 'ok 1');
  await machine.sync.flusher.flush(S);
  await machine.cache.remove(KEY);
  machine.settle = () => machine.ledger.changed([], [toObjectName(KEY, 'file')]);
  await machine.sync.fetchMissing(S);
  assert.deepEqual(machine.ledger.absentSessions, []);
  await machine.sync.flusher.flush(S);
  assert.deepEqual(contentsOf(bucket), { [CREDS]: 'ok 1' });
});
