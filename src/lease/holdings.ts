/** The sessions that this mount holds, to its knowledge. */
import type { Logger } from '../observe/log.ts';
import type { Held, LeaseEvents } from './held.ts';
import type { KeptIdentity } from './identity.ts';
import type { Holding } from './ownership.ts';
import type { OwnerRecord, Seen } from './protocol.ts';

export class Holdings {
  readonly #identity: KeptIdentity;
  readonly #log: Logger;
  readonly #events: LeaseEvents;
  readonly #held = new Map<string, Holding>();

  constructor(identity: KeptIdentity, log: Logger, events: LeaseEvents) {
    this.#identity = identity;
    this.#log = log;
    this.#events = events;
  }

  get size(): number {
    return this.#held.size;
  }

  get sessions(): string[] {
    return [...this.#held.keys()];
  }

  has(session: string): boolean {
    return this.#held.has(session);
  }

  get(session: string): Holding | undefined {
    return this.#held.get(session);
  }

  /** Undefined also for a session that is held under a former id of this mount: it must be claimed again. */
  current(session: string): Holding | undefined {
    const holding = this.#held.get(session);
    return holding?.owner.record.holder === this.#identity.now.id ? holding : undefined;
  }

  /** Sessions that must be claimed again. */
  stale(): string[] {
    return [...this.#held.keys()].filter((session) => this.current(session) === undefined);
  }

  add(holding: Holding, waitedMs: number): Held {
    const before = this.#held.get(holding.session);
    const isSame = before?.epoch === holding.epoch;
    // Claimed again under another id: how it was first acquired counts.
    const kept = isSame ? { ...holding, how: before.how, previousEpoch: before.previousEpoch } : holding;
    this.#held.set(holding.session, kept);
    const held = heldOf(kept);
    if (!isSame) this.#events.acquired(held, waitedMs);
    return held;
  }

  /** Notes a new owner object of the same epoch. Does nothing if `holding` is not the present one. */
  update(holding: Holding, owner: Seen<OwnerRecord>): void {
    if (this.#held.get(holding.session) !== holding) return;
    const { floor, refresh } = owner.record;
    this.#held.set(holding.session, { ...holding, owner, floor, refresh });
  }

  /** Removes the session, without log line or event. */
  take(session: string): Holding | undefined {
    const holding = this.#held.get(session);
    this.#held.delete(session);
    return holding;
  }

  /** Another mount holds the session now. */
  lose(session: string, holderName: string): void {
    if (!this.#held.delete(session)) return;
    this.#log.warn(
      { session, holder: holderName },
      'Another mount took the session over; this mount uploads nothing of it any more',
    );
    this.#events.lost(session, holderName);
  }

  loseAll(holderName: string): void {
    for (const session of [...this.#held.keys()]) this.lose(session, holderName);
  }
}

export function heldOf({ session, epoch, previousEpoch, floor, refresh, how }: Holding): Held {
  return { session, epoch, previousEpoch, floor, refresh, how };
}
