/** Sessions that several mounts may write, by turns: what is uploaded, compared, and left alone. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ABSENT } from '../../src/bucket/bucket.ts';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { epochOf, signature } from '../../src/bucket/object-metadata.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { SessionInConflict } from '../../src/sync/backup/flusher.ts';
import { ForeignWrite } from '../../src/sync/backup/upload.ts';
import { listSession } from '../../src/sync/reconcile/listing.ts';
import { quarantineStale } from '../../src/sync/reconcile/quarantine-stale.ts';
import { Reconciliation } from '../../src/sync/reconcile/reconcile.ts';
import { isCurrent } from '../../src/sync/reconcile/reconcile-session.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { FakeGrants, grantOf, Lost } from './lease-support.ts';
import { contentsOf, foreignObjects, Machine } from './support.ts';

const S = 'u-+1';
const name = (file: string) => toObjectName(`${S}/${file}`, 'file');
const OTHER = 'another-cache';

/** As another mount stores it under an epoch. */
function theirs(bucket: MemoryBucket, file: string, content: string, epoch: number): void {
  bucket.store(name(file), Buffer.from(content), signature(OTHER, epoch));
}

function epochsOf(bucket: MemoryBucket): Record<string, number | undefined> {
  return Object.fromEntries(
    [...bucket.objects.values()].map(({ name, metadata }) => [name.split('/').at(-1), epochOf(metadata)]),
  );
}

test('every object carries the epoch of the right that it was written by', async (t) => {
  const bucket = new MemoryBucket();
  const grants = new FakeGrants({ epoch: 7 });
  const machine = new Machine(t, bucket, { grants });
  await machine.write(`${S}/creds.json`, 'ok');
  await machine.write('root.json', 'ok');
  await machine.sync.flusher.flushAll();
  const { metadata } = bucket.objects.get(name('creds.json')) ?? {};
  assert.deepEqual(metadata, signature(machine.ledger.id, 7));
});

test('an upload has the deadline of its grant', async (t) => {
  const bucket = new MemoryBucket();
  const deadlines: unknown[] = [];
  const put = bucket.put.bind(bucket);
  bucket.put = (object, bytes, options) => {
    deadlines.push(options.deadlineMs);
    return put(object, bytes, options);
  };
  const grants = new FakeGrants({ deadlineMs: performance.now() + 60_000 });
  const machine = new Machine(t, bucket, { grants });
  await machine.write(`${S}/creds.json`, 'ok');
  await machine.sync.flusher.flushAll();
  assert.deepEqual(deadlines, [grants.granted.deadlineMs]);
});

test('a late write of an earlier holder is replaced, one of the same epoch or a later one is not', async (t) => {
  for (const [epoch, isReplaced] of [
    [1, true],
    [2, false],
    [3, false],
  ] as const) {
    const bucket = new MemoryBucket();
    const machine = new Machine(t, bucket, { grants: new FakeGrants({ epoch: 2, previousEpoch: 1 }) });
    machine.ledger.setListed(true);
    machine.ledger.noteCurrent(S, 2);
    machine.ledger.serve(S);
    await machine.write(`${S}/a.json`, 'ok mine');
    theirs(bucket, 'a.json', 'ok theirs', epoch);
    const flushed = machine.sync.flusher.flush(S);
    if (isReplaced) await flushed;
    else await assert.rejects(flushed, ForeignWrite);
    assert.equal(contentsOf(bucket)[`${S}/a.json`], isReplaced ? 'ok mine' : 'ok theirs', `epoch ${epoch}`);
    assert.deepEqual([...machine.ledger.conflicts], isReplaced ? [] : [S]);
  }
});

test('what was brought by hand is not replaced', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { grants: new FakeGrants({ epoch: 2, previousEpoch: 1 }) });
  machine.ledger.setListed(true);
  machine.ledger.noteCurrent(S, 2);
  await machine.write(`${S}/a.json`, 'ok mine');
  bucket.store(name('a.json'), Buffer.from('ok by hand'));
  await assert.rejects(machine.sync.flusher.flush(S), ForeignWrite);
  assert.equal(contentsOf(bucket)[`${S}/a.json`], 'ok by hand');
});

