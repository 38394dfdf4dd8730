import { test } from 'node:test';
import { backOff } from '../../src/lib/backoff.ts';

const HANG_MS = 60_000;

test('the pause does not grow beyond its limit, however often it failed', { timeout: HANG_MS }, async () => {
  for (const attempt of [0, 10, 1_000, Number.MAX_SAFE_INTEGER])
    await backOff(attempt, { minMs: 1, maxMs: 20 }, new AbortController().signal);
});

test('an abort ends it at once, before and during it, and is no error', { timeout: HANG_MS }, async () => {
  const long = { minMs: 24 * HANG_MS, maxMs: 24 * HANG_MS };
  const ended = new AbortController();
  const pause = backOff(0, long, ended.signal);
  ended.abort();
  await pause;
  await backOff(0, long, ended.signal);
});
