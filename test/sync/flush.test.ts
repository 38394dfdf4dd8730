import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { CheckpointPlan } from '../../src/store/checkpoint/plan.ts';
import { OpType } from '../../src/store/journal/format.ts';
import { rewriteLedger } from '../../src/sync/ledger/file.ts';
import { ledgerPath } from '../../src/sync/ledger/ledger.ts';
import { noteCheckpoint } from '../../src/sync/ledger/note-checkpoint.ts';
import { readLedger } from '../../src/sync/ledger/reading.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { FakeGrants } from './lease-support.ts';
import { contentsOf, Machine } from './support.ts';

const S = 'u-+1';
const BACKED_UP = 'Session backed up to Cloud Storage';
const FAILED = 'Failed to backup to Cloud Storage, continuing with local storage';

const unreachable = () => {
  throw new BucketError('unreachable', 'no answer');
};
const puts = (bucket: MemoryBucket) =>
  bucket.calls.filter(({ operation }) => operation === 'put').map(({ name }) => name);

test('keys go first, credentials after them, deletions last, and only what changed', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  for (const file of ['creds.json', 'a.json', 'b.json', 'old.json'])
    await machine.write(`${S}/${file}`, `ok ${file}`);
  await machine.sync.flusher.flush(S);
  assert.equal(puts(bucket).at(-1), toObjectName(`${S}/creds.json`, 'file'));
  assert.equal(puts(bucket).length, 4);

  bucket.calls.length = 0;
  await machine.write(`${S}/b.json`, 'ok b2');
  await machine.delete(`${S}/old.json`);
  await machine.sync.flusher.flush(S);
  assert.deepEqual(
    bucket.calls.map(({ operation, name }) => `${operation} ${name}`),
    ['put sessions/u/+1/b.json', 'delete sessions/u/+1/old.json'],
  );
  assert.deepEqual(contentsOf(bucket), {
    [`${S}/creds.json`]: 'ok creds.json',
    [`${S}/a.json`]: 'ok a.json',
    [`${S}/b.json`]: 'ok b2',
  });
  assert.deepEqual(machine.counted, ['backup success 4 0', 'backup success 1 1']);
  const [first] = machine.lines;
  assert.equal(first?.msg, BACKED_UP);
  assert.deepEqual([first.session, first.files, first.bytes, typeof first.ms], [S, 4, 42, 'number']);
});

test('credentials are not stored when a key was not, nor is anything deleted; all of it stays dirty', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/old.json`, 'ok');
  await machine.sync.flusher.flush(S);
  await machine.write(`${S}/creds.json`, 'ok');
  await machine.write(`${S}/a.json`, 'ok');
  await machine.delete(`${S}/old.json`);
  bucket.before = ({ name }) => (name.endsWith('a.json') ? unreachable() : undefined);
  await assert.rejects(machine.sync.flusher.flush(S), { kind: 'unreachable' });
  assert.deepEqual(contentsOf(bucket), { [`${S}/old.json`]: 'ok' });
  assert.equal(machine.ledger.dirtyOf(S).length, 3);
  bucket.before = () => {};
  await machine.sync.flusher.flush(S);
  assert.deepEqual(Object.keys(contentsOf(bucket)).sort(), [`${S}/a.json`, `${S}/creds.json`]);
  assert.deepEqual(machine.ledger.dirtySessions, []);
});

test('a file whose place a folder takes goes first, and the other way round', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/a`, 'ok');
  await machine.write(`${S}/b/c`, 'ok');
  await machine.sync.flusher.flush(S);
  for (const path of ['a', 'b/c']) await machine.delete(`${S}/${path}`);
  await machine.cache.rmdir(`${S}/b`);
  await machine.write(`${S}/a/x`, 'ok');
  await machine.write(`${S}/b`, 'ok');
  bucket.calls.length = 0;
  await machine.sync.flusher.flush(S);
  const order = bucket.calls.map(({ operation }) => operation);
  assert.deepEqual(order, ['delete', 'delete', 'put', 'put']);
  assert.deepEqual(Object.keys(contentsOf(bucket)).sort(), [`${S}/a/x`, `${S}/b`]);
});

