import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { deferred } from '../../src/lib/deferred.ts';
import { inTime } from '../../src/lib/in-time.ts';

const HANG_MS = 60_000;
const LONG_MS = 24 * HANG_MS;
const never = new Promise<string>(() => {});

test('what is in time is the answer, an error too, and no timer keeps the process', {
  timeout: HANG_MS,
}, async () => {
  assert.equal(await inTime(Promise.resolve('answer'), LONG_MS, 'late'), 'answer');
  assert.equal(await inTime(Promise.resolve('answer'), Number.POSITIVE_INFINITY, 'late'), 'answer');
  await assert.rejects(inTime(Promise.reject(new Error('failed')), LONG_MS, 'late'), /failed/);
});

test('what is late is not waited for, and its error is dropped', { timeout: HANG_MS }, async () => {
  const failsLater = deferred<string>();
  assert.equal(await inTime(failsLater.promise, 1, 'late'), 'late');
  failsLater.reject(new Error('too late'));
  assert.equal(await inTime(never, 1, undefined), undefined);
  assert.equal(await inTime(never, -1, 'late'), 'late');
  // An unhandled rejection would fail the test.
  await setImmediate();
});
