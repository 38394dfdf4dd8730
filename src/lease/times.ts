/** The times of the lease protocol, in ms on monotonic clocks. */
import type { Backoff } from '../lib/backoff.ts';

export interface LeaseTimes {
  /** A holder reads its inbox this often. */
  readonly renewIntervalMs: number;
  /** One renewal lets the holder write for this long, from when its request was sent. */
  readonly grantMs: number;
  /** A contender takes over when its challenge stood unanswered for this long. */
  readonly takeOverMs: number;
  /** A contender reads the holder's inbox this often. */
  readonly pollMs: number;
}

const RENEWALS_IN_GRANT = 1.5;
/** More than the clocks of two machines differ in speed. */
const TAKE_OVER_MARGIN = 1.25;
const FOREIGN_MARGIN = 1.5;
/** A long wait polls less often: a hand-over takes as long as a deployment rolls, not days. */
const PATIENT_AFTER_MS = 60_000;
const PATIENT_FACTOR = 5;
/** Between requests that failed. */
export const LEASE_RETRY: Backoff = { minMs: 500, maxMs: 4_000 };

/** Throws an Error whose message names the two settings that do not fit together. */
export function checkOrder(times: LeaseTimes): void {
  const { renewIntervalMs, grantMs, takeOverMs, pollMs } = times;
  for (const [name, value] of Object.entries(times)) {
    if (!Number.isFinite(value) || value <= 0) throw new Error(`${name} (${value}) must be above 0`);
  }
  if (renewIntervalMs * RENEWALS_IN_GRANT > grantMs)
    throw new Error(
      `grantMs (${grantMs}) must be at least ${RENEWALS_IN_GRANT} times renewIntervalMs (${renewIntervalMs})`,
    );
  if (grantMs * TAKE_OVER_MARGIN > takeOverMs)
    throw new Error(
      `takeOverMs (${takeOverMs}) must be at least ${TAKE_OVER_MARGIN} times grantMs (${grantMs})`,
    );
  if (pollMs >= takeOverMs) throw new Error(`pollMs (${pollMs}) must be below takeOverMs (${takeOverMs})`);
}

/** How long a challenge to a holder with this `grantMs` must stand unanswered. */
export function takeOverAfterMs(times: LeaseTimes, grantMs: number): number {
  return Math.max(times.takeOverMs, grantMs * FOREIGN_MARGIN);
}

export function pollAfterMs(times: LeaseTimes, waitedMs: number): number {
  return waitedMs < PATIENT_AFTER_MS ? times.pollMs : times.pollMs * PATIENT_FACTOR;
}