test('one failure line for a session and interval, however often it is tried', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/creds.json`, 'ok');
  await machine.write('v-+2/creds.json', 'ok');
  bucket.before = unreachable;
  for (let round = 0; round < 3; round++) await assert.rejects(machine.sync.flusher.flushAll());
  const failures = machine.lines.filter(({ msg }) => msg === FAILED);
  assert.deepEqual(failures.map(({ session }) => session).sort(), [S, 'v-+2']);
  assert.deepEqual([failures[0]?.level, failures[0]?.reason, failures[0]?.files], ['warn', 'unreachable', 1]);
  assert.equal(machine.sync.flusher.outcomeOf(S).lastError, 'no answer');
});

test('a session that fails does not keep another one from the bucket', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/creds.json`, 'ok');
  await machine.write('v-+2/creds.json', 'ok');
  bucket.before = ({ name }) => (name.includes('/u/') ? unreachable() : undefined);
  await assert.rejects(machine.sync.flusher.flushAll(), { kind: 'unreachable' });
  assert.deepEqual(Object.keys(contentsOf(bucket)), ['v-+2/creds.json']);
});

test('an upload that was never recorded is recognised by the next daemon on the cache', async (t) => {
  const bucket = new MemoryBucket();
  const first = new Machine(t, bucket);
  await first.write(`${S}/creds.json`, 'ok 1');
  await first.write(`${S}/gone.json`, 'ok');
  bucket.after = () => {
    throw new BucketError('unreachable', 'the answer was lost');
  };
  await assert.rejects(first.sync.flusher.flush(S));
  await first.sync.end();
  first.ledger.close();

  bucket.after = () => {};
  const second = new Machine(t, bucket, { cachePath: first.cache.path });
  await second.write(`${S}/creds.json`, 'ok 2');
  await second.delete(`${S}/gone.json`);
  await second.sync.flusher.flush(S);
  assert.deepEqual(contentsOf(bucket), { [`${S}/creds.json`]: 'ok 2' });
  assert.deepEqual([...second.ledger.conflicts], []);
});

test('what another mount wrote is neither overwritten nor deleted; the session is told once and left alone', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/creds.json`, 'ok mine');
  await machine.write(`${S}/b.json`, 'ok mine');
  await machine.sync.flusher.flush(S);
  for (const file of ['creds.json', 'b.json'])
    bucket.store(toObjectName(`${S}/${file}`, 'file'), Buffer.from('ok theirs'));
  await machine.write(`${S}/creds.json`, 'ok mine 2');
  await assert.rejects(machine.sync.flusher.flush(S), /another mount/);
  await machine.delete(`${S}/b.json`);
  await assert.rejects(machine.sync.flusher.flush(S), /conflict/);
  assert.deepEqual(contentsOf(bucket), { [`${S}/creds.json`]: 'ok theirs', [`${S}/b.json`]: 'ok theirs' });
  assert.deepEqual(
    machine.counted.filter((event) => event.startsWith('conflict')),
    ['conflict 0'],
  );
  assert.equal(machine.lines.filter(({ level }) => level === 'error').length, 1);
});

test('an object is not written twice within a second', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  const times: number[] = [];
  bucket.before = ({ operation }) => void (operation === 'put' && times.push(performance.now()));
  for (let round = 0; round < 3; round++) {
    await machine.write(`${S}/creds.json`, `ok ${round}`);
    await machine.sync.flusher.flush(S);
  }
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  assert.equal(gaps.length, 2);
  for (const gap of gaps) assert.ok(gap >= 990, `${gap} ms`);
});

test('what changes while it is uploaded is uploaded again', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/creds.json`, 'ok 1');
  let once = true;
  bucket.before = async ({ operation }) => {
    if (operation !== 'put' || !once) return;
    once = false;
    await machine.write(`${S}/creds.json`, 'ok 2');
  };
  await machine.sync.flusher.flush(S);
  assert.deepEqual(contentsOf(bucket), { [`${S}/creds.json`]: 'ok 1' });
  assert.deepEqual(machine.ledger.dirtySessions, [S]);
  await machine.sync.flusher.flush(S);
  assert.deepEqual(contentsOf(bucket), { [`${S}/creds.json`]: 'ok 2' });
});

test('a new session and changed credentials go by themselves, and so does what was dirty at the start', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write('old-+0/creds.json', 'ok');
  machine.sync.flusher.start();
  await machine.until(() => machine.messages().includes(BACKED_UP));
  await machine.write(`${S}/creds.json`, 'ok');
  machine.sync.flusher.urgent(S, 'new');
  machine.sync.flusher.urgent(S, 'creds');
  await machine.until(() => bucket.objects.size === 2);
  await machine.write(`${S}/creds.json`, 'ok 2');
  machine.sync.flusher.urgent(S, 'creds');
  await machine.until(() => machine.counted.length === 3);
  assert.deepEqual(contentsOf(bucket), { 'old-+0/creds.json': 'ok', [`${S}/creds.json`]: 'ok 2' });
  const scheduled = machine.lines.filter(({ msg }) => msg === 'Automatic backup scheduled for session');
  assert.deepEqual(
    scheduled.map(({ session }) => session),
    ['old-+0', S],
  );
});