test('an object that the right was lost for in mid-flush is not touched again', async (t) => {
  const bucket = new MemoryBucket();
  const grants = new FakeGrants({ epoch: 2, previousEpoch: 1 });
  const machine = new Machine(t, bucket, { grants });
  machine.ledger.setListed(true);
  machine.ledger.noteCurrent(S, 2);
  machine.ledger.serve(S);
  await machine.write(`${S}/a.json`, 'ok mine');
  bucket.before = ({ operation }) => {
    if (operation !== 'put' || grants.isTaken) return;
    grants.isTaken = true;
    // Even one of an epoch that it could replace.
    theirs(bucket, 'a.json', 'ok theirs', 1);
  };
  await assert.rejects(machine.sync.flusher.flush(S), Lost);
  assert.equal(contentsOf(bucket)[`${S}/a.json`], 'ok theirs');
  assert.equal(bucket.calls.filter(({ operation }) => operation === 'put').length, 1);
});

test('nor is one that was to be deleted', async (t) => {
  const bucket = new MemoryBucket();
  const grants = new FakeGrants({ epoch: 2, previousEpoch: 1 });
  const machine = new Machine(t, bucket, { grants });
  machine.ledger.setListed(true);
  machine.ledger.noteCurrent(S, 2);
  machine.ledger.serve(S);
  await machine.write(`${S}/a.json`, 'ok mine');
  await machine.sync.flusher.flush(S);
  await machine.delete(`${S}/a.json`);
  bucket.before = ({ operation }) => {
    if (operation !== 'delete' || grants.isTaken) return;
    grants.isTaken = true;
    // Even one of an epoch that it could delete.
    theirs(bucket, 'a.json', 'ok theirs', 1);
  };
  await assert.rejects(machine.sync.flusher.flush(S), Lost);
  assert.equal(contentsOf(bucket)[`${S}/a.json`], 'ok theirs');
});

test('lost while it is in use: a conflict, once; lost before anybody opened it: opening it settles that', async (t) => {
  for (const isServed of [true, false]) {
    const grants = new FakeGrants();
    const machine = new Machine(t, new MemoryBucket(), { grants });
    if (isServed) machine.ledger.serve(S);
    await machine.write(`${S}/a.json`, 'ok');
    grants.isTaken = true;
    await assert.rejects(machine.sync.flusher.flush(S), Lost);
    await assert.rejects(machine.sync.flusher.flush(S));
    assert.deepEqual([...machine.ledger.conflicts], isServed ? [S] : []);
    assert.equal(machine.counted.includes('conflict 0'), isServed);
    const [line] = machine.lines.filter(({ msg }) => msg.startsWith('Another mount has'));
    assert.equal(line?.level, isServed ? 'error' : 'warn');
    grants.isTaken = false;
    await machine.sync.reconcileSession(S, grantOf({ epoch: 3, previousEpoch: 2 }), isServed);
    if (isServed) await assert.rejects(machine.sync.flusher.flush(S));
    else await machine.sync.flusher.flush(S);
  }
});

test('after an unclean take-over every object is stored again, then the floor is raised, once', async (t) => {
  const bucket = new MemoryBucket();
  for (const file of ['creds.json', 'a.json']) theirs(bucket, file, `ok ${file}`, 1);
  const grants = new FakeGrants({ epoch: 2, previousEpoch: 1, refresh: true });
  const machine = new Machine(t, bucket, { grants });
  await machine.sync.prepare();
  await machine.sync.reconcileSession(S, grants.granted, false);
  await machine.sync.restorer.restore(S);
  bucket.before = ({ operation }) => {
    if (operation === 'put') throw new BucketError('unreachable', 'no answer');
  };
  machine.sync.flusher.refresh(S);
  await assert.rejects(machine.sync.flusher.flush(S), { kind: 'unreachable' });
  assert.deepEqual(grants.floors, []);
  bucket.before = () => {};
  await machine.sync.flusher.flush(S);
  assert.deepEqual(epochsOf(bucket), { 'creds.json': 2, 'a.json': 2 });
  assert.deepEqual(grants.floors, [`${S} 2`]);
  const puts = bucket.calls.length;
  machine.sync.flusher.refresh(S);
  await machine.sync.flusher.flush(S);
  assert.equal(bucket.calls.length, puts);
});

