/** The pause between tries of what may succeed later: doubling up to a limit, and half of it by chance. */
import { setTimeout as sleep } from 'node:timers/promises';

const DOUBLINGS_MAX = 10;

export interface Backoff {
  /** Of the first pause, at most. */
  readonly minMs: number;
  readonly maxMs: number;
}

/** `attempt`: how many tries have failed before the last one. Resolves early, and never rejects, when the signal is aborted. */
export async function backOff(
  attempt: number,
  { minMs, maxMs }: Backoff,
  signal: AbortSignal,
): Promise<void> {
  const limitMs = Math.min(maxMs, minMs * 2 ** Math.min(attempt, DOUBLINGS_MAX));
  await sleep(limitMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {});
}