test('a file that is gone from the cache is gone from the bucket, even if the daemon died before it could say so', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  machine.ledger.serve(S);
  await machine.write(`${S}/a.json`, 'ok');
  await machine.sync.flusher.flush(S);
  await machine.write(`${S}/a.json`, 'ok 2');
  await machine.write(`${S}/b.json`, 'ok');
  for (const file of ['a', 'b']) await machine.cache.remove(`${S}/${file}.json`);
  for (let round = 0; round < 2; round++) await machine.sync.flusher.flush(S);
  assert.deepEqual(contentsOf(bucket), {});
  assert.deepEqual(machine.ledger.dirtySessions, []);
});

test('on every interval what is dirty goes, also what failed before', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { intervalMs: 100 });
  bucket.before = unreachable;
  await machine.write(`${S}/a.json`, 'ok');
  machine.sync.flusher.start();
  await machine.until(() => machine.counted.length >= 2);
  bucket.before = () => {};
  await machine.until(() => bucket.objects.size === 1);
});

test('with an interval of 0 nothing goes by itself', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { intervalMs: 0 });
  await machine.write(`${S}/creds.json`, 'ok');
  machine.sync.flusher.start();
  machine.sync.flusher.urgent(S, 'new');
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.equal(bucket.calls.length, 0);
  await machine.sync.flusher.flushAll();
  assert.equal(bucket.objects.size, 1);
});

test('a journal that does not go into the cache fails the flush, and is told once', async (t) => {
  const machine = new Machine(t, new MemoryBucket());
  machine.settle = () => Promise.reject(new Error('disk full'));
  for (let round = 0; round < 2; round++) await assert.rejects(machine.sync.flusher.flushAll(), /disk full/);
  assert.equal(machine.lines.length, 1);
});

/** As a checkpoint renames a whole session, before it tells the ledger. Returns what it tells. */
async function moveInCache(
  machine: Machine,
  from: string,
  to: string,
  files: readonly string[],
  newName?: string,
): Promise<CheckpointPlan> {
  const plan = new CheckpointPlan();
  const bytes = { segment: 1, seq: 1, unique: 0, dataPosition: 0 };
  const op = { flags: 0, arg: 0, data: Buffer.from('ok') };
  for (const file of files) {
    const target = `${to}/${newName ?? file}`;
    await machine.cache.put(target, Buffer.from(`ok ${file}`));
    await machine.cache.remove(`${from}/${file}`);
    plan.add({ ...op, type: OpType.PUT, path: target }, bytes);
    plan.add({ ...op, type: OpType.DELETE, path: `${from}/${file}` }, bytes);
  }
  return plan;
}

async function move(
  machine: Machine,
  from: string,
  to: string,
  files: readonly string[],
  newName?: string,
): Promise<void> {
  await noteCheckpoint(machine.ledger, await moveInCache(machine, from, to, files, newName));
}

test('a renamed session is not deleted under its old name before all of it is stored under the new one', async (t) => {
  for (const ask of ['all', 'source'] as const) {
    const bucket = new MemoryBucket();
    const machine = new Machine(t, bucket);
    const files = ['creds.json', 'a.json', 'b.json'];
    for (const file of files) await machine.write(`${S}/${file}`, `ok ${file}`);
    await machine.sync.flusher.flush(S);
    await move(machine, S, 'v-+2', files);
    bucket.before = ({ name }) => (name.startsWith('sessions/v/+2/b') ? unreachable() : undefined);
    const flush = () => (ask === 'all' ? machine.sync.flusher.flushAll() : machine.sync.flusher.flush(S));
    await assert.rejects(flush(), { kind: 'unreachable' });
    const left = Object.keys(contentsOf(bucket)).filter((path) => path.startsWith(S));
    assert.deepEqual(left.sort(), files.map((file) => `${S}/${file}`).sort(), ask);
    bucket.before = () => {};
    await flush();
    assert.deepEqual(Object.keys(contentsOf(bucket)).sort(), files.map((file) => `v-+2/${file}`).sort(), ask);
    assert.deepEqual(machine.ledger.dirtySessions, []);
  }
});

/** A file that is written anew tells of a session that files were moved from before it tells of those that they were moved to. */
function restartedOnRewritten(t: TestContext, { ledger, cache, bucket }: Machine): Machine {
  ledger.close();
  const path = ledgerPath(cache.path);
  rewriteLedger(path, readLedger(path)?.state ?? assert.fail());
  return new Machine(t, bucket, { cachePath: cache.path });
}

