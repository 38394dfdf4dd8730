/** From the first touch of a session to its content, and when that is not wanted any more. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { MOUNTS_PREFIX } from '../../src/lease/records/inbox.ts';
import { ownerCodec, ownerName } from '../../src/lease/records/owner.ts';
import type { BucketSync } from '../../src/sync/bucket-sync.ts';
import type { Ledger } from '../../src/sync/ledger/ledger.ts';
import { cleanUp } from '../support/cleanup.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { until } from '../support/until.ts';
import { Machine } from '../sync/support.ts';
import { openLeases, openOpener } from './support.ts';

const S = 'u-+1';
const options = { timeout: 60_000 };

/** A mount whose bucket does not answer before `answer` is called. */
function rig(t: TestContext) {
  const bucket = new MemoryBucket();
  let answer = () => {};
  const answers = new Promise<void>((resolve) => {
    answer = resolve;
  });
  bucket.before = () => answers;
  const leases = openLeases(t, bucket);
  const given: string[] = [];
  const sync = {
    restorer: { announce: (session: string) => given.push(session) },
    reconcileSession: async () => {},
    fetchMissing: async () => {},
    settle: async () => {},
    flusher: { refresh: () => {} },
  } as unknown as BucketSync;
  const ledger = { countsOf: () => ({ files: 0, absent: 0 }) } as unknown as Ledger;
  const sessions = openOpener(t, { leases, sync, ledger, servesUnconfirmed: false });
  cleanUp(t, async () => answer());
  return { bucket, leases, sessions, given, answer };
}

test(
  'a session that is not wanted any more when the bucket answers at last is not taken',
  options,
  async (t) => {
    const { bucket, leases, sessions, given, answer } = rig(t);
    sessions.want(S);
    await until(() => sessions.waiting.length === 1);
    sessions.unwant(S);
    answer();
    await until(() => sessions.waiting.length === 0);
    assert.ok([...bucket.objects.keys()].some((name) => name.startsWith('.sessionfs/mounts/')));
    assert.deepEqual([given, leases.held, bucket.objects.has(ownerName(S))], [[], [], false]);
    sessions.want(S);
    await until(() => given.length > 0);
    assert.deepEqual([given, leases.held], [[S], [S]]);
  },
);

test('one that is wanted again in the meantime is opened, once', options, async (t) => {
  const { leases, sessions, given, answer } = rig(t);
  sessions.want(S);
  sessions.unwant(S);
  sessions.want(S);
  answer();
  await until(() => sessions.waiting.length === 0);
  assert.deepEqual([given, leases.held], [[S], [S]]);
});

test('a session of this very mount that is not here exists nowhere else', options, async (t) => {
  const { bucket, leases, sessions, answer } = rig(t);
  answer();
  await leases.list();
  const inbox = [...bucket.objects.keys()].find((name) => name.startsWith(MOUNTS_PREFIX)) ?? '';
  const record = { name: '', epoch: 1, floor: 0, refresh: false };
  for (const [holder, exists] of [
    [inbox.slice(MOUNTS_PREFIX.length), false],
    ['b'.repeat(32), true],
  ] as const) {
    // A daemon that has just taken over has not claimed it.
    bucket.store(ownerName(S), Buffer.alloc(0), ownerCodec.write({ ...record, holder }));
    assert.equal(await sessions.existsElsewhere(S), exists, holder);
  }
});

test('a mount that ends meanwhile takes nothing', options, async (t) => {
  const { leases, sessions, given, answer } = rig(t);
  sessions.want(S);
  sessions.stop();
  answer();
  await until(() => sessions.waiting.length === 0);
  assert.deepEqual([given, leases.held], [[], []]);
});

for (const failure of [
  new BucketError('permission', '403'),
  new BucketError('rejected', '400'),
  new BucketError('missing', '404', { about: 'bucket' }),
  new BucketError('throttled', '429'),
  new BucketError('unreachable', 'reset'),
])
  test(`${failure.kind}: a session that is here as a whole is served`, options, async (t) => {
    const bucket = new MemoryBucket();
    const machine = new Machine(t, bucket, { intervalMs: 0 });
    await machine.write(`${S}/creds.json`, 'ok');
    bucket.before = () => {
      throw failure;
    };
    const { sync, ledger } = machine;
    openOpener(t, { leases: openLeases(t, bucket), sync, ledger }).want(S);
    await machine.until(() => machine.restored.length > 0);
    const files = [`${S}/creds.json`];
    assert.deepEqual(machine.restored, [{ session: S, files, directories: [], confirmed: true }]);
  });

test(
  'hundreds of sessions that are opened at once send a limited number of lists at a time',
  options,
  async (t) => {
    const bucket = new MemoryBucket();
    const machine = new Machine(t, bucket, { intervalMs: 0 });
    let [lists, most] = [0, 0];
    bucket.before = async ({ operation }) => {
      if (operation !== 'list') return;
      most = Math.max(most, ++lists);
      await sleep(5);
      lists--;
    };
    const { sync, ledger } = machine;
    const opener = openOpener(t, { leases: openLeases(t, bucket), sync, ledger });
    const sessions = Array.from({ length: 300 }, (_, index) => `u${index}-+1`);
    for (const session of sessions) opener.want(session);
    await machine.until(() => machine.restored.length === sessions.length);
    assert.equal(bucket.calls.filter(({ operation }) => operation === 'list').length, sessions.length);
    assert.ok(most > 1 && most <= 32, `${most} lists at a time`);
  },
);

test(
  'what was deleted of an earlier session of the name is in the ledger before another mount’s is told of',
  options,
  async (t) => {
    const bucket = new MemoryBucket();
    const machine = new Machine(t, bucket, { intervalMs: 0 });
    const { sync, ledger } = machine;
    const opener = openOpener(t, { leases: openLeases(t, bucket), sync, ledger });
    const [settled, outcomes] = [[] as string[], ['full', 'done']];
    machine.settle = async () => {
      settled.push(outcomes.shift() ?? 'again');
      if (settled.at(-1) === 'full') throw new Error('the cache did not take the journal');
    };
    assert.equal(await opener.existsElsewhere(S), false);
    assert.deepEqual(settled, [], 'a free name costs nothing');
    const record = { name: '', holder: 'b'.repeat(32), epoch: 1, floor: 0, refresh: false };
    bucket.store(ownerName(S), Buffer.alloc(0), ownerCodec.write(record));
    assert.equal(await opener.existsElsewhere(S), true);
    assert.deepEqual(settled, ['full', 'done']);
  },
);

test(
  'a name of a session that this mount holds is no other mount’s, and the bucket is not asked',
  options,
  async (t) => {
    const bucket = new MemoryBucket();
    const machine = new Machine(t, bucket, { intervalMs: 0 });
    const leases = openLeases(t, bucket);
    const { sync, ledger } = machine;
    const opener = openOpener(t, { leases, sync, ledger });
    await leases.acquire(S, () => true);
    bucket.calls.length = 0;
    assert.equal(await opener.existsElsewhere(S), false);
    assert.deepEqual(bucket.calls, []);
  },
);
