/** Waits for the lease of a session that a call has opened, and decides when that wait ends without it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '../bucket/bucket-error.ts';
import type { Held } from '../lease/held.ts';
import type { Logger } from '../observe/log.ts';
import type { MountLeases } from './mount-leases.ts';

export type LeaseWaitResult =
  | { readonly kind: 'held'; readonly held: Held }
  /** No call waits for the session any more. */
  | { readonly kind: 'abandoned' }
  /** Another mount holds the session, and SESSION_LEASE_WAIT_LIMIT is over. */
  | { readonly kind: 'refused' }
  /** The bucket cannot be used: the complete session in the cache is served without the lease. */
  | { readonly kind: 'unconfirmed' }
  /** This mount ends, or is fenced. */
  | { readonly kind: 'ended' };

export interface LeaseWaitState {
  /** What the acquisition ended with. */
  readonly outcome: Extract<LeaseWaitResult, { kind: 'held' | 'abandoned' | 'ended' }> | undefined;
  /** This mount ends. */
  readonly isEnding: boolean;
  readonly isHeldElsewhere: boolean;
  /** How long a call waits for another mount, in ms; 0: without limit. */
  readonly waitLimitMs: number;
  /** The bucket did not serve the last request: it gave no answer, or it refuses. */
  readonly isFailing: boolean;
  /** Time since the bucket last served a request. */
  readonly silentMs: number;
  /** The whole session is in the cache, and may be served without the lease. */
  readonly isServable: () => boolean;
}

/** A bucket that has served no request for this time counts as one that cannot be used. */
export const PATIENCE_MS = 3_000;
const POLL_MS = 100;
const SLOW_POLL_MS = 1_000;
const LOG_FIRST_MS = 1_000;
const LOG_EVERY_MS = 30_000;

export function decide(state: LeaseWaitState, waitedMs: number): LeaseWaitResult | { readonly kind: 'wait' } {
  const { outcome, isEnding, isHeldElsewhere, waitLimitMs, isFailing, silentMs, isServable } = state;
  if (outcome !== undefined) return outcome;
  if (isEnding) return { kind: 'ended' };
  if (isHeldElsewhere)
    return waitLimitMs > 0 && waitedMs >= waitLimitMs ? { kind: 'refused' } : { kind: 'wait' };
  const isUnreachable = isFailing || Math.min(waitedMs, silentMs) >= PATIENCE_MS;
  return isUnreachable && isServable() ? { kind: 'unconfirmed' } : { kind: 'wait' };
}

export interface LeaseWaitParts {
  session: string;
  /** The acquisition that is waited for. */
  acquired: Promise<Held>;
  leases: MountLeases;
  waitLimitMs: number;
  isServable: () => boolean;
  /** Aborted: this mount ends. */
  ended: AbortSignal;
  log: Logger;
}

/** Never rejects. */
export async function waitForLease(parts: LeaseWaitParts): Promise<LeaseWaitResult> {
  const { session, acquired, leases, waitLimitMs, isServable, ended, log } = parts;
  const startedMs = performance.now();
  let loggedMs = startedMs - LOG_EVERY_MS + LOG_FIRST_MS;
  let outcome: LeaseWaitState['outcome'];
  // One listener for the whole wait: a race with a promise keeps a listener on it until that settles.
  const settled = new AbortController();
  acquired
    .then(
      (held) => {
        outcome = { kind: 'held', held };
      },
      (error: unknown) => {
        outcome = { kind: leases.isAbandoned(error) ? 'abandoned' : 'ended' };
      },
    )
    .finally(() => settled.abort());
  for (;;) {
    const pollMs = performance.now() - startedMs < PATIENCE_MS ? POLL_MS : SLOW_POLL_MS;
    await sleep(pollMs, undefined, { signal: settled.signal }).catch(() => {});
    const waitedMs = performance.now() - startedMs;
    const isHeldElsewhere = leases.holderOf(session) !== undefined;
    const { failure, silentMs } = leases;
    const isFailing = failure !== undefined;
    const isEnding = ended.aborted;
    const step = decide(
      { outcome, isEnding, isHeldElsewhere, waitLimitMs, isFailing, silentMs, isServable },
      waitedMs,
    );
    if (step.kind !== 'wait') return step;
    if (isHeldElsewhere || performance.now() - loggedMs < LOG_EVERY_MS) continue;
    loggedMs = performance.now();
    const reason =
      failure === undefined
        ? { reason: 'unreachable', error: 'the bucket does not say which mount holds it' }
        : reasonOf(failure);
    log.warn(
      { session, waitedMs: Math.round(waitedMs), ...reason },
      'Cannot restore the session yet; its callers wait',
    );
  }
}
