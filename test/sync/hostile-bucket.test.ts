/** Whatever a writer of the bucket without the key does, no version here is dropped that is not shown to be older. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { signature } from '../../src/bucket/object-metadata.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { FakeGrants, grantOf } from './lease-support.ts';
import { contentsOf, Machine } from './support.ts';

const S = 'u-+1';
const CREDS = `${S}/creds.json`;
const KEY = `${S}/key.json`;
const object = (path: string) => toObjectName(path, 'file');
const OLD = 'ok @1 old';
const NEW = 'ok @2 new';
const TAKEN =
  'The versions in the bucket are taken, but nothing shows that they are newer than those that were here, which are kept in quarantine';
const DELETED =
  'Another mount has had the session and deleted files of it, by what the bucket says: they are deleted here too, and their versions are kept in quarantine';
/** What follows from a forged owner object. */
const forged = grantOf({ epoch: 8, previousEpoch: 7 });

/** A cache with the newest version, which the bucket has too. */
async function rig(t: TestContext) {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { grants: new FakeGrants({ epoch: 1, previousEpoch: 1 }) });
  await machine.sync.prepare();
  for (const path of [CREDS, KEY]) await machine.write(path, OLD);
  await machine.sync.flusher.flush(S);
  const old = bucket.objects.get(object(CREDS));
  for (const path of [CREDS, KEY]) await machine.write(path, NEW);
  await machine.sync.flusher.flush(S);
  const newest = bucket.objects.get(object(CREDS));
  assert.ok(old && newest);
  return { bucket, machine, old, newest };
}

/** Contents by file name. */
function kept(machine: Machine): Record<string, string> {
  const folder = join(machine.cache.path, 'set-aside');
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return Object.fromEntries(
    names.map((name) => [
      decodeURIComponent(name)
        .split('/')
        .at(-1)
        ?.replace(/\.\d+$/, ''),
      readFileSync(join(folder, name), 'utf8'),
    ]),
  );
}

const warned = (machine: Machine, message: string) =>
  machine.lines
    .filter(({ level, msg }) => level === 'warn' && msg === message)
    .flatMap(({ objects }) => objects);

test('an older version in the place of a newer one: what was here is kept, and the log names it', async (t) => {
  const { bucket, machine, old, newest } = await rig(t);
  const { metadata, uploadId } = newest;
  const signatures = [
    [{}, undefined],
    [signature('another', 7), 'some upload'],
    [metadata, uploadId],
    [old.metadata, old.uploadId],
  ] as const;
  for (const [forgery, upload] of signatures) {
    bucket.store(object(CREDS), Buffer.from(OLD), forgery, upload);
    machine.lines.length = 0;
    await machine.sync.reconcileSession(S, forged, false);
    machine.ledger.noteOutdated(S);
    await machine.sync.restorer.restore(S);
    assert.equal(machine.read(CREDS), OLD, 'the bucket counts, as after an undo by its operator');
    assert.ok(Object.values(kept(machine)).includes(NEW));
    const names = machine.lines.flatMap(({ level, objects }) => (level === 'warn' ? objects : []));
    assert.deepEqual(names, [object(CREDS)], JSON.stringify(forgery));
    // The next round begins as this one.
    await machine.write(CREDS, NEW);
    bucket.store(object(CREDS), Buffer.from(NEW), signature(machine.ledger.id, 1));
    await machine.sync.reconcileSession(S, forged, false);
    machine.ledger.noteOutdated(S);
    assert.equal(machine.ledger.dirtyCount, 0);
  }
});

test('a newer version replaces the one here without a word', async (t) => {
  const { bucket, machine } = await rig(t);
  bucket.store(object(CREDS), Buffer.from('ok @3 newer'), signature('another', 7));
  await machine.sync.reconcileSession(S, forged, false);
  await machine.sync.restorer.restore(S);
  assert.deepEqual([machine.read(CREDS), kept(machine), warned(machine, TAKEN)], ['ok @3 newer', {}, []]);
});

test('a deletion under a forged owner record: what was here is kept, and the log names it', async (t) => {
  const { bucket, machine } = await rig(t);
  bucket.objects.delete(object(KEY));
  await machine.sync.reconcileSession(S, forged, false);
  assert.equal(existsSync(machine.cache.files.locate(object(KEY))), false);
  assert.deepEqual([kept(machine), warned(machine, DELETED)], [{ 'key.json': NEW }, [object(KEY)]]);
});

test('a forged floor hides all objects: what was here is kept', async (t) => {
  const { bucket, machine } = await rig(t);
  await machine.sync.reconcileSession(S, { ...forged, floor: 8 }, false);
  assert.deepEqual(kept(machine), { 'creds.json': NEW, 'key.json': NEW });
  const there = Object.values(contentsOf(bucket));
  assert.deepEqual(there, [NEW, NEW], 'and so is what is in the bucket');
  assert.deepEqual(warned(machine, DELETED).sort(), [CREDS, KEY].map(object));
});

test('a conflict names the files that are kept', async (t) => {
  const { bucket, machine } = await rig(t);
  await machine.write(KEY, 'ok @3 mine');
  bucket.store(object(CREDS), Buffer.from(OLD), signature('another', 7));
  await machine.sync.reconcileSession(S, forged, false);
  await machine.sync.restorer.restore(S);
  assert.deepEqual(kept(machine), { 'creds.json': NEW, 'key.json': 'ok @3 mine' });
  const [error] = machine.lines.filter(({ level }) => level === 'error');
  assert.deepEqual([error?.objects, warned(machine, TAKEN)], [[object(KEY)], [object(CREDS)]]);
});
