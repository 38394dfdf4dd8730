/** The end of a mount, with everything around it played by the test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { FinalFlush, type FinalFlushParts } from '../../src/remote/final-flush.ts';
import { WriteThrough } from '../../src/remote/write-through.ts';
import { until } from '../support/until.ts';

const S = 'u-+1';
const soon = () => performance.now() + 20_000;

function played(
  flushAll: () => Promise<void>,
  ledger: { dirtyCount: number },
  held: string[] = [S],
  unsettled = '',
) {
  const closed: boolean[] = [];
  const released: string[][] = [];
  const refreshing: string[][] = [];
  const flush = new FinalFlush({
    ledger: {
      dirtyOf: () => [],
      isUnsettled: (session: string) => session === unsettled,
      conflicts: new Set(),
      ...ledger,
      get dirtyCount() {
        return ledger.dirtyCount;
      },
    },
    leases: {
      get held() {
        return held;
      },
      release: async (sessions: string[], late: ReadonlySet<string>) => {
        released.push(sessions);
        if (late.size > 0) refreshing.push([...late]);
        held.length = 0;
      },
      stopAcquiring: async () => {
        await sleep(50);
        held.push('late-+2');
      },
    },
    flusher: { end: () => {}, flushAll },
    stores: { close: (isStored: boolean) => closed.push(isStored) },
  } as unknown as FinalFlushParts);
  return { flush, closed, released, refreshing };
}

test('callers hear whether all is stored, and a failure that passes is tried again', {
  timeout: 60_000,
}, async () => {
  const ledger = { dirtyCount: 1 };
  let tries = 0;
  const { flush, closed } = played(async () => {
    if (++tries < 3) throw new BucketError('unreachable', 'no answer');
    ledger.dirtyCount = 0;
  }, ledger);
  assert.equal(await flush.flushBefore(soon()), 0);
  assert.deepEqual([tries, closed], [3, [true]]);
});

test('what cannot be stored is told: one try where a retry cannot help', { timeout: 60_000 }, async () => {
  let tries = 0;
  const { flush, closed } = played(
    async () => {
      tries++;
      throw new Error('lost');
    },
    { dirtyCount: 2 },
  );
  assert.equal(await flush.flushBefore(soon()), 2);
  assert.deepEqual([tries, closed], [1, [false]]);
});

test('a session that was being acquired at the end is released as well', { timeout: 60_000 }, async () => {
  const { flush, released } = played(async () => {}, { dirtyCount: 0 });
  await flush.release(soon(), []);
  assert.deepEqual(released, [[S], ['late-+2']]);
});

test('a session with an upload that may still arrive is released so that the next holder stores all of it again', {
  timeout: 60_000,
}, async () => {
  const { flush, released, refreshing } = played(async () => {}, { dirtyCount: 0 }, [S, 'v-+2'], 'v-+2');
  await flush.release(soon(), []);
  assert.deepEqual([released[0], refreshing], [[S, 'v-+2'], [['v-+2']]]);
});

test('a session of which only the journal has the newest version is not released, and none where that may be any', {
  timeout: 60_000,
}, async () => {
  const some = played(async () => {}, { dirtyCount: 0 }, [S, 'v-+2', 'w-+3']);
  await some.flush.release(soon(), ['v-+2/creds.json', 'w-+3']);
  assert.deepEqual(some.released[0], [S]);
  const any = played(async () => {}, { dirtyCount: 0 });
  await any.flush.release(soon(), undefined);
  assert.deepEqual(any.released.flat(), []);
});

test('a caller that gave up is not answered when its change is stored', async () => {
  const answers: number[] = [];
  let store = () => {};
  const stored = new Promise<void>((resolve) => {
    store = resolve;
  });
  const stores = new WriteThrough({
    flush: () => stored,
    isFinal: () => false,
    answer: (request) => void answers.push(request),
    limitMs: { file: 0, credentials: 0 },
    log: { error: () => {} } as never,
  });
  for (const request of [1, 2]) stores.add(request, { sessions: [S], credentials: false });
  await sleep(20);
  stores.cancel(1);
  store();
  await until(() => answers.length > 0);
  await sleep(20);
  assert.deepEqual(answers, [2]);
});
