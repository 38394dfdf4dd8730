import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock, wallClock } from '../../src/lib/clock.ts';

/** Two clocks of which a test turns the hands. */
function clocks() {
  const now = { whole: 1_700_000_000_000, monotonic: 5_000.25 };
  const wallMs = wallClock(
    () => Math.floor(now.whole),
    () => now.monotonic,
  );
  const pass = (ms: number) => {
    now.whole += ms;
    now.monotonic += ms;
  };
  return { now, wallMs, pass };
}

test('the wall clock has a fraction and goes on evenly', () => {
  const { wallMs, pass } = clocks();
  const first = wallMs();
  assert.equal(Math.floor(first), 1_700_000_000_000);
  for (let round = 0; round < 100; round++) pass(0.25);
  assert.equal(wallMs(), first + 25);
});

test('a wall clock that is set, forward or back, is followed at once', () => {
  const { now, wallMs, pass } = clocks();
  wallMs();
  for (const stepMs of [3_600_000, -7_200_000, 5, -5]) {
    now.whole += stepMs;
    pass(1);
    assert.ok(Math.abs(wallMs() - now.whole) <= 2, `after a step of ${stepMs} ms`);
  }
});

test('a wall clock that is slewed is followed', () => {
  const { now, wallMs, pass } = clocks();
  for (let second = 0; second < 1_000; second++) {
    now.whole += 0.5;
    pass(1_000);
    assert.ok(Math.abs(wallMs() - now.whole) <= 2.5);
  }
});

test('the system clock says what Date says', () => {
  assert.ok(Math.abs(systemClock.wallMs() - Date.now()) <= 10);
});
