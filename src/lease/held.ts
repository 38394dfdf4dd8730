/** What holding a session means to those outside. */
import type { How, OwnerRecord } from './protocol.ts';

export interface Held {
  readonly session: string;
  /** What this mount writes goes under it. */
  readonly epoch: number;
  /**
   * The epoch that was found. A copy here that was in step with the bucket under `epoch` or under this one still is: nobody
   * else held the session since. Any other one has to be compared with the bucket first, whatever `how` says: a process that
   * took the session and died before it restored it was of this mount too.
   */
  readonly previousEpoch: number;
  /** Objects below it are not the session's: not restored, and to be deleted. */
  readonly floor: number;
  /** Every object must be stored again under `epoch`, then `floorRaised` called, before late writes are harmless. */
  readonly refresh: boolean;
  readonly how: How;
}

/** Another mount has the session. */
export class LeaseLost extends Error {
  readonly session: string;
  /** What a human recognises the other mount by. */
  readonly holder: string;
  /** The other's, as far as it is known. */
  readonly epoch: number;

  constructor(session: string, other: Pick<OwnerRecord, 'name' | 'epoch'>) {
    super(`${session} is held by another mount, ${other.name}`);
    this.name = 'LeaseLost';
    this.session = session;
    this.holder = other.name;
    this.epoch = other.epoch;
  }
}

/** Nobody waits for the session any more, and this mount does not have it. */
export class Abandoned extends Error {
  constructor(session: string) {
    super(`nobody waits for ${session} any more`);
    this.name = 'Abandoned';
  }
}

/** Metrics; the log lines are written by the lease itself. */
export interface LeaseEvents {
  /** At once, and then every 30 s. */
  waiting(session: string, holderName: string, waitedMs: number): void;
  acquired(held: Held, waitedMs: number): void;
  lost(session: string, holderName: string): void;
  /** Another process runs as this mount: nothing is held any more, for good. */
  fenced(reason: string): void;
}
