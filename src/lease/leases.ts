/**
 * Which sessions this mount may write. At most one mount holds a session; a permission to write it is short, and renewed by
 * looks that cost a read each. docs/architecture.md tells how, protocol.ts decides.
 */
import { BucketError } from '../bucket/bucket-error.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { Limiter } from '../lib/limiter.ts';
import { mapLimit } from '../lib/map-limit.ts';
import { sharedAbort } from '../lib/shared-abort.ts';
import type { AcquisitionParts } from './acquisition.ts';
import { Acquisitions, type Waiting } from './acquisitions.ts';
import { floorRaised, verify } from './confirm.ts';
import { type Held, LeaseLost } from './held.ts';
import { Rivals } from './holder-probe.ts';
import { Holdings, heldOf } from './holdings.ts';
import { KeptIdentity, newId, newIdentity } from './identity.ts';
import type { HeldUntil, LeaseParts } from './lease-parts.ts';
import { type Holding, Ownership } from './ownership.ts';
import type { OwnerRecord } from './protocol.ts';
import { listOwners } from './records/list-owners.ts';
import { printableName } from './records/record.ts';
import { releaseAll } from './release.ts';
import { Fenced, Permission } from './renewal.ts';
import { Keeper } from './renewal-loop.ts';
import { rewriteOlderThan } from './rewrite.ts';
import { checkOrder } from './times.ts';
import { realSleep } from './waiting.ts';

const REQUESTS_AT_A_TIME = 32;

export class Leases {
  readonly #parts: LeaseParts & { clock: Clock };
  readonly #identity: KeptIdentity;
  readonly #permission: Permission;
  readonly #ownership: Ownership;
  readonly #keeper: Keeper;
  readonly #held: Holdings;
  #hasReleased = false;
  readonly #acquiring: Acquisitions;
  readonly #claiming = new Map<string, Promise<void>>();
  readonly #rivals: Rivals;
  readonly #limiter = new Limiter(REQUESTS_AT_A_TIME);
  readonly #over = sharedAbort();

