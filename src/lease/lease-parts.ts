/** What leases are made of, and what they hand out. */
import type { Bucket } from '../bucket/bucket.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../observe/log.ts';
import type { LeaseEvents } from './held.ts';
import type { IdentityStore } from './identity.ts';
import type { LeaseTimes } from './times.ts';
import type { Sleep } from './waiting.ts';

export interface LeaseParts {
  readonly bucket: Bucket;
  readonly identity: IdentityStore;
  /** What a human recognises this mount by: its host and mount point. */
  readonly name: string;
  readonly times: LeaseTimes;
  readonly log: Logger;
  readonly events: LeaseEvents;
  /** This daemon goes on for one that died or was replaced on the same mount. */
  readonly takeover: boolean;
  /** Aborted: as `end`. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  readonly sleep?: Sleep;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/** A session that this mount may write for now; remote/ passes it on as sync's WriteGrant. */
export interface HeldUntil {
  /** Goes with every object that is stored, as metadata. */
  readonly epoch: number;
  /** This, floor and refresh as in Held: a grant may be what takes the session. */
  readonly previousEpoch: number;
  readonly floor: number;
  readonly refresh: boolean;
  /** Every upload and deletion must have ended by then, on the monotonic clock. */
  readonly deadlineMs: number;
}
