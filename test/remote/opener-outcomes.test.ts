/** How the opening of a session ends, and what that leaves behind. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import type { Held } from '../../src/lease/held.ts';
import type { MountLeases } from '../../src/remote/mount-leases.ts';
import type { SessionOpenerParts } from '../../src/remote/session-opener.ts';
import type { BucketSync } from '../../src/sync/bucket-sync.ts';
import type { Ledger } from '../../src/sync/ledger/ledger.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { until } from '../support/until.ts';
import { openLeases, openOpener } from './support.ts';

const S = 'u-+1';
const options = { timeout: 60_000 };
const HELD: Held = { session: S, epoch: 2, previousEpoch: 1, floor: 0, refresh: false, how: 'released' };

/** A mount whose leases, cache and bucket are played by the test; what was done to the session, in order. */
class Played {
  readonly done: string[] = [];
  held: Held = HELD;
  /** The acquisition ends only when this does. */
  acquired: Promise<unknown> = Promise.resolve();
  epoch = HELD.epoch;
  isVerified = true;
  wasHeldElsewhere: boolean | undefined = false;
  failure: BucketError | undefined;
  counts = { files: 1, absent: 0 };
  reconcile = async () => {};
  readonly opener;

  constructor(t: TestContext, parts: Partial<SessionOpenerParts> = {}) {
    this.opener = openOpener(t, {
      leases: this.#leases(),
      sync: this.#sync(),
      ledger: { countsOf: () => this.counts } as unknown as Ledger,
      refuse: () => this.done.push('refused'),
      ...parts,
    });
  }

  async open(): Promise<string[]> {
    this.opener.want(S);
    await until(() => this.opener.waiting.length === 0);
    return this.done;
  }

  #leases(): MountLeases {
    const played = this;
    return {
      acquire: async () => {
        await this.acquired;
        return this.held;
      },
      grant: async () => ({ ...this.held, epoch: this.epoch, deadlineMs: Number.POSITIVE_INFINITY }),
      verify: async () => this.isVerified,
      abandon: () => this.done.push('abandoned'),
      isAbandoned: () => false,
      isLost: (error: unknown) => (error as Error).message === 'lost',
      holderOf: () => undefined,
      wasHeldElsewhere: () => this.wasHeldElsewhere,
      get failure() {
        return played.failure;
      },
      silentMs: 0,
      end: async () => {},
    } as unknown as MountLeases;
  }

  #sync(): BucketSync {
    return {
      fetchMissing: async () => {},
      reconcileSession: async () => {
        await this.reconcile();
        this.done.push('compared');
      },
      restorer: {
        announce: () => this.done.push('served'),
        restore: async (_session: string, isValid: () => Promise<boolean>) => {
          const valid = await isValid();
          this.done.push(valid ? 'restored' : 'restored in vain');
          this.counts.absent = 0;
          return valid;
        },
      },
      flusher: { refresh: () => this.done.push('refreshed') },
    } as unknown as BucketSync;
  }
}

test('a session that is here is compared, then served', options, async (t) => {
  assert.deepEqual(await new Played(t).open(), ['compared', 'served']);
});

test('after an unclean take-over every object is stored again', options, async (t) => {
  const played = new Played(t);
  played.held = { ...HELD, refresh: true };
  assert.deepEqual(await played.open(), ['compared', 'served', 'refreshed']);
});

test(
  'a restore counts only while the session is held under the same epoch, and the owner object says so',
  options,
  async (t) => {
    for (const spoil of ['epoch', 'owner'] as const) {
      const played = new Played(t);
      played.counts.absent = 1;
      if (spoil === 'epoch') played.epoch++;
      else played.isVerified = false;
      played.opener.want(S);
      await until(() => played.done.includes('restored in vain'));
      assert.ok(!played.done.includes('served'), spoil);
      played.epoch = HELD.epoch;
      played.isVerified = true;
      await until(() => played.opener.waiting.length === 0);
      assert.equal(played.done.at(-1), 'served', spoil);
    }
  },
);