test('the floor is not raised over what waits for the session that it was moved to', async (t) => {
  const bucket = new MemoryBucket();
  const grants = new FakeGrants({ epoch: 2, previousEpoch: 1, refresh: true });
  grants.grant = async (session) => (session === S ? grants.granted : grantOf());
  const machine = new Machine(t, bucket, { grants });
  const { ledger, sync } = machine;
  theirs(bucket, 'creds.json', 'ok', 1);
  await sync.reconcileSession(S, grants.granted, false);
  await sync.restorer.restore(S);
  await machine.cache.put('v-+2/creds.json', Buffer.from('ok'));
  await machine.cache.remove(`${S}/creds.json`);
  const [from, to] = [name('creds.json'), toObjectName('v-+2/creds.json', 'file')];
  await ledger.changed([to], [from], [{ deleted: [from], put: [to] }]);
  ledger.conflicts.add('v-+2');
  sync.flusher.refresh(S);
  await assert.rejects(sync.flusher.flush(S));
  assert.deepEqual([grants.floors, bucket.objects.has(from)], [[], true]);
  ledger.conflicts.clear();
  await sync.flusher.flush(S);
  assert.deepEqual([grants.floors, bucket.objects.has(from)], [[`${S} 2`], false]);
});

test('in step: of the epoch that was found or the one that was made, and of no other', async (t) => {
  const machine = new Machine(t, new MemoryBucket());
  const grant = grantOf({ epoch: 5, previousEpoch: 4 });
  assert.ok(!isCurrent(machine.ledger, S, grant));
  for (const [epoch, expected] of [
    [3, false],
    [4, true],
    [5, true],
  ] as const) {
    machine.ledger.noteCurrent(S, epoch);
    assert.equal(isCurrent(machine.ledger, S, grant), expected, `epoch ${epoch}`);
  }
});

test('a copy that is in step costs no request, one that is not is compared', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  machine.ledger.setListed(true);
  machine.ledger.noteCurrent(S, 4);
  await machine.sync.reconcileSession(S, grantOf({ epoch: 5, previousEpoch: 4 }), false);
  assert.deepEqual([bucket.calls.length, machine.ledger.epochOf(S)], [0, 5]);
  theirs(bucket, 'creds.json', 'ok', 6);
  await machine.sync.reconcileSession(S, grantOf({ epoch: 7, previousEpoch: 6 }), false);
  assert.deepEqual(
    bucket.calls.map(({ operation }) => operation),
    ['list'],
  );
  assert.deepEqual(
    machine.ledger.absentOf(S).map(({ name }) => name),
    [name('creds.json')],
  );
  await machine.sync.reconcileSession('', grantOf({ epoch: 7 }), false);
  await machine.sync.reconcileSession(S, grantOf({ epoch: 0 }), false);
  assert.equal(bucket.calls.length, 1);
});

test('what lies below the floor is not restored, and goes into quarantine in just that version', async (t) => {
  const bucket = new MemoryBucket();
  theirs(bucket, 'creds.json', 'ok', 3);
  theirs(bucket, 'late.json', 'ok late', 2);
  const machine = new Machine(t, bucket);
  await machine.sync.reconcileSession(S, grantOf({ epoch: 4, previousEpoch: 3, floor: 3 }), false);
  const [creds, aside = '', ...rest] = Object.keys(contentsOf(bucket));
  assert.deepEqual([creds, rest], [`${S}/creds.json`, []]);
  assert.match(aside, /^\.sessionfs\/set-aside\/sessions\/u\/\+1\/late\.json\.\d+$/);
  assert.equal(contentsOf(bucket)[aside], 'ok late', 'an operator may have brought it back');
  assert.deepEqual(
    machine.ledger.absentOf(S).map(({ name }) => name),
    [name('creds.json')],
  );
  const [line] = machine.lines;
  assert.deepEqual([line?.level, line?.session, line?.objects, line?.moved], ['warn', S, 1, [aside]]);

  theirs(bucket, 'late.json', 'ok late', 2);
  const listed = [...(await listSession(bucket, S, foreignObjects())).values()].filter(({ name }) =>
    name.endsWith('late.json'),
  );
  theirs(bucket, 'late.json', 'ok newer', 4);
  assert.deepEqual(
    await quarantineStale(bucket, listed, {
      nowMs: 7,
      deadlineMs: Number.POSITIVE_INFINITY,
      maxBytes: 1_000,
    }),
    [],
  );
  assert.equal(contentsOf(bucket)[`${S}/late.json`], 'ok newer');
});

