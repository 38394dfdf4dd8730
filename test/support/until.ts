import { setTimeout as sleep } from 'node:timers/promises';

/** A guard against a hang, not a measurement: what a test waits for is there in milliseconds. */
const HANG_MS = 30_000;

/**
 * Resolves when `condition` holds, looked at once and after each `turn`. Rejects, with its text, if that takes far too long: a test
 * that only hangs does not say for what.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  turn: () => Promise<unknown> = () => sleep(5),
): Promise<void> {
  const message = `waited ${HANG_MS} ms until ${condition}`;
  let guard: NodeJS.Timeout | undefined;
  const hung = new Promise<never>((_, reject) => {
    guard = setTimeout(() => reject(new Error(message)), HANG_MS).unref();
  });
  hung.catch(() => {});
  try {
    for (;;) {
      // Before the look: what happens during it counts, too.
      const next = turn();
      if (await condition()) return;
      await Promise.race([next, hung]);
    }
  } finally {
    clearTimeout(guard);
  }
}
