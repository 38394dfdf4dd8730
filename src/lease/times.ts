/** How long what may take; all in ms on clocks that never jump. */
import type { Backoff } from '../lib/backoff.ts';
export interface LeaseTimes {
  /** A holder looks at its inbox this often. */
  readonly lookIntervalMs: number;
  /** So long a look permits writing, from the moment it was sent. */
  readonly permissionMs: number;
  /** A challenge that was not answered for so long permits taking over. */
  readonly takeOverMs: number;
  /** A mount that waits for another one asks this often. */
  readonly pollMs: number;
}

const LOOKS_IN_PERMISSION = 1.5;
/** What clocks of two machines may differ in speed, and more. */
const TAKE_OVER_MARGIN = 1.25;
const FOREIGN_MARGIN = 1.5;
/** Who waits long asks less often: a hand-over is waited for while a deployment rolls, not for days. */
const PATIENT_AFTER_MS = 60_000;
const PATIENT_FACTOR = 5;
/** Between requests that failed. */
export const LEASE_RETRY: Backoff = { minMs: 500, maxMs: 4_000 };

/** Throws an Error whose message names the two settings that do not fit together. */
export function checkOrder(times: LeaseTimes): void {
  const { lookIntervalMs, permissionMs, takeOverMs, pollMs } = times;
  for (const [name, value] of Object.entries(times)) {
    if (!Number.isFinite(value) || value <= 0) throw new Error(`${name} (${value}) must be above 0`);
  }
  if (lookIntervalMs * LOOKS_IN_PERMISSION > permissionMs)
    throw new Error(
      `permissionMs (${permissionMs}) must be at least ${LOOKS_IN_PERMISSION} times lookIntervalMs (${lookIntervalMs})`,
    );
  if (permissionMs * TAKE_OVER_MARGIN > takeOverMs)
    throw new Error(
      `takeOverMs (${takeOverMs}) must be at least ${TAKE_OVER_MARGIN} times permissionMs (${permissionMs})`,
    );
  if (pollMs >= takeOverMs) throw new Error(`pollMs (${pollMs}) must be below takeOverMs (${takeOverMs})`);
}

/** How long a holder that gives itself `permissionMs` must leave a challenge unanswered. */
export function takeOverAfterMs(times: LeaseTimes, permissionMs: number): number {
  return Math.max(times.takeOverMs, permissionMs * FOREIGN_MARGIN);
}

export function pollAfterMs(times: LeaseTimes, waitedMs: number): number {
  return waitedMs < PATIENT_AFTER_MS ? times.pollMs : times.pollMs * PATIENT_FACTOR;
}