test('what is lost here before it was stored where it was moved to stays in the bucket where it was', async (t) => {
  const to = 'v-+2';
  const rounds = [
    { lost: ['a.json'], stay: ['a.json'] },
    // Credentials are of no use without their keys.
    { lost: ['creds.json'], stay: ['a.json', 'b.json', 'creds.json'] },
    // The bucket never had it.
    { lost: ['new.json'], stay: [] },
    { lost: ['other.json'], stay: ['old.json'] },
  ];
  const run = async ({ lost, stay }: (typeof rounds)[number], isRewritten: boolean) => {
    const bucket = new MemoryBucket();
    let machine = new Machine(t, bucket);
    const files = ['creds.json', 'a.json', 'b.json'];
    for (const file of [...files, 'old.json']) await machine.write(`${S}/${file}`, `ok ${file}`);
    await machine.sync.flusher.flush(S);
    await machine.write(`${S}/new.json`, 'ok');
    await move(machine, S, to, [...files, 'new.json']);
    await move(machine, S, to, ['old.json'], 'other.json');
    if (isRewritten) machine = restartedOnRewritten(t, machine);
    for (const file of lost) await machine.cache.remove(`${to}/${file}`);
    await machine.sync.fetchMissing(to);
    await machine.sync.flusher.flushAll();
    const here = [...files, 'new.json', 'other.json'].filter((file) => !lost.includes(file));
    const paths = [...stay.map((file) => `${S}/${file}`), ...here.map((file) => `${to}/${file}`)];
    assert.deepEqual(Object.keys(contentsOf(bucket)).sort(), paths.sort());
    assert.deepEqual(machine.ledger.absentSessions, stay.length > 0 ? [S] : []);
    assert.deepEqual([...machine.absent], machine.ledger.absentSessions, 'the mount hears of the old name');
    if (stay.length === 0) return;
    await machine.sync.restorer.restore(S);
    for (const file of stay) assert.equal(machine.read(`${S}/${file}`), `ok ${file}`);
    const told = machine.lines.filter(({ msg }) => msg.includes('stay where it was moved from'));
    assert.deepEqual(
      told.map((line) => line.files),
      [stay.length],
    );
  };
  await Promise.all(rounds.flatMap((round) => [run(round, false), run(round, true)]));
});

test('what was moved to a name that another mount has stored meanwhile stays in the bucket where it was', async (t) => {
  const bucket = new MemoryBucket();
  const first = new Machine(t, bucket);
  const [to, files] = ['v-+2', ['creds.json', 'a.json']];
  for (const file of files) await first.write(`${S}/${file}`, `ok ${file}`);
  await first.sync.flusher.flush(S);
  await move(first, S, to, files);
  bucket.store(toObjectName(`${to}/creds.json`, 'file'), Buffer.from('ok theirs'));
  await first.sync.end();
  first.ledger.close();
  const machine = new Machine(t, bucket, { cachePath: first.cache.path });
  // An operator did that: what is kept aside lacks it.
  await machine.cache.remove(`${to}/creds.json`);
  await machine.sync.prepare();
  await machine.sync.flusher.flushAll();
  assert.deepEqual(contentsOf(bucket), {
    [`${S}/creds.json`]: 'ok creds.json',
    [`${S}/a.json`]: 'ok a.json',
    [`${to}/creds.json`]: 'ok theirs',
  });
  assert.deepEqual(machine.ledger.absentSessions.toSorted(), [S, to]);
  assert.deepEqual(machine.ledger.dirtySessions, []);
  const told = machine.lines.filter(({ msg }) => msg.includes('stay where it was moved from'));
  assert.deepEqual(
    told.map(({ session, files }) => [session, files]),
    [[to, 2]],
  );
});

