/**
 * The pause before the next try of what may succeed later. It doubles with each failure from `minMs` up to `maxMs`; the
 * last part of it, `jitter` of the whole, is random, so that many that failed together do not try again together.
 */
import { setTimeout as sleep } from 'node:timers/promises';

const DOUBLINGS_MAX = 30;

export interface Backoff {
  /** The longest first pause. */
  readonly minMs: number;
  /** The longest pause of all. */
  readonly maxMs: number;
  /** The random share of a pause, from 0 to 1; 0.5 unless given. */
  readonly jitter?: number;
}

/** `failures`: how many tries failed before the one that failed last. `random`: in [0, 1). */
export function backoffMs(
  failures: number,
  { minMs, maxMs, jitter = 0.5 }: Backoff,
  random: number = Math.random(),
): number {
  const longest = Math.min(maxMs, minMs * 2 ** Math.min(failures, DOUBLINGS_MAX));
  return longest * (1 - jitter + jitter * random);
}

/** Waits that long. Resolves early, and never rejects, when the signal is aborted. */
export async function backOff(failures: number, backoff: Backoff, signal: AbortSignal): Promise<void> {
  await sleep(backoffMs(failures, backoff), undefined, { signal }).catch(() => {});
}