test('what an operator puts below the floor, signed by this cache, goes aside where a file is to be stored or deleted, and is no conflict', async (t) => {
  for (const what of ['changed', 'deleted', 'deleted, and an upload may arrive'] as const) {
    const bucket = new MemoryBucket();
    const grants = new FakeGrants({ epoch: 4, previousEpoch: 4, floor: 3 });
    const machine = new Machine(t, bucket, { grants });
    machine.ledger.setListed(true);
    machine.ledger.noteCurrent(S, 4);
    machine.ledger.serve(S);
    await machine.write(`${S}/a.json`, 'ok 1');
    await machine.sync.flusher.flush(S);
    if (what === 'deleted, and an upload may arrive') await machine.ledger.attempt(name('a.json'), ABSENT, 1);
    bucket.store(name('a.json'), Buffer.from('ok 0'), signature(machine.ledger.id, 2));
    if (what === 'changed') await machine.write(`${S}/a.json`, 'ok 2');
    else await machine.delete(`${S}/a.json`);
    await machine.sync.flusher.flush(S);
    const { [`${S}/a.json`]: file, ...others } = contentsOf(bucket);
    assert.deepEqual(
      [file, Object.values(others)],
      [what === 'changed' ? 'ok 2' : undefined, ['ok 0']],
      what,
    );
    const [aside = ''] = Object.keys(others);
    assert.match(aside, /^\.sessionfs\/set-aside\/sessions\/u\/\+1\/a\.json\.\d+$/);
    assert.deepEqual([[...machine.ledger.conflicts], machine.ledger.dirtyOf(S)], [[], []]);
    const told = machine.lines.filter(({ level }) => level !== 'info');
    assert.deepEqual(
      told.map(({ level, session, objects, moved }) => [level, session, objects, moved]),
      [['warn', S, 1, [aside]]],
    );
  }
});

test('a late write that is larger than a file of the mount may be is not read, and the message says what to do', async (t) => {
  const bucket = new MemoryBucket();
  const grants = new FakeGrants({ epoch: 4, previousEpoch: 4, floor: 3 });
  const machine = new Machine(t, bucket, { grants, maxBytes: 1_000 });
  machine.ledger.setListed(true);
  machine.ledger.noteCurrent(S, 4);
  const large = 'x'.repeat(1_001);
  theirs(bucket, 'a.json', large, 2);
  const read: string[] = [];
  bucket.before = ({ operation, name: object }) => void (operation === 'get' && read.push(object));
  await machine.write(`${S}/a.json`, 'ok 1');
  const failed = await machine.sync.flusher.flush(S).then(
    () => undefined,
    (error: unknown) => error as Error & { hint?: string },
  );
  assert.match(`${failed?.message}: ${failed?.hint}`, /too large to be moved aside.*SESSION_MAX_FILE_SIZE/);
  await machine.sync.reconcileSession(S, grantOf({ epoch: 5, previousEpoch: 3, floor: 3 }), false);
  assert.deepEqual([read, contentsOf(bucket)[`${S}/a.json`]], [[], large]);
  const told = machine.lines.find(({ objects }) => objects === 1);
  assert.deepEqual(told?.moved, []);
  await bucket.delete(name('a.json'), { ifGeneration: bucket.objects.get(name('a.json'))?.generation ?? '' });
  await machine.sync.flusher.flush(S);
  assert.deepEqual(contentsOf(bucket), { [`${S}/a.json`]: 'ok 1' });
});

test('an own upload below the floor whose answer was lost is replaced, and not kept', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, {
    grants: new FakeGrants({ epoch: 4, previousEpoch: 4, floor: 3 }),
  });
  machine.ledger.setListed(true);
  machine.ledger.noteCurrent(S, 4);
  await machine.write(`${S}/a.json`, 'ok 1');
  const id = await machine.ledger.attempt(name('a.json'), ABSENT, 1);
  bucket.store(name('a.json'), Buffer.from('ok 1'), signature(machine.ledger.id, 2), id);
  await machine.write(`${S}/a.json`, 'ok 2');
  await machine.sync.flusher.flush(S);
  assert.deepEqual(contentsOf(bucket), { [`${S}/a.json`]: 'ok 2' });
});

