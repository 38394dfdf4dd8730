/** Nothing outlasts the right to write: deadlines of deletions, and the floor below which objects do not count. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signature } from '../../src/bucket/object-metadata.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { ForeignWrite } from '../../src/sync/backup/upload.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { FakeGrants, Lost } from './lease-support.ts';
import { contentsOf, Machine } from './support.ts';

const S = 'u-+1';

test('a deletion has the deadline of its grant', async (t) => {
  const bucket = new MemoryBucket();
  const deadlines: unknown[] = [];
  const remove = bucket.delete.bind(bucket);
  bucket.delete = (object, options) => {
    deadlines.push((options as { deadlineMs?: number }).deadlineMs);
    return remove(object, options);
  };
  const grants = new FakeGrants({ deadlineMs: performance.now() + 60_000 });
  const machine = new Machine(t, bucket, { grants });
  await machine.write(`${S}/a.json`, 'ok');
  await machine.sync.flusher.flush(S);
  await machine.delete(`${S}/a.json`);
  await machine.sync.flusher.flush(S);
  assert.deepEqual(deadlines, [grants.granted.deadlineMs]);
});

test('a disk that takes longer than the grant lasts costs another grant, not the upload', async (t) => {
  const bucket = new MemoryBucket();
  const deadlines: unknown[] = [];
  const put = bucket.put.bind(bucket);
  bucket.put = (object, bytes, options) => {
    deadlines.push(options.deadlineMs);
    return put(object, bytes, options);
  };
  const grants = new FakeGrants({ deadlineMs: performance.now() + 60_000 });
  const machine = new Machine(t, bucket, { grants });
  await machine.write(`${S}/a.json`, 'ok');
  const laterMs = performance.now() + 120_000;
  const attempt = machine.ledger.attempt.bind(machine.ledger);
  machine.ledger.attempt = async (...given) => {
    const id = await attempt(...given);
    grants.granted = { ...grants.granted, deadlineMs: laterMs };
    return id;
  };
  await machine.sync.flusher.flush(S);
  assert.deepEqual(deadlines, [laterMs]);
});

test('the floor is not raised while an object of an earlier epoch is left', async (t) => {
  const bucket = new MemoryBucket();
  const grants = new FakeGrants();
  const machine = new Machine(t, bucket, { grants });
  for (const file of ['creds.json', 'a.json']) await machine.write(`${S}/${file}`, 'ok');
  await machine.sync.flusher.flush(S);
  machine.ledger.serve(S);
  // Removed by a daemon that died before the ledger heard of it.
  await machine.cache.remove(`${S}/a.json`);
  grants.granted = { ...grants.granted, epoch: 2, previousEpoch: 1, refresh: true };
  await machine.sync.flusher.flush(S).catch(() => {});
  machine.sync.flusher.refresh(S);
  await machine.sync.flusher.flush(S);
  assert.deepEqual(Object.keys(contentsOf(bucket)), [`${S}/creds.json`]);
  assert.deepEqual(grants.floors, [`${S} 2`]);
  const put = bucket.calls.map(({ operation, name }) => `${operation} ${name.split('/').at(-1)}`);
  assert.equal(put.at(-1), 'delete a.json', 'the floor was raised before the last object was settled');
});

test('the floor that could not be raised is raised with the next flush', async (t) => {
  const bucket = new MemoryBucket();
  const grants = new FakeGrants();
  const machine = new Machine(t, bucket, { grants });
  await machine.write(`${S}/creds.json`, 'ok');
  await machine.sync.flusher.flush(S);
  grants.granted = { ...grants.granted, epoch: 2, previousEpoch: 1, refresh: true };
  const raise = grants.floorRaised.bind(grants);
  grants.floorRaised = () => Promise.reject(new Error('no answer'));
  machine.sync.flusher.refresh(S);
  await assert.rejects(machine.sync.flusher.flush(S), /no answer/);
  grants.floorRaised = raise;
  await machine.sync.flusher.flush(S);
  assert.deepEqual(grants.floors, [`${S} 2`]);
});

test('of a flush under one epoch nothing is stored under another', async (t) => {
  const bucket = new MemoryBucket();
  const grants = new FakeGrants();
  const machine = new Machine(t, bucket, { grants });
  for (const file of ['creds.json', 'a.json']) await machine.write(`${S}/${file}`, 'ok');
  bucket.before = ({ operation }) => {
    if (operation === 'put') grants.granted = { ...grants.granted, epoch: 3, previousEpoch: 2 };
  };
  await assert.rejects(machine.sync.flusher.flush(S), /held by another mount meanwhile/);
  assert.deepEqual(Object.keys(contentsOf(bucket)), [`${S}/a.json`]);
});

test('an upload that is refused twice was another mount’s, and is not stored', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { grants: new FakeGrants() });
  await machine.write(`${S}/a.json`, 'ok mine');
  bucket.before = ({ operation, name }) => {
    if (operation === 'put') bucket.store(name, Buffer.from('ok theirs'));
    if (operation === 'head') bucket.objects.delete(name);
  };
  await assert.rejects(machine.sync.flusher.flush(S), /another mount/);
  assert.deepEqual(machine.ledger.dirtySessions, [S]);
  assert.equal(contentsOf(bucket)[`${S}/a.json`], 'ok theirs');
});

test('what is lost before a flush is not sent', async (t) => {
  const bucket = new MemoryBucket();
  const grants = new FakeGrants();
  const machine = new Machine(t, bucket, { grants });
  await machine.write(`${S}/a.json`, 'ok');
  grants.isTaken = true;
  await assert.rejects(machine.sync.flusher.flush(S), Lost);
  assert.equal(bucket.calls.length, 0);
  assert.match(machine.sync.flusher.outcomeOf(S).lastError ?? '', /./);
});

test('a file that changes its content and keeps its size is stored', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  for (const content of ['ok 1', 'ok 2']) {
    await machine.write(`${S}/a.json`, content);
    await machine.sync.flusher.flush(S);
    assert.equal(contentsOf(bucket)[`${S}/a.json`], content);
  }
});

test('a flush brings what only the journal has into the cache first', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  machine.settle = () => machine.write(`${S}/a.json`, 'ok');
  await machine.sync.flusher.flush(S);
  assert.deepEqual(contentsOf(bucket), { [`${S}/a.json`]: 'ok' });
});

test('two flushes of a session that are asked for at once follow one another', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  let [running, most] = [0, 0];
  bucket.before = async ({ operation }) => {
    if (operation !== 'put') return;
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 20));
    running--;
  };
  await machine.write(`${S}/a.json`, 'ok');
  await Promise.all([machine.sync.flusher.flush(S), machine.sync.flusher.flush(S)]);
  assert.deepEqual([most, bucket.calls.filter(({ operation }) => operation === 'put').length], [1, 1]);
});

test('a file that is made again while its object is deleted is stored by the next flush', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/a.json`, 'ok 1');
  await machine.sync.flusher.flush(S);
  await machine.delete(`${S}/a.json`);
  let once = true;
  bucket.before = async ({ operation }) => {
    if (operation !== 'delete' || !once) return;
    once = false;
    await machine.write(`${S}/a.json`, 'ok 2');
  };
  await machine.sync.flusher.flush(S);
  assert.deepEqual(machine.ledger.dirtySessions, [S]);
  await machine.sync.flusher.flush(S);
  assert.deepEqual(contentsOf(bucket), { [`${S}/a.json`]: 'ok 2' });
});

test('what a later run on this cache has stored is not replaced by an older copy of it', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { grants: new FakeGrants({ epoch: 2, previousEpoch: 1 }) });
  machine.ledger.setListed(true);
  machine.ledger.noteCurrent(S, 2);
  await machine.write(`${S}/a.json`, 'ok older');
  bucket.store(toObjectName(`${S}/a.json`, 'file'), Buffer.from('ok later'), signature(machine.ledger.id, 1));
  await assert.rejects(machine.sync.flusher.flush(S), ForeignWrite);
  assert.deepEqual(contentsOf(bucket), { [`${S}/a.json`]: 'ok later' });
});
