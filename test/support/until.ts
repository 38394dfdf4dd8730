import { setTimeout as sleep } from 'node:timers/promises';

/** A guard against a hang, not a measurement: what a test waits for is there in milliseconds. */
const HANG_MS = 60_000;
const SHORTEST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 50;

/**
 * Until the next look at what has been waited for since `sinceMs` of performance.now(): a twentieth of that. Each look costs the test
 * and what it looks at processor time.
 */
export function pause(sinceMs: number, shortestMs = SHORTEST_PAUSE_MS): Promise<void> {
  const waitedMs = performance.now() - sinceMs;
  return sleep(Math.max(shortestMs, Math.min(waitedMs / 20, LONGEST_PAUSE_MS)));
}

/**
 * Resolves to what `condition` returns once that is neither undefined nor false; looked at once, and after each `turn` (a `pause` when
 * not given). Rejects, with its text, if that takes far too long: a test that only hangs does not say for what.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  turn: (sinceMs: number) => Promise<unknown> = pause,
  hangMs = HANG_MS,
): Promise<Exclude<T, undefined | false>> {
  const sinceMs = performance.now();
  let guard: NodeJS.Timeout | undefined;
  const hung = new Promise<never>((_, reject) => {
    guard = setTimeout(() => reject(new Error(`waited ${hangMs} ms until ${condition}`)), hangMs).unref();
  });
  hung.catch(() => {});
  try {
    for (;;) {
      // Before the look: what happens during it counts, too.
      const next = turn(sinceMs);
      const seen = await Promise.race([condition(), hung]);
      if (seen !== undefined && seen !== false) return seen as Exclude<T, undefined | false>;
      await Promise.race([next, hung]);
    }
  } finally {
    clearTimeout(guard);
  }
}

/** For a condition that takes many daemons, or seconds by itself. */
export function untilSlow<T>(
  condition: () => T | Promise<T>,
  pollMs = 20,
): Promise<Exclude<T, undefined | false>> {
  return until(condition, (sinceMs) => pause(sinceMs, pollMs), 10 * HANG_MS);
}