test('of what is deleted in a session in conflict no flush says that it is stored, of the next daemon neither', async (t) => {
  for (const when of ['before it is found', 'after it is found', 'after it was made again'] as const) {
    const bucket = new MemoryBucket();
    const grants = new FakeGrants({ epoch: 2, previousEpoch: 1 });
    theirs(bucket, 'a.json', 'ok theirs', 1);
    const machine = new Machine(t, bucket, { grants });
    machine.ledger.serve(S);
    const files = ['a.json', 'new.json'].map((file) => `${S}/${file}`);
    const write = () => Promise.all(files.map((path) => machine.write(path, 'ok mine')));
    const remove = () => Promise.all(files.map((path) => machine.delete(path)));
    await write();
    if (when !== 'after it is found') await remove();
    await machine.sync.reconcileSession(S, grants.granted, true);
    if (when === 'after it was made again') await write();
    if (when !== 'before it is found') await remove();
    assert.equal(machine.ledger.get(name('a.json'))?.local, 'deleted', when);
    await assert.rejects(machine.sync.flusher.flushAll(), SessionInConflict);
    await machine.sync.end();
    machine.ledger.close();

    const daemon = new Machine(t, bucket, { grants, cachePath: machine.cache.path });
    await assert.rejects(daemon.sync.flusher.flushAll(), SessionInConflict);
    assert.deepEqual(contentsOf(bucket), { [`${S}/a.json`]: 'ok theirs' });
    await daemon.sync.end();
    daemon.ledger.close();

    const next = new Machine(t, bucket, { grants, cachePath: machine.cache.path });
    next.ledger.setListed(false);
    next.ledger.beginMount();
    await next.sync.prepare();
    assert.deepEqual([next.ledger.absentSessions, [...next.ledger.conflicts]], [[S], []]);
    await next.sync.flusher.flushAll();
    assert.deepEqual(contentsOf(bucket), { [`${S}/a.json`]: 'ok theirs' });
  }
});

test('of what is deleted in a session that another mount has taken over no flush says that it is stored', async (t) => {
  for (const how of ['deleted', 'renamed'] as const) {
    const bucket = new MemoryBucket();
    const grants = new FakeGrants({ epoch: 2, previousEpoch: 1 });
    const machine = new Machine(t, bucket, { grants });
    const { ledger, cache, sync } = machine;
    ledger.setListed(true);
    ledger.serve(S);
    await machine.write(`${S}/a.json`, 'ok mine');
    grants.isTaken = true;
    await assert.rejects(sync.flusher.flush(S), Lost);
    grants.isTaken = false;
    theirs(bucket, 'a.json', 'ok theirs', 3);
    grants.granted = grantOf({ epoch: 4, previousEpoch: 3 });
    if (how === 'deleted') await machine.delete(`${S}/a.json`);
    else {
      await cache.put('v-+2/a.json', Buffer.from('ok mine'));
      await cache.remove(`${S}/a.json`);
      const [from, to] = [name('a.json'), toObjectName('v-+2/a.json', 'file')];
      await ledger.changed([to], [from], [{ deleted: [from], put: [to] }]);
    }
    await assert.rejects(sync.flusher.flushAll(), SessionInConflict, how);
    assert.equal(contentsOf(bucket)['v-+2/a.json'], how === 'renamed' ? 'ok mine' : undefined);
    await sync.end();
    ledger.close();

    const daemon = new Machine(t, bucket, { grants, cachePath: cache.path });
    await assert.rejects(daemon.sync.flusher.flushAll(), SessionInConflict);
    assert.equal(contentsOf(bucket)[`${S}/a.json`], 'ok theirs');
  }
});

