/** Uploads that no reply came for: one that arrives late brings nothing back, and is never taken for another run's. */
import assert from 'node:assert/strict';
import { cpSync, existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { ABSENT } from '../../src/bucket/bucket.ts';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { isDeletedMark } from '../../src/bucket/deleted-mark.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { listSession } from '../../src/sync/reconcile/listing.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { FakeGrants, grantOf } from './lease-support.ts';
import { contentsOf, foreignObjects, Machine } from './support.ts';

const S = 'u-+1';
const CREDS = `${S}/creds.json`;
const KEY = `${S}/key.json`;
const KEY_OBJECT = toObjectName(KEY, 'file');
const HOUR_MS = 3_600_000;

/**
 * A bucket that gets the first upload of a name only when `arrive` is called; its sender has given up by then, or has tried
 * again at once.
 */
function delaying(objectName: string, isRetried = false) {
  const bucket = new MemoryBucket();
  const put = bucket.put.bind(bucket);
  const held = deferred<void>();
  let late: Promise<unknown> | undefined;
  bucket.put = async (name, bytes, options) => {
    if (name !== objectName || late !== undefined) return put(name, bytes, options);
    late = held.promise.then(() => put(name, bytes, options)).catch(() => {});
    if (!isRetried) throw new BucketError('unreachable', 'no answer within 15 s');
    options.unanswered?.();
    return put(name, bytes, options);
  };
  const arrive = async () => {
    held.resolve();
    await late;
  };
  return { bucket, arrive };
}

/** A machine whose upload of KEY is under way, and unknown to it. */
async function rig(t: TestContext) {
  const { bucket, arrive } = delaying(KEY_OBJECT);
  const machine = new Machine(t, bucket, { grants: new FakeGrants({ epoch: 1, previousEpoch: 1 }) });
  await machine.sync.prepare();
  machine.ledger.serve(S);
  await machine.write(CREDS, 'ok creds');
  await machine.write(KEY, 'ok late');
  await assert.rejects(machine.sync.flusher.flush(S), { kind: 'unreachable' });
  return { bucket, arrive, machine };
}

/** What another machine with an empty cache finds. */
async function filesElsewhere(t: TestContext, bucket: MemoryBucket): Promise<string[]> {
  const next = new Machine(t, bucket);
  await next.sync.prepare();
  await next.sync.restorer.restore(S);
  return next.restored[0]?.files.sort() ?? [];
}

test('a file that was deleted stays deleted when its upload arrives after the flush', async (t) => {
  const { bucket, arrive, machine } = await rig(t);
  await machine.delete(KEY);
  await machine.sync.flusher.flush(S);
  assert.equal(machine.ledger.dirtyCount, 0);
  await arrive();
  assert.equal(contentsOf(bucket)[KEY] === 'ok late', false, 'the bucket refused it');
  assert.deepEqual(await filesElsewhere(t, bucket), [CREDS]);
});

test('… and where the first try of the upload arrives, and the second one was stored', async (t) => {
  const { bucket, arrive } = delaying(KEY_OBJECT, true);
  const machine = new Machine(t, bucket);
  for (const path of [CREDS, KEY]) await machine.write(path, 'ok');
  await machine.sync.flusher.flush(S);
  assert.equal(machine.ledger.isUnsettled(S), true);
  await machine.delete(KEY);
  await machine.sync.flusher.flush(S);
  await arrive();
  assert.deepEqual(await filesElsewhere(t, bucket), [CREDS]);
});

test('… and where it was stored by a second try, or made again and deleted again, in between', async (t) => {
  const { bucket, arrive, machine } = await rig(t);
  for (let round = 0; round < 2; round++) {
    await machine.write(KEY, `ok ${round}`);
    await machine.sync.flusher.flush(S);
    assert.equal(contentsOf(bucket)[KEY], `ok ${round}`);
    await machine.delete(KEY);
    await machine.sync.flusher.flush(S);
    assert.deepEqual([machine.ledger.dirtyCount, machine.ledger.get(KEY_OBJECT)], [0, undefined]);
  }
  await arrive();
  assert.deepEqual(await filesElsewhere(t, bucket), [CREDS]);
});

test('… and where it was to replace the mark of an earlier deletion', async (t) => {
  const bucket = new MemoryBucket();
  const put = bucket.put.bind(bucket);
  const held: (() => Promise<unknown>)[] = [];
  bucket.put = async (name, bytes, options) => {
    const isRefused = held.length > 0 && options.ifGeneration === ABSENT;
    if (name !== KEY_OBJECT || bytes.length === 0 || isRefused) return put(name, bytes, options);
    held.push(() => put(name, bytes, options).catch(() => {}));
    throw new BucketError('unreachable', 'no answer within 15 s');
  };
  const machine = new Machine(t, bucket, { grants: new FakeGrants({ epoch: 1, previousEpoch: 1 }) });
  await machine.write(CREDS, 'ok creds');
  for (let round = 1; round <= 2; round++) {
    await machine.write(KEY, 'ok late');
    await assert.rejects(machine.sync.flusher.flush(S), { kind: 'unreachable' });
    assert.equal(held.length, round);
    await machine.delete(KEY);
    await machine.sync.flusher.flush(S);
    assert.equal(machine.ledger.dirtyCount, 0);
  }
  for (const arrive of held) await arrive();
  assert.deepEqual(await filesElsewhere(t, bucket), [CREDS]);
});

test('… and where the next flush stored the same content', async (t) => {
  const { bucket, arrive, machine } = await rig(t);
  await machine.sync.flusher.flush(S);
  assert.equal(contentsOf(bucket)[KEY], 'ok late');
  await machine.delete(KEY);
  await machine.sync.flusher.flush(S);
  await arrive();
  assert.deepEqual(await filesElsewhere(t, bucket), [CREDS]);
});

test('the next process on the cache knows of it, also when the ledger was written anew', async (t) => {
  for (const isRewritten of [false, true]) {
    const { bucket, arrive, machine } = await rig(t);
    await machine.write(KEY, 'ok 2');
    await machine.sync.flusher.flush(S);
    if (isRewritten)
      for (let line = 0; line < 1500; line++) machine.ledger.same('sessions/v/+2/x', versionOf(line));
    await machine.sync.end();
    machine.ledger.close();
    const next = new Machine(t, bucket, {
      cachePath: machine.cache.path,
      grants: new FakeGrants({ epoch: 1, previousEpoch: 1 }),
    });
    assert.deepEqual([next.ledger.isUnsettled(S), next.ledger.isUnsettled('v-+2')], [true, false]);
    await next.delete(KEY);
    await next.sync.flusher.flush(S);
    await arrive();
    assert.deepEqual(await filesElsewhere(t, bucket), [CREDS]);
  }
});

const versionOf = (line: number) => ({ generation: String(line), crc32c: 1, size: 2, updatedMs: 3 });

test('one that arrived before the deletion is deleted with it, and one that is found later is deleted then', async (t) => {
  const before = await rig(t);
  await before.machine.delete(KEY);
  await before.arrive();
  await before.machine.sync.flusher.flush(S);
  assert.deepEqual(await filesElsewhere(t, before.bucket), [CREDS]);

  const after = await rig(t);
  await after.machine.delete(KEY);
  await after.machine.sync.flusher.flush(S);
  // Some hand has removed the mark.
  after.bucket.objects.delete(KEY_OBJECT);
  await after.arrive();
  assert.equal(contentsOf(after.bucket)[KEY], 'ok late');
  await after.machine.sync.reconcileSession(S, grantOf({ epoch: 3, previousEpoch: 2 }), true);
  assert.deepEqual([...after.machine.ledger.conflicts], []);
  await after.machine.sync.flusher.flush(S);
  assert.deepEqual(await filesElsewhere(t, after.bucket), [CREDS]);
});

test('an upload that was answered leaves no mark behind, nor one that named a version that is gone', async (t) => {
  const { bucket, machine } = await rig(t);
  await machine.sync.flusher.flush(S);
  bucket.after = ({ operation, name }) => {
    if (operation === 'put' && name.endsWith('creds.json')) throw new BucketError('unreachable', 'lost');
  };
  await machine.write(CREDS, 'ok creds 2');
  await assert.rejects(machine.sync.flusher.flush(S));
  assert.equal(machine.ledger.isUnsettled(S), true);
  bucket.after = () => {};
  await machine.sync.flusher.flush(S);
  await machine.delete(CREDS);
  await machine.sync.flusher.flush(S);
  assert.deepEqual(
    [...bucket.objects.keys()].filter((name) => name.endsWith('creds.json')),
    [],
  );
});

test('one that arrived long ago, unknown to this cache, is deleted with its file', async (t) => {
  let shiftMs = 0;
  const now = Date.now.bind(Date);
  t.mock.method(Date, 'now', () => now() + shiftMs);
  const { bucket, arrive, machine } = await rig(t);
  await arrive();
  shiftMs = 2 * HOUR_MS;
  await machine.delete(KEY);
  await machine.sync.flusher.flush(S);
  assert.equal(bucket.objects.has(KEY_OBJECT), false);
  assert.deepEqual(await filesElsewhere(t, bucket), [CREDS]);
});

test('a mark is no file and no session, is replaced by a new file, and is removed once it is old', async (t) => {
  const { bucket, machine } = await rig(t);
  for (const path of [CREDS, KEY]) await machine.delete(path);
  await machine.sync.flusher.flush(S);
  const mark = bucket.objects.get(KEY_OBJECT);
  assert.ok(mark && isDeletedMark(mark) && mark.size === 0);
  assert.equal(await machine.sync.hasObjects(S), false);
  assert.equal((await listSession(bucket, S, foreignObjects())).size, 0);
  const other = new Machine(t, bucket);
  await other.sync.prepare();
  assert.deepEqual([other.ledger.sessionNames, bucket.objects.has(KEY_OBJECT)], [[], true]);
  await other.write(KEY, 'ok anew');
  await other.sync.flusher.flush(S);
  assert.equal(contentsOf(bucket)[KEY], 'ok anew');
  bucket.nowMs = () => Date.now() - 3 * HOUR_MS;
  bucket.store(KEY_OBJECT, Buffer.alloc(0), mark.metadata);
  const third = new Machine(t, bucket);
  await third.sync.prepare();
  await until(() => !bucket.objects.has(KEY_OBJECT));
});

test('a root file that was deleted since it was listed is gone, not damaged', async (t) => {
  const bucket = new MemoryBucket();
  const root = bucket.store(toObjectName('a.json', 'file'), Buffer.from('ok'));
  const machine = new Machine(t, bucket);
  bucket.before = ({ operation }) => {
    if (operation === 'get') bucket.store(root.name, Buffer.alloc(0), { 'sessionfs-deleted': '1' });
  };
  await machine.sync.prepare();
  await machine.until(() => machine.namesKnown);
  assert.deepEqual(machine.restored, [{ session: '', files: [], directories: [] }]);
  assert.equal(existsSync(machine.cache.files.locate(root.name)), false);
});

test('a copy of the cache from while an upload was under way does not win over what was stored after that', async (t) => {
  const { bucket, arrive, machine } = await rig(t);
  const copy = temporaryDirectory(t);
  cpSync(machine.cache.path, copy, { recursive: true });
  await arrive();
  await machine.write(KEY, 'ok newer');
  await machine.sync.flusher.flush(S);
  await machine.sync.end();
  const again = new Machine(t, bucket, {
    cachePath: copy,
    grants: new FakeGrants({ epoch: 1, previousEpoch: 1 }),
  });
  again.ledger.setListed(false);
  again.ledger.beginMount();
  await again.sync.prepare();
  await again.sync.flusher.flushAll().catch(() => {});
  assert.equal(contentsOf(bucket)[KEY], 'ok newer');
  await again.sync.restorer.restore(S);
  assert.equal(again.read(KEY), 'ok newer');
});

test('an upload that is tried again and again is remembered in bounded space', async (t) => {
  const { bucket, machine } = await rig(t);
  bucket.before = ({ operation }) => {
    if (operation === 'put') throw new BucketError('throttled', 'busy');
  };
  for (let round = 0; round < 100; round++) await machine.ledger.attempt(KEY_OBJECT, '0', round);
  assert.equal(machine.ledger.attemptsOf(KEY_OBJECT).length, 16);
  const [first, again] = [
    await machine.ledger.attempt(KEY_OBJECT, '0', 7_000),
    await machine.ledger.attempt(KEY_OBJECT, '0', 7_000),
  ];
  assert.equal(first, again, 'the same bytes are the same upload');
});