test('what a checkpoint under way moves to another session is deleted once that session has stored it', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/creds.json`, 'ok 1');
  await machine.sync.flusher.flush(S);
  for (const file of ['creds.json', 'key-1.json']) await machine.write(`${S}/${file}`, 'ok 2');
  bucket.before = async ({ operation, name }) => {
    if (operation !== 'put' || !name.endsWith('key-1.json')) return;
    bucket.before = () => {};
    const plan = await moveInCache(machine, S, 'v-+2', ['creds.json']);
    machine.settle = async () => {
      machine.settle = async () => {};
      await noteCheckpoint(machine.ledger, plan);
    };
  };
  const withoutCredentials: string[] = [];
  bucket.after = ({ operation, name }) => {
    const isThere = Object.keys(contentsOf(bucket)).some((path) => path.endsWith('creds.json'));
    if (!isThere) withoutCredentials.push(`${operation} ${name}`);
  };
  await machine.sync.flusher.flush(S);
  assert.deepEqual(withoutCredentials, []);
  assert.deepEqual(Object.keys(contentsOf(bucket)).sort(), [`${S}/key-1.json`, 'v-+2/creds.json'].sort());
  assert.deepEqual(machine.ledger.dirtySessions, []);
});

/** The first request begins `move`, and all wait for it. Session v-+2 cannot be stored. */
function moveAtFirst(bucket: MemoryBucket, move: () => Promise<void>): void {
  let moved: Promise<void> | undefined;
  bucket.before = async ({ name }) => {
    moved ??= move();
    await moved;
    if (name.startsWith('sessions/v/')) unreachable();
  };
}

test('what is moved to another session before its turn comes is deleted once that session has stored it', async (t) => {
  const bucket = new MemoryBucket();
  const clock = { ...systemClock, monotonicMs: () => nowMs };
  let nowMs = 0;
  const machine = new Machine(t, bucket, { clock });
  await machine.write(`${S}/last.json`, 'ok 1');
  await machine.sync.flusher.flush(S);
  nowMs += 1_000;
  // So many go at a time; the last one has to wait for one of them.
  for (let key = 0; key < 8; key++) await machine.write(`${S}/key-${key}.json`, 'ok');
  await machine.write(`${S}/last.json`, 'ok 2');
  moveAtFirst(bucket, () => move(machine, S, 'v-+2', ['last.json']));
  const flush = () => machine.sync.flusher.flush(S);
  for (let round = 0; round < 2; round++) await assert.rejects(flush(), { kind: 'unreachable' });
  assert.equal(contentsOf(bucket)[`${S}/last.json`], 'ok 1');
  bucket.before = () => {};
  await flush();
  assert.equal(contentsOf(bucket)[`${S}/last.json`], undefined);
  assert.equal(contentsOf(bucket)['v-+2/last.json'], 'ok last.json');
});

test('what is made again and moved while its deletion waits is deleted once the other session has stored it', async (t) => {
  const bucket = new MemoryBucket();
  const clock = { ...systemClock, monotonicMs: () => nowMs };
  let nowMs = 0;
  const machine = new Machine(t, bucket, { clock });
  // So many go at a time; the last one has to wait for one of them.
  const paths = [0, 1, 2, 3, 4, 5, 6, 7, 'last'].map((key) => `${S}/${key}.json`);
  for (const path of paths) await machine.write(path, 'ok');
  await machine.sync.flusher.flush(S);
  nowMs += 1_000;
  for (const path of paths) await machine.delete(path);
  moveAtFirst(bucket, async () => {
    await machine.write(`${S}/last.json`, 'ok again');
    await move(machine, S, 'v-+2', ['last.json']);
  });
  await assert.rejects(machine.sync.flusher.flush(S), { kind: 'unreachable' });
  assert.deepEqual(Object.keys(contentsOf(bucket)), [`${S}/last.json`]);
  bucket.before = () => {};
  await machine.sync.flusher.flush(S);
  assert.deepEqual(Object.keys(contentsOf(bucket)), ['v-+2/last.json']);
});

test('what is renamed within its session before its turn comes is stored by the same flush', async (t) => {
  for (const [file, newFile] of [
    ['last.json', 'renamed.json'],
    ['creds.json', 'creds-old.json'],
  ] as const) {
    const bucket = new MemoryBucket();
    const machine = new Machine(t, bucket);
    // So many go at a time; the last one has to wait for one of them.
    for (let key = 0; key < 8; key++) await machine.write(`${S}/key-${key}.json`, 'ok');
    await machine.write(`${S}/${file}`, 'ok');
    moveAtFirst(bucket, () => move(machine, S, S, [file], newFile));
    await machine.sync.flusher.flush(S);
    assert.equal(contentsOf(bucket)[`${S}/${newFile}`], `ok ${file}`);
    assert.deepEqual(machine.ledger.dirtySessions, []);
  }
});

test('credentials that were read before their session was renamed are not stored under its old name', async (t) => {
  for (const isMadeAgain of [false, true]) {
    const bucket = new MemoryBucket();
    const machine = new Machine(t, bucket);
    for (const file of ['creds.json', 'key-1.json']) await machine.write(`${S}/${file}`, 'ok 1');
    await machine.sync.flusher.flush(S);
    await machine.write(`${S}/creds.json`, 'ok 2');
    let settled = 0;
    machine.settle = async () => {
      // The second time is after the credentials were read. They count on key-2.json, which never was in the cache under that name.
      if (++settled === 2) await move(machine, S, 'v-+2', ['creds.json', 'key-1.json', 'key-2.json']);
      if (settled === 2 && isMadeAgain) await machine.write(`${S}/creds.json`, 'ok 3');
    };
    const stored: unknown[] = [];
    bucket.after = () => stored.push(contentsOf(bucket)[`${S}/creds.json`]);
    await machine.sync.flusher.flush(S);
    assert.ok(settled >= 2);
    assert.ok(!stored.includes('ok 2'), `${stored}`);
    await machine.sync.flusher.flushAll();
    assert.equal(contentsOf(bucket)['v-+2/key-2.json'], 'ok key-2.json');
    assert.equal(contentsOf(bucket)[`${S}/creds.json`], isMadeAgain ? 'ok 3' : undefined);
    assert.deepEqual(machine.ledger.dirtySessions, []);
  }
});

test('credentials wait for a key that is renamed when its turn comes', async (t) => {
  const bucket = new MemoryBucket();
  const grants = new FakeGrants();
  const machine = new Machine(t, bucket, { grants });
  await machine.write(`${S}/creds.json`, 'ok');
  let settled = 0;
  machine.settle = async () => {
    // The second time is after the credentials were read.
    if (++settled === 2) await machine.write(`${S}/key.json`, 'ok');
  };
  const key = (file: string) => toObjectName(`${S}/${file}.json`, 'file');
  grants.grant = async () => {
    if (machine.ledger.get(key('key'))?.local !== 'changed') return grants.granted;
    await machine.cache.put(`${S}/renamed.json`, Buffer.from('ok'));
    await machine.cache.remove(`${S}/key.json`);
    await machine.ledger.changed([key('renamed')], [key('key')]);
    return grants.granted;
  };
  const order: string[] = [];
  bucket.after = ({ name }) => void order.push(name);
  await machine.sync.flusher.flush(S);
  assert.deepEqual(order, [key('renamed'), key('creds')]);
});

test('what was never stored and is moved on while it is being stored is followed', async (t) => {
  for (const ask of ['all', 'source'] as const) {
    const bucket = new MemoryBucket();
    const machine = new Machine(t, bucket);
    for (const file of ['key.json', 'creds.json']) await machine.write(`${S}/${file}`, 'ok');
    const route = [S, 'v-+2', 'w-+3', 'x-+4'];
    bucket.before = async ({ operation }) => {
      // The flush comes to the credentials after the key: they have moved on by then, and do so again where they went.
      const [from, to] = route.splice(0, route.length > 1 ? 2 : 0);
      if (operation !== 'put' || from === undefined || to === undefined) return;
      route.unshift(to);
      await machine.write(`${to}/key.json`, 'ok');
      await move(machine, from, to, ['creds.json']);
    };
    await (ask === 'all' ? machine.sync.flusher.flushAll() : machine.sync.flusher.flush(S));
    assert.equal(contentsOf(bucket)['x-+4/creds.json'], 'ok creds.json', ask);
    assert.deepEqual([...machine.ledger.movesFrom(S)], []);
  }
});

test('a session is stored whatever becomes of one that it was renamed to before', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/creds.json`, 'ok');
  await move(machine, S, 'v-+2', ['creds.json']);
  bucket.before = ({ name }) => (name.startsWith('sessions/v/') ? unreachable() : undefined);
  await machine.write(`${S}/creds.json`, 'ok again');
  await machine.sync.flusher.flush(S);
  assert.deepEqual(contentsOf(bucket), { [`${S}/creds.json`]: 'ok again' });
});