test('of what is deleted before a session was ever compared no flush says that it is stored', async (t) => {
  for (const isInBucket of [true, false]) {
    const bucket = new MemoryBucket();
    if (isInBucket) theirs(bucket, 'a.json', 'ok', 1);
    const options = { grants: new FakeGrants({ epoch: 2, previousEpoch: 1 }) };
    const machine = new Machine(t, bucket, options);
    machine.ledger.serve(S);
    // All that a ledger tells that was lost.
    for (const file of ['a.json', 'b.json', 'c.json']) await machine.write(`${S}/${file}`, 'ok');
    for (const file of ['a.json', 'c.json', 'b.json']) await machine.delete(`${S}/${file}`);
    assert.equal(machine.ledger.entriesOf(S).length, 1, 'one stands for all');
    bucket.before = () => {
      throw new BucketError('unreachable', 'no answer');
    };
    await assert.rejects(machine.sync.flusher.flushAll(), { kind: 'unreachable' });
    await machine.sync.end();
    machine.ledger.close();

    const daemon = new Machine(t, bucket, { ...options, cachePath: machine.cache.path });
    await assert.rejects(daemon.sync.flusher.flush(S), { kind: 'unreachable' });
    bucket.before = () => {};
    bucket.calls.length = 0;
    if (isInBucket) await assert.rejects(daemon.sync.flusher.flush(S), SessionInConflict);
    else await daemon.sync.flusher.flush(S);
    assert.deepEqual(
      bucket.calls.map(({ operation }) => operation),
      ['list'],
    );
    if (isInBucket) continue;
    await daemon.write(`${S}/new.json`, 'ok');
    await daemon.delete(`${S}/new.json`);
    assert.deepEqual(daemon.ledger.sessionNames, [], 'the bucket is known to have nothing of it');
  }
});

test('the objects of a session are those of no other one, also where a user has several', async () => {
  const bucket = new MemoryBucket();
  for (const path of ['u-+1/a.json', 'u-+10/a.json', 'u/a.json', 'u-+2/a.json'])
    bucket.store(toObjectName(path, 'file'), Buffer.from('ok'));
  for (const session of ['u-+1', 'u']) {
    const listing = await listSession(bucket, session, foreignObjects());
    assert.deepEqual([...listing.keys()], [toObjectName(`${session}/a.json`, 'file')]);
  }
});

test('what another mount deleted while it had the session goes here as well; a session that no mount had is stored again', async (t) => {
  for (const previousEpoch of [0, 2]) {
    const bucket = new MemoryBucket();
    const machine = new Machine(t, bucket, { grants: new FakeGrants() });
    await machine.write(`${S}/creds.json`, 'ok');
    await machine.write(`${S}/used.json`, 'ok');
    await machine.sync.flusher.flush(S);
    bucket.objects.delete(name('used.json'));
    const grant = grantOf({ epoch: previousEpoch + 1, previousEpoch });
    machine.ledger.noteCurrent(S, 99);
    await machine.sync.reconcileSession(S, grant, false);
    const isGone = previousEpoch > 0;
    assert.equal(existsSync(machine.cache.files.locate(name('used.json'))), !isGone);
    assert.equal(machine.ledger.get(name('used.json'))?.local, isGone ? undefined : 'changed');
  }
});

test('what another mount changed and later deleted does not come back from the older copy here', async (t) => {
  for (const deleted of ['before it is compared again', 'while it is restored'] as const) {
    const bucket = new MemoryBucket();
    const machine = new Machine(t, bucket, { grants: new FakeGrants() });
    await machine.write(`${S}/creds.json`, 'ok');
    await machine.write(`${S}/used.json`, 'ok');
    await machine.sync.flusher.flush(S);
    theirs(bucket, 'used.json', 'ok theirs', 2);
    await machine.sync.reconcileSession(S, grantOf({ epoch: 3, previousEpoch: 2 }), false);
    assert.equal(machine.ledger.get(name('used.json'))?.local, 'absent');
    bucket.objects.delete(name('used.json'));
    if (deleted === 'before it is compared again')
      await machine.sync.reconcileSession(S, grantOf({ epoch: 5, previousEpoch: 4 }), false);
    await machine.sync.restorer.restore(S);
    assert.deepEqual(machine.restored.at(-1)?.files, [`${S}/creds.json`], deleted);
  }
});

