import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backOff, backoffMs } from '../../src/lib/backoff.ts';

const HANG_MS = 60_000;

test('the pause doubles with each failure up to its limit, and half of it is random', () => {
  const backoff = { minMs: 100, maxMs: 500 };
  const longest = [0, 1, 2, 3, 10, Number.MAX_SAFE_INTEGER].map((failures) =>
    backoffMs(failures, backoff, 1),
  );
  assert.deepEqual(longest, [100, 200, 400, 500, 500, 500]);
  const shortest = [0, 1, 2, 3].map((failures) => backoffMs(failures, backoff, 0));
  assert.deepEqual(shortest, [50, 100, 200, 250]);
});

test('the random share can be all of it', () => {
  const backoff = { minMs: 100, maxMs: 500, jitter: 1 };
  assert.deepEqual(
    [0, 0.5, 1].map((random) => backoffMs(1, backoff, random)),
    [0, 100, 200],
  );
});

test('without a number given, chance decides within the limits', () => {
  for (let round = 0; round < 100; round++) {
    const ms = backoffMs(0, { minMs: 100, maxMs: 100 });
    assert.ok(ms >= 50 && ms <= 100, `${ms} ms`);
  }
});

test('an abort ends it at once, before and during it, and is no error', { timeout: HANG_MS }, async () => {
  const long = { minMs: 24 * HANG_MS, maxMs: 24 * HANG_MS };
  const ended = new AbortController();
  const pause = backOff(0, long, ended.signal);
  ended.abort();
  await pause;
  await backOff(0, long, ended.signal);
});
