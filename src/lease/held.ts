/** A session that this mount holds, as the lease room shows it to the others. */
import type { How, OwnerRecord } from './protocol.ts';

export interface Held {
  readonly session: string;
  /** The fencing token. Every object that this mount stores carries it. */
  readonly epoch: number;
  /**
   * The epoch before this mount acquired the session. A local copy that matched the bucket under `epoch` or under this one
   * still does: no other mount held the session since. Any other copy must be compared with the bucket first, whatever `how`
   * says: a process of this same mount may have acquired the session and died before it restored it.
   */
  readonly previousEpoch: number;
  /** Objects of an older epoch do not belong to the session: they are not restored, and deleted. */
  readonly floor: number;
  /** Late writes are harmless only after every object was stored again under `epoch` and `floorRaised` was called. */
  readonly refresh: boolean;
  readonly how: How;
}

/** A session that this mount may write for a while. */
export interface HeldUntil extends Held {
  /** Every upload and deletion must have ended by then, on the monotonic clock. */
  readonly deadlineMs: number;
}

/** Another mount holds the session. */
export class LeaseLost extends Error {
  readonly session: string;
  /** The name of the other mount, for people. */
  readonly holder: string;
  /** The other mount's epoch; 0: unknown. */
  readonly epoch: number;

  constructor(session: string, other: Pick<OwnerRecord, 'name' | 'epoch'>) {
    super(`${session} is held by another mount, ${other.name}`);
    this.name = 'LeaseLost';
    this.session = session;
    this.holder = other.name;
    this.epoch = other.epoch;
  }
}

/** No caller waits for the session any more, and this mount does not hold it. */
export class Abandoned extends Error {
  constructor(session: string) {
    super(`no caller waits for ${session} any more`);
    this.name = 'Abandoned';
  }
}

/** For metrics and consequences elsewhere; the lease room writes its own log lines. */
export interface LeaseEvents {
  acquired(held: Held, waitedMs: number): void;
  lost(session: string, holderName: string): void;
}