test('other files changed here than there: still a conflict of the whole session, which is kept aside', async (t) => {
  const bucket = new MemoryBucket();
  const grants = new FakeGrants();
  const machine = new Machine(t, bucket, { grants });
  for (const file of ['creds.json', 'used.json']) await machine.write(`${S}/${file}`, 'ok');
  await machine.sync.flusher.flush(S);
  await machine.write(`${S}/new.json`, 'ok here');
  theirs(bucket, 'creds.json', 'ok there', 2);
  await machine.sync.reconcileSession(S, grantOf({ epoch: 3, previousEpoch: 2 }), false);
  assert.deepEqual(machine.counted.slice(-1), ['conflict 1']);
  assert.match(String(readdirSync(join(machine.cache.path, 'set-aside'))), /%2Fnew\.json\.\d+$/);
  assert.deepEqual(machine.ledger.dirtyOf(S), []);
  await machine.sync.restorer.restore(S);
  assert.equal(machine.read(`${S}/creds.json`), 'ok there');
});

test('files in the root are no session: each has its own version', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write('a.json', 'ok');
  await machine.sync.flusher.flushAll();
  await machine.write('b.json', 'ok here');
  bucket.store(toObjectName('a.json', 'file'), Buffer.from('ok there'));
  const comparing = new Reconciliation(machine.ledger, {
    ...{ served: () => false, holds: async () => false, remove: async () => {}, foreign: foreignObjects() },
  });
  await comparing.add(bucket.objects.values());
  const { conflicts } = await comparing.end();
  assert.deepEqual([...conflicts], []);
});

test('after a restart the sessions that are in use are not all listed at the same time', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  let underWay = 0;
  let most = 0;
  bucket.before = async () => {
    most = Math.max(most, ++underWay);
    await new Promise(setImmediate);
    underWay--;
  };
  const sessions = Array.from({ length: 200 }, (_, index) => `u-+${index}`);
  const grant = grantOf({ epoch: 7, previousEpoch: 6 });
  await Promise.all(sessions.map((session) => machine.sync.reconcileSession(session, grant, false)));
  assert.equal(bucket.calls.length, sessions.length);
  assert.ok(most <= 16, `${most} at a time`);
});

test('what a start on a full disk leaves in the journal is compared before another mount’s version is restored', async (t) => {
  for (const isListed of [true, false]) {
    const bucket = new MemoryBucket();
    const grants = new FakeGrants({ epoch: 2 });
    const before = new Machine(t, bucket, { grants });
    const [creds, key] = ['creds.json', 'key.json'].map((file) => `${S}/${file}`) as [string, string];
    for (const path of [creds, key]) await before.write(path, 'ok');
    await before.sync.reconcileSession(S, grantOf({ epoch: 2 }), false);
    await before.sync.flusher.flush(S);
    before.ledger.close();
    const machine = new Machine(t, bucket, { grants, cachePath: before.cache.path });
    for (const path of [creds, key])
      bucket.store(toObjectName(path, 'file'), Buffer.from('ok theirs'), signature('another', 3));
    machine.settle = () => Promise.reject(systemError('ENOSPC', 'write', 'injected'));
    if (isListed) {
      machine.sync.begin();
      await machine.sync.prepare();
    }
    const open = () => machine.sync.reconcileSession(S, grantOf({ epoch: 4, previousEpoch: 3 }), false);
    await assert.rejects(open(), { code: 'ENOSPC' }, 'its callers wait');
    machine.settle = () => machine.write(key, 'ok in the journal');
    await open();
    assert.equal(machine.ledger.isDirty(S), false, 'the change is in quarantine');
    await machine.sync.restorer.restore(S);
    assert.deepEqual([machine.read(creds), machine.read(key)], ['ok theirs', 'ok theirs']);
    assert.ok(
      machine.messages().some((message) => message.startsWith('A session changed here and in the bucket')),
    );
  }
});

test('a session that no other mount had is served although the journal does not go into the cache', async (t) => {
  const machine = new Machine(t, new MemoryBucket(), { grants: new FakeGrants({ epoch: 2 }) });
  await machine.write(`${S}/key.json`, 'ok');
  machine.ledger.noteCurrent(S, 2);
  machine.settle = () => Promise.reject(systemError('ENOSPC', 'write', 'injected'));
  await machine.sync.reconcileSession(S, grantOf({ epoch: 3, previousEpoch: 2 }), false);
});