test('a session that is moved on without end fails its flush, and does not keep it for ever', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  for (const file of ['key.json', 'creds.json']) await machine.write(`${S}/${file}`, 'ok');
  let at = S;
  bucket.before = async ({ operation }) => {
    if (operation !== 'put') return;
    const to = `v-+${bucket.calls.length}`;
    await machine.write(`${to}/key.json`, 'ok');
    await move(machine, at, to, ['creds.json']);
    at = to;
  };
  await assert.rejects(machine.sync.flusher.flushAll(), /moved on again and again/);
  bucket.before = () => {};
  await machine.sync.flusher.flushAll();
  assert.equal(contentsOf(bucket)[`${at}/creds.json`], 'ok creds.json');
});

test('a flush deletes what was moved to a session that another flush stores meanwhile', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  for (const file of ['a.json', 'used.json']) await machine.write(`${S}/${file}`, 'ok');
  await machine.sync.flusher.flush(S);
  await move(machine, S, 'v-+2', ['a.json']);
  await machine.delete(`${S}/used.json`);
  let target: Promise<void> | undefined;
  bucket.before = async ({ operation }) => {
    // The flush has seen that a.json waits, and is not through with the other deletion.
    target ??= operation === 'delete' ? machine.sync.flusher.flush('v-+2') : undefined;
    if (operation === 'delete') await target;
  };
  await machine.sync.flusher.flush(S);
  assert.deepEqual(machine.ledger.dirtySessions, []);
  assert.deepEqual(Object.keys(contentsOf(bucket)), ['v-+2/a.json']);
});

