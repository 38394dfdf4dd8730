/** A wait that ends by itself. */
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * What `work` resolves to or rejects with, or `late` after `ms` (not finite: never). `work` goes on then; a rejection of it
 * that comes later is not unhandled.
 */
export async function inTime<T, L = undefined>(work: Promise<T>, ms: number, late: L): Promise<T | L> {
  if (!Number.isFinite(ms)) return work;
  const done = new AbortController();
  const timer = sleep(Math.max(0, ms), late, { signal: done.signal });
  timer.catch(() => {});
  try {
    return await Promise.race([work, timer]);
  } finally {
    done.abort();
  }
}