test(
  'a lease that is lost by the time of the comparison: the session is acquired again',
  options,
  async (t) => {
    const played = new Played(t);
    played.epoch++;
    played.opener.want(S);
    await until(() => played.done.length >= 2);
    assert.ok(!played.done.includes('served'));
    played.epoch = HELD.epoch;
    await until(() => played.opener.waiting.length === 0);
    assert.equal(played.done.at(-1), 'served');
  },
);

for (const [what, spoil, isServed] of [
  ['all of it is here, and no other mount had it', () => {}, true],
  [
    'whether another mount had it is not known',
    (played: Played) => (played.wasHeldElsewhere = undefined),
    false,
  ],
  ['another mount had it', (played: Played) => (played.wasHeldElsewhere = true), false],
  ['a part of it is only in the bucket', (played: Played) => (played.counts.absent = 1), false],
  ['nothing is known of it', (played: Played) => (played.counts.files = 0), false],
] as const)
  test(`without the bucket, ${what}: ${isServed ? 'served' : 'waited for'}`, options, async (t) => {
    const played = new Played(t);
    played.acquired = new Promise(() => {});
    played.failure = new BucketError('unreachable', 'no answer');
    spoil(played);
    played.opener.want(S);
    if (isServed) await until(() => played.done.length > 0);
    else await sleep(400);
    assert.deepEqual(played.done, isServed ? ['served'] : []);
  });

test('in cloud mode nothing is served without the bucket', options, async (t) => {
  const played = new Played(t, { servesUnconfirmed: false });
  played.acquired = new Promise(() => {});
  played.failure = new BucketError('unreachable', 'no answer');
  played.opener.want(S);
  await sleep(400);
  assert.deepEqual(played.done, []);
});

test(
  'what was served without the lease is compared once this mount holds it, and stored again if need be',
  options,
  async (t) => {
    const played = new Played(t);
    let acquire = (_: unknown) => {};
    played.acquired = new Promise((resolve) => {
      acquire = resolve;
    });
    played.held = { ...HELD, refresh: true };
    played.failure = new BucketError('unreachable', 'no answer');
    played.opener.want(S);
    await until(() => played.done.length > 0);
    played.failure = undefined;
    acquire(undefined);
    await until(() => played.done.length >= 3);
    assert.deepEqual(played.done, ['served', 'compared', 'refreshed']);
  },
);

/** Another mount on the same bucket, which holds the session and lives. */
async function contended(t: TestContext, waitLimitMs: number) {
  const bucket = new MemoryBucket();
  const other = openLeases(t, bucket);
  await other.acquire(S, () => true);
  const leases = openLeases(t, bucket);
  const refused: string[] = [];
  const sync = {
    restorer: { announce: () => {} },
    fetchMissing: async () => {},
    reconcileSession: async () => {},
    flusher: { refresh: () => {} },
  } as unknown as BucketSync;
  const ledger = { countsOf: () => ({ files: 0, absent: 0 }) } as unknown as Ledger;
  const opener = openOpener(t, {
    leases,
    sync,
    ledger,
    waitLimitMs,
    refuse: (session) => refused.push(session),
  });
  opener.want(S);
  await until(() => leases.waiting.length > 0);
  return { leases, opener, refused };
}

test('a session that is refused after the wait limit is not asked for any more', options, async (t) => {
  const { leases, opener, refused } = await contended(t, 300);
  await until(() => refused.length > 0);
  await until(() => opener.waiting.length === 0);
  assert.deepEqual([refused, leases.waiting], [[S], []]);
});

test('a session that no call waits for any more is not asked for any more', options, async (t) => {
  const { leases, opener, refused } = await contended(t, 0);
  opener.unwant(S);
  await until(() => opener.waiting.length === 0);
  assert.deepEqual([refused, leases.waiting], [[], []]);
});