test('a file that changes again while what was moved to it is stored keeps no deletion back', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/a.json`, 'ok');
  await machine.sync.flusher.flush(S);
  await move(machine, S, 'v-+2', ['a.json']);
  bucket.before = async ({ operation, name }) => {
    if (operation === 'put' && name === 'sessions/v/+2/a.json') await machine.write('v-+2/a.json', 'ok 2');
  };
  await machine.sync.flusher.flushAll();
  assert.deepEqual(machine.ledger.dirtySessions, ['v-+2']);
  assert.deepEqual(Object.keys(contentsOf(bucket)), ['v-+2/a.json']);
});

test('a file that something is moved to while an older version of it is stored still keeps the deletion back', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/a.json`, 'ok');
  await machine.sync.flusher.flush(S);
  await machine.write('v-+2/a.json', 'ok older');
  bucket.before = async ({ operation, name }) => {
    if (operation !== 'put' || name !== 'sessions/v/+2/a.json') return;
    bucket.before = () => {};
    await move(machine, S, 'v-+2', ['a.json']);
  };
  await machine.sync.flusher.flush('v-+2');
  const [deleted] = machine.ledger.dirtyOf(S);
  assert.ok(deleted !== undefined && machine.ledger.isAwaited(deleted));
});

test('two sessions that change places wait for each other’s uploads, and not for ever', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  const [old, older] = [`${S}/old.json`, 'v-+2/older.json'];
  for (const path of [old, older]) await machine.write(path, 'ok');
  await machine.sync.flusher.flushAll();
  const names = [`${S}/older.json`, 'v-+2/old.json'];
  for (const path of names) await machine.cache.put(path, Buffer.from('ok'));
  for (const path of [old, older]) await machine.cache.remove(path);
  const objects = (paths: string[]) => paths.map((path) => toObjectName(path, 'file'));
  const moved = { put: objects(names), deleted: objects([old, older]) };
  await machine.ledger.changed(moved.put, moved.deleted, [moved]);
  await machine.sync.flusher.flushAll();
  assert.deepEqual(Object.keys(contentsOf(bucket)).sort(), names.sort());
});

test('another session that cannot be stored keeps no deletion back', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/used.json`, 'ok');
  await machine.sync.flusher.flush(S);
  await machine.cache.put('v-+2/a.json', Buffer.from('ok'));
  await machine.cache.remove(`${S}/used.json`);
  bucket.before = ({ name }) => (name.startsWith('sessions/v/') ? unreachable() : undefined);
  await machine.ledger.changed(['sessions/v/+2/a.json'], [toObjectName(`${S}/used.json`, 'file')]);
  await assert.rejects(machine.sync.flusher.flushAll(), { kind: 'unreachable' });
  assert.deepEqual(contentsOf(bucket), {});
});

test('credentials that come with new keys in the middle of a flush do not go before those keys', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/creds.json`, 'ok creds 1');
  await machine.write(`${S}/key-1.json`, 'ok');
  const path = (file: string) => `${S}/${file}.json`;
  bucket.before = async ({ operation, name }) => {
    const number = Number(/key-([12])\.json$/.exec(name)?.[1]) + 1;
    if (operation !== 'put' || Number.isNaN(number)) return;
    // A checkpoint: first the cache, then the ledger.
    await machine.cache.put(path(`key-${number}`), Buffer.from('ok'));
    await machine.cache.put(path('creds'), Buffer.from(`ok creds ${number}`));
    machine.settle = async () => {
      machine.settle = async () => {};
      const names = ['creds', `key-${number}`].map((file) => toObjectName(path(file), 'file'));
      await machine.ledger.changed(names, []);
    };
  };
  const order: string[] = [];
  bucket.after = ({ name }) => {
    order.push(name.split('/').at(-1) ?? '');
    const contents = contentsOf(bucket);
    const number = contents[path('creds')]?.at(-1);
    if (number !== undefined) assert.ok(path(`key-${number}`) in contents, 'credentials before their key');
  };
  await machine.sync.flusher.flush(S);
  assert.deepEqual(order, ['key-1.json', 'key-2.json', 'creds.json']);
  await machine.sync.flusher.flush(S);
  assert.equal(contentsOf(bucket)[path('creds')], 'ok creds 3');
});