  private constructor(parts: LeaseParts, identity: KeptIdentity) {
    const { bucket, times, log, sleep = realSleep, random = Math.random, clock = systemClock } = parts;
    this.#parts = { ...parts, clock };
    this.#rivals = new Rivals({ bucket, times, clock });
    this.#identity = identity;
    const name = printableName(parts.name);
    this.#held = new Holdings(identity, log, parts.events);
    this.#ownership = new Ownership(bucket, identity, name);
    this.#permission = new Permission({
      bucket,
      identity,
      name,
      times,
      clock,
      log,
      renewed: () => void this.#reclaim(),
      fenced: (otherName) => this.#fenced(otherName),
    });
    this.#keeper = new Keeper({
      permission: this.#permission,
      times,
      sleep,
      random,
      log,
      signal: this.#over.signal,
      isNeeded: () => this.#held.size > 0 || !this.#permission.isOpen,
      looked: () => this.#reclaim(),
    });
    this.#acquiring = new Acquisitions(this.#acquisitionParts());
    this.#over.signal.addEventListener('abort', () => this.#acquiring.abandonAll());
    parts.signal?.addEventListener('abort', () => void this.end(), { once: true });
    if (parts.signal?.aborted) void this.end();
  }

  /**
   * Resolves when this mount's inbox stands, or after one try that failed: then it goes on trying, and `isOpen` tells. Throws
   * as `checkOrder`; rejects with a system error where the identity can be neither read nor kept.
   */
  static async open(parts: LeaseParts): Promise<Leases> {
    checkOrder(parts.times);
    const known = await parts.identity.load();
    const identity = new KeptIdentity(parts.identity, known ?? newIdentity());
    // A run that takes over is the run before. A crash before its inbox stood leaves nothing to go on with.
    if (known === undefined || !parts.takeover || !known.started)
      await identity.change((now) => ({ ...now, nonce: newId(), started: false }));
    const leases = new Leases(parts, identity);
    await leases.#permission.look().catch((error: unknown) => {
      if (!(error instanceof BucketError || error instanceof Fenced)) throw error;
      leases.#keeper.failed(error);
    });
    leases.#keeper.wake();
    return leases;
  }

  /** This mount's inbox stands in the bucket: others can see that it lives. */
  get isOpen(): boolean {
    return this.#permission.isOpen;
  }

  /** Another process runs as this mount: nothing is held any more, for good. */
  get isFenced(): boolean {
    return this.#permission.fenced !== undefined;
  }

  /**
   * Every session that has an owner object, by its name. Those that this mount owns count as held from then on. One list per
   * 1000 sessions: for the start. Rejects with BucketError.
   */
  async list(): Promise<Map<string, OwnerRecord>> {
    const owners = await listOwners(this.#parts.bucket);
    // What was released meanwhile may still be listed.
    if (this.isOpen && !this.#over.signal.aborted && !this.#hasReleased)
      for (const holding of this.#ownership.listed(owners))
        if (!this.#held.has(holding.session) && !this.#acquiring.has(holding.session)) this.#keep(holding, 0);
    return new Map([...owners].map(([session, { record }]) => [session, record]));
  }

  /** Whom an acquisition of this session waits for. */
  holder(session: string): { name: string } | undefined {
    const name = this.#acquiring.holderOf(session);
    return name === undefined ? undefined : { name };
  }

  get held(): string[] {
    return this.#held.sessions;
  }

  holds(session: string): boolean {
    return this.#held.has(session);
  }

  /** Under which this mount holds the session; undefined: it does not. */
  epochOf(session: string): number | undefined {
    return this.#held.get(session)?.epoch;
  }

  get waiting(): Waiting[] {
    return this.#acquiring.waiting;
  }

  /**
   * Resolves when this mount holds the session; waits for another holder to release it or to be dead, and for a bucket that
   * does not answer. Who asks meanwhile shares the wait. Rejects with Abandoned, or the reason of `end` or of being fenced.
   */
  acquire(session: string): Promise<Held> {
    if (this.#over.signal.aborted) return Promise.reject(this.#over.signal.reason);
    const kept = this.#held.current(session);
    if (kept) return Promise.resolve({ ...heldOf(kept), how: 'already' });
    return this.#acquiring.start(session);
  }

  /** Whoever acquires the session waits no longer: that rejects with Abandoned, unless a request under way just gets it. */
  abandon(session: string): void {
    this.#acquiring.abandon(session);
  }

  /** Abandons all. Resolves when none is under way: what was got all the same is held. Never rejects. */
  async stopAcquiring(): Promise<void> {
    this.#acquiring.abandonAll();
    await this.#acquiring.settled();
  }

  /**
   * Permits writing the session until `deadlineMs`. Looks first where the last look is old, and takes a session that nobody
   * has. Rejects with LeaseLost, when another mount has it, dead or alive, or with BucketError.
   */
  async grant(session: string): Promise<HeldUntil> {
    for (;;) {
      if (this.#over.signal.aborted) throw this.#endOf(session);
      const deadlineMs = await this.#permission.get().catch((error: unknown) => {
        throw error instanceof Fenced ? this.#endOf(session) : error;
      });
      const kept = this.#held.current(session);
      if (kept) return { ...heldOf(kept), deadlineMs };
      await this.#claim(session);
    }
  }

  /** Whether this mount holds the session, by its owner object; if not, it is dropped. Rejects with BucketError. */
  verify(session: string): Promise<boolean> {
    return verify(this.#held, this.#ownership, session);
  }

  /**
   * After every object was stored again under `epoch`, the one that the session was acquired with. Durable on return. Rejects
   * with LeaseLost where it is not held under it any more, or BucketError.
   */
  floorRaised(session: string, epoch: number): Promise<void> {
    return floorRaised(this.#held, this.#ownership, session, epoch);
  }

  /**
   * Gives sessions up, those too that this mount holds from an earlier run. Call it when nothing of them is dirty and nothing
   * is under way; `unsettled` ones are those of which an earlier upload may still arrive: their next holder is told to store
   * everything again. Never rejects; what could not be released stays this mount's.
   */
  async release(sessions: readonly string[], unsettled: ReadonlySet<string> = new Set()): Promise<void> {
    const { log } = this.#parts;
    this.#hasReleased = true;
    const known = new Map(sessions.map((session) => [session, this.#held.take(session)?.owner]));
    if (this.isFenced) return;
    const parts = { ownership: this.#ownership, log, atATime: REQUESTS_AT_A_TIME };
    // Once more: it may have been taken meanwhile.
    const drop = (session: string) => this.#held.take(session)?.owner ?? known.get(session);
    await releaseAll(parts, sessions, drop, unsettled);
  }

  /**
   * Writes again what is this mount's and was last written before `beforeMs` (by the store's clock, in ms since the epoch):
   * for a bucket whose rules delete by age. Answers how many objects. Rejects with BucketError.
   */
  async rewriteOlderThan(beforeMs: number): Promise<number> {
    const own = (await this.#permission.rewriteOlderThan(beforeMs)) ? 1 : 0;
    const rewritten = await rewriteOlderThan(this.#parts.bucket, this.#ownership, beforeMs, this.#held);
    return own + rewritten;
  }

  /** Stops looking and waiting; releases nothing. */
  async end(): Promise<void> {
    if (!this.#over.signal.aborted) this.#over.abort(new Error('the mount ends'));
    await this.#acquiring.settled();
    await this.#keeper.ended;
  }

  /** One claim that does not wait; rejects with LeaseLost. One at a time per session. */
  #claim(session: string): Promise<void> {
    const running = this.#claiming.get(session);
    if (running) return running;
    const work = async () => {
      const keep = (holding: Holding) => this.#keep(holding, 0);
      const claim = await this.#limiter.run(() => this.#ownership.claim(session, keep));
      if ('held' in claim) return;
      const other = claim.heldBy.record;
      this.#held.lose(session, other.name);
      throw new LeaseLost(session, other);
    };
    const done = work().finally(() => this.#claiming.delete(session));
    this.#claiming.set(session, done);
    return done;
  }

  /** Claims under the present id what is held under an earlier one. */
  async #reclaim(): Promise<void> {
    if (!this.isOpen || this.isFenced) return;
    const stale = this.#held.stale();
    // What fails is tried again after the next look, or when it is needed.
    await mapLimit(stale, REQUESTS_AT_A_TIME, (session) => this.#claim(session).catch(() => {}));
  }

  #keep(holding: Holding, waitedMs: number): Held {
    this.#over.signal.throwIfAborted();
    const held = this.#held.add(holding, waitedMs);
    this.#keeper.wake();
    return held;
  }

  #fenced(otherName: string): void {
    this.#parts.log.error(
      { mount: this.#identity.now.id, other: otherName, sessions: this.#held.size },
      'Another process runs as this mount, from a copy of its cache: nothing is written to the bucket here any more',
    );
    this.#over.abort(new Fenced(otherName));
    this.#held.loseAll(otherName);
    this.#parts.events.fenced(`another process runs as this mount: ${otherName}`);
  }

  /** Why nothing can be written any more. */
  #endOf(session: string): Error {
    const { fenced } = this.#permission;
    if (fenced) return new LeaseLost(session, { name: fenced.otherName, epoch: 0 });
    return this.#over.signal.reason as Error;
  }

  #acquisitionParts(): AcquisitionParts {
    const { times, clock, log, sleep = realSleep, random = Math.random, events } = this.#parts;
    return {
      ownership: this.#ownership,
      permission: this.#permission,
      rivalOf: (holder) => this.#rivals.of(holder),
      times,
      clock,
      sleep,
      random,
      log,
      limiter: this.#limiter,
      signal: this.#over.signal,
      keep: (holding, waitedMs) => this.#keep(holding, waitedMs),
      waiting: (session, name, waitedMs) => events.waiting(session, name, waitedMs),
    };
  }
}