test('a new file that is deleted just before its first upload does not go to the bucket', async (t) => {
  const bucket = new MemoryBucket();
  const grants = new FakeGrants();
  const machine = new Machine(t, bucket, { grants });
  await machine.write(`${S}/creds.json`, 'ok 1');
  const grant = grants.grant.bind(grants);
  grants.grant = async (session) => {
    // The first is the flush's own, the second that of the upload, which has read the file by then.
    if (grants.grants === 1) await machine.delete(`${S}/creds.json`);
    return grant(session);
  };
  await machine.sync.flusher.flush(S);
  assert.deepEqual(contentsOf(bucket), {});
  assert.equal(machine.ledger.dirtyCount, 0);
});

test('a file that is made again while a flush runs is not deleted by it', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/a.json`, 'ok');
  await machine.sync.flusher.flush(S);
  await machine.delete(`${S}/a.json`);
  await machine.write(`${S}/b.json`, 'ok');
  bucket.before = async ({ operation }) => {
    if (operation === 'put') await machine.write(`${S}/a.json`, 'ok again');
  };
  await machine.sync.flusher.flush(S);
  assert.deepEqual(Object.keys(contentsOf(bucket)).sort(), [`${S}/a.json`, `${S}/b.json`]);
  bucket.before = () => {};
  await machine.sync.flusher.flush(S);
  assert.equal(contentsOf(bucket)[`${S}/a.json`], 'ok again');
});

test('credentials that failed to go are tried again long before the interval ends', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  machine.sync.flusher.start();
  await machine.write(`${S}/creds.json`, 'ok');
  bucket.before = unreachable;
  machine.sync.flusher.urgent(S, 'creds');
  await machine.until(() => machine.counted.length === 1);
  bucket.before = () => {};
  await machine.until(() => bucket.objects.size === 1);
});

test('a bucket that refuses every change is asked a few times, not for ever', async (t) => {
  for (const kind of ['precondition', 'rejected', 'permission'] as const) {
    const bucket = new MemoryBucket();
    const machine = new Machine(t, bucket);
    await machine.write(`${S}/creds.json`, 'ok');
    bucket.before = ({ operation }) => {
      if (operation === 'put') throw new BucketError(kind, 'refused');
    };
    machine.sync.flusher.start();
    machine.sync.flusher.urgent(S, 'creds');
    await machine.until(() => machine.counted.length > 0);
    for (let round = 0; round < 3; round++) await machine.sync.flusher.flushAll().catch(() => {});
    // Each try: a put, a look, a put.
    assert.ok(bucket.calls.length <= 15, `${kind}: ${bucket.calls.length} requests`);
  }
});

test('what is made anew under the name of a session that was moved waits until that is stored', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  const { flusher } = machine.sync;
  const files = ['key-1.json', 'key-2.json', 'creds.json'];
  for (const file of files) await machine.write(`${S}/${file}`, `ok ${file}`);
  await flusher.flush(S);
  const { lastBackupAt } = flusher.outcomeOf(S);
  await move(machine, S, 'v-+2', files);
  for (const file of ['key-1.json', 'creds.json']) await machine.write(`${S}/${file}`, 'ok new');
  bucket.before = ({ name }) => (name.startsWith('sessions/v/') ? unreachable() : undefined);
  for (const flush of [() => flusher.flush(S), () => flusher.flushAll()])
    await assert.rejects(flush(), { kind: 'unreachable' });
  const placed = (session: string) => files.map((file) => [`${session}/${file}`, `ok ${file}`]);
  assert.deepEqual(contentsOf(bucket), Object.fromEntries(placed(S)));
  assert.deepEqual(flusher.outcomeOf(S).lastBackupAt, lastBackupAt);
  bucket.before = () => {};
  await flusher.flush(S);
  const anew = ['key-1.json', 'creds.json'].map((file) => [`${S}/${file}`, 'ok new']);
  assert.deepEqual(contentsOf(bucket), Object.fromEntries([...placed('v-+2'), ...anew]));
  assert.deepEqual(machine.ledger.dirtySessions, []);
});

test('sessions that were exchanged are stored, and do not wait for each other', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  const filesOf = { [S]: ['creds.json', 'a.json'], 'v-+2': ['creds.json', 'b.json'] };
  for (const [session, files] of Object.entries(filesOf))
    for (const file of files) await machine.write(`${session}/${file}`, 'ok');
  await machine.sync.flusher.flushAll();
  await move(machine, S, 'w-+3', ['creds.json', 'a.json']);
  await move(machine, 'v-+2', S, ['creds.json', 'b.json']);
  await move(machine, 'w-+3', 'v-+2', ['creds.json', 'a.json']);
  await machine.sync.flusher.flushAll();
  const paths = [`${S}/b.json`, `${S}/creds.json`, 'v-+2/a.json', 'v-+2/creds.json'];
  assert.deepEqual(Object.keys(contentsOf(bucket)).sort(), paths);
  assert.deepEqual(machine.ledger.dirtySessions, []);
});
