/**
 * Decides which sessions this mount may write. At most one mount holds a session; its lease is short, and renewed by polling one
 * object. docs/architecture.md describes the protocol, protocol.ts makes the decisions.
 */
import type { Bucket } from '../bucket/bucket.ts';
import { BucketError } from '../bucket/bucket-error.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import type { Failure } from '../lib/failures.ts';
import { Limiter } from '../lib/limiter.ts';
import { mapLimit } from '../lib/map-limit.ts';
import { sharedAbort } from '../lib/shared-abort.ts';
import type { Logger } from '../observe/log.ts';
import { Acquisitions, type Waiting } from './acquisition.ts';
import { type Held, type HeldUntil, type LeaseEvents, LeaseLost } from './held.ts';
import { HolderProbes } from './holder-probe.ts';
import { Holdings, heldOf } from './holdings.ts';
import { type IdentityStore, KeptIdentity, newId, newIdentity } from './identity.ts';
import { removeOldInboxes } from './old-inboxes.ts';
import { type Holding, Ownership } from './ownership.ts';
import { type OwnerRecord, raiseFloor } from './protocol.ts';
import { listOwners, ownerName } from './records/owner.ts';
import { printableName, untilWon } from './records/record.ts';
import { releaseAll } from './release.ts';
import { Fenced, Renewal } from './renewal.ts';
import { RenewalLoop } from './renewal-loop.ts';
import { checkOrder, type LeaseTimes } from './times.ts';
import { realSleep, type Sleep } from './waiting.ts';

export interface LeaseParts {
  readonly bucket: Bucket;
  readonly identity: IdentityStore;
  /** Names this mount for people: its host and mount point. */
  readonly name: string;
  readonly times: LeaseTimes;
  readonly log: Logger;
  readonly events: LeaseEvents;
  /** This daemon replaces one that served the same mount. */
  readonly takeover: boolean;
  /** Aborted: as `end`. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  readonly sleep?: Sleep;
  /** Random number in [0, 1), injected for tests. */
  readonly random?: () => number;
}

const REQUESTS_AT_A_TIME = 32;

export class Leases {
  readonly #bucket: Bucket;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #identity: KeptIdentity;
  readonly #renewal: Renewal;
  readonly #ownership: Ownership;
  readonly #renewalLoop: RenewalLoop;
  readonly #holdings: Holdings;
  /** Their release was sent: a listing may still show them as held. */
  readonly #released = new Set<string>();
  #malformed: ReadonlySet<string> = new Set();
  readonly #acquisitions: Acquisitions;
  readonly #claims = new Map<string, Promise<void>>();
  readonly #limiter = new Limiter(REQUESTS_AT_A_TIME);
  readonly #over = sharedAbort();

  private constructor(parts: LeaseParts, identity: KeptIdentity) {
    const {
      bucket,
      times,
      log,
      signal,
      sleep = realSleep,
      random = Math.random,
      clock = systemClock,
    } = parts;
    const name = printableName(parts.name);
    const renewal = new Renewal({
      bucket,
      identity,
      name,
      times,
      clock,
      log,
      idChanged: () => void this.#reclaim(),
      fenced: (otherName) => this.#fenced(otherName),
    });
    const holdings = new Holdings(identity, log, parts.events);
    const ownership = new Ownership(bucket, identity, name);
    const probes = new HolderProbes({ bucket, times, clock });
    const shared = { renewal, times, sleep, random, log, signal: this.#over.signal };
    this.#bucket = bucket;
    this.#log = log;
    this.#clock = clock;
    this.#identity = identity;
    this.#renewal = renewal;
    this.#holdings = holdings;
    this.#ownership = ownership;
    this.#renewalLoop = new RenewalLoop({
      ...shared,
      isNeeded: () => holdings.size > 0 || !renewal.isOpen,
      renewed: () => this.#reclaim(),
    });
    this.#acquisitions = new Acquisitions({
      ...shared,
      clock,
      ownership,
      probeOf: (holder) => probes.of(holder),
      limiter: this.#limiter,
      keep: (holding, waitedMs) => this.#keep(holding, waitedMs),
    });
    this.#over.signal.addEventListener('abort', () => this.#acquisitions.abandonAll());
    signal?.addEventListener('abort', () => void this.end(), { once: true });
    if (signal?.aborted) void this.end();
  }

  /**
   * Resolves when this mount's inbox stands, or after one try that failed: then it retries in the background, and `isOpen`
   * tells. Throws what `checkOrder` throws; rejects with a system error if the identity can be neither read nor saved.
   */
  static async open(parts: LeaseParts): Promise<Leases> {
    checkOrder(parts.times);
    const known = await parts.identity.load();
    const identity = new KeptIdentity(parts.identity, known ?? newIdentity());
    // A takeover continues the run before, unless that one crashed before its inbox stood.
    if (known === undefined || !parts.takeover || !known.started)
      await identity.change((now) => ({ ...now, nonce: newId(), started: false }));
    const leases = new Leases(parts, identity);
    await leases.#renewal.renew().catch((error: unknown) => {
      if (!(error instanceof BucketError || error instanceof Fenced)) throw error;
      leases.#renewalLoop.failed(error);
    });
    leases.#renewalLoop.start();
    return leases;
  }

  /** This mount's inbox stands in the bucket: contenders can see that it lives. */
  get isOpen(): boolean {
    return this.#renewal.isOpen;
  }

  /** Another process runs as this mount. Final: this one holds nothing any more. */
  get isFenced(): boolean {
    return this.#renewal.fenced !== undefined;
  }

  /**
   * Returns every session that has an owner object. Sessions that this mount owns count as held from then on. For the start:
   * it costs one list request per 1000 sessions. Rejects with BucketError.
   */
  async list(): Promise<Map<string, OwnerRecord>> {
    const { owners, malformed } = await listOwners(this.#bucket);
    this.#noteMalformed(malformed);
    if (this.isOpen && !this.#over.signal.aborted)
      for (const holding of this.#ownership.listed(owners))
        if (!this.#isBusy(holding.session)) this.#keep(holding, 0);
    return new Map([...owners].map(([session, { record }]) => [session, record]));
  }

  /** The owner object was malformed when it was listed: which mount holds the session is unknown. */
  isUnreadable(session: string): boolean {
    return this.#malformed.has(session);
  }

  /** The name of the mount that an acquisition of this session waits for. */
  holderOf(session: string): string | undefined {
    return this.#acquisitions.holderOf(session);
  }

  /** Why the lease of a session that is acquired cannot be read at present. */
  failureOf(session: string): Failure | undefined {
    return this.#acquisitions.failureOf(session);
  }

  get held(): string[] {
    return this.#holdings.sessions;
  }

  holds(session: string): boolean {
    return this.#holdings.has(session);
  }

  /** The epoch under which this mount holds the session; undefined: it does not hold it. */
  epochOf(session: string): number | undefined {
    return this.#holdings.get(session)?.epoch;
  }

  /** The owner is this mount, whether or not it has claimed the session yet. */
  isOwn(owner: OwnerRecord): boolean {
    return this.#ownership.isMine(owner);
  }

  get waiting(): Waiting[] {
    return this.#acquisitions.waiting;
  }

  /**
   * Resolves when this mount holds the session. Waits until another holder has released it or is dead, and until the bucket
   * answers; callers share the wait. Rejects with Abandoned, or the reason of `end` or of being fenced.
   */
  acquire(session: string): Promise<Held> {
    if (this.#over.signal.aborted) return Promise.reject(this.#over.signal.reason);
    const kept = this.#holdings.current(session);
    if (kept) return Promise.resolve({ ...heldOf(kept), how: 'already' });
    return this.#acquisitions.start(session);
  }

  /** Ends an acquisition: it rejects with Abandoned, unless the request under way acquires the session. */
  abandon(session: string): void {
    this.#acquisitions.abandon(session);
  }

  /** Abandons all acquisitions. Resolves when none is under way; the mount may hold more sessions then. Never rejects. */
  async stopAcquiring(): Promise<void> {
    this.#acquisitions.abandonAll();
    await this.#acquisitions.settled();
  }

  /**
   * Lets the caller write the session until `deadlineMs`. Renews first if due, and claims a session that no mount holds. Rejects
   * with LeaseLost if another mount holds it, dead or alive, or with BucketError.
   */
  async grant(session: string): Promise<HeldUntil> {
    for (;;) {
      if (this.#over.signal.aborted) throw this.#endOf(session);
      const deadlineMs = await this.#renewal.deadlineMs().catch((error: unknown) => {
        throw error instanceof Fenced ? this.#endOf(session) : error;
      });
      const kept = this.#holdings.current(session);
      if (kept) return { ...heldOf(kept), deadlineMs };
      await this.#claim(session);
    }
  }

  /** Returns whether the owner object still names this mount and epoch; drops the session if not. Rejects with BucketError. */
  async verify(session: string): Promise<boolean> {
    for (;;) {
      const kept = this.#holdings.get(session);
      const owner = await this.#ownership.read(session);
      if (this.#holdings.get(session) !== kept) continue;
      if (kept && this.#ownership.isStill(kept, owner)) return true;
      this.#holdings.lose(session, owner?.record.name ?? '');
      return false;
    }
  }

  /**
   * Call when every object was stored again under `epoch`, with which the session was acquired. Durable on return. Rejects
   * with LeaseLost if this mount does not hold it under that epoch any more, or with BucketError.
   */
  async floorRaised(session: string, epoch: number): Promise<void> {
    await untilWon(ownerName(session), async () => {
      const kept = this.#holdings.get(session);
      if (kept?.epoch !== epoch) throw new LeaseLost(session, { name: kept?.owner.record.name ?? '', epoch });
      const raised = await this.#ownership.write(session, raiseFloor(kept.owner));
      if (raised) {
        this.#holdings.update(kept, raised);
        return true;
      }
      const owner = await this.#ownership.read(session);
      if (owner && this.#ownership.isStill(kept, owner)) this.#holdings.update(kept, owner);
      else this.#holdings.lose(session, owner?.record.name ?? '');
      return undefined;
    });
  }

  /**
   * Releases sessions, also those that this mount holds from an earlier run. Call it when nothing of them is dirty and nothing
   * is under way. Of `unsettled` ones an earlier upload may still arrive: their next holder stores every object again. Never
   * rejects; a session that could not be released stays held.
   */
  async release(sessions: readonly string[], unsettled: ReadonlySet<string> = new Set()): Promise<void> {
    for (const session of sessions) this.#released.add(session);
    const known = new Map(sessions.map((session) => [session, this.#holdings.take(session)?.owner]));
    if (this.isFenced) return;
    const parts = { ownership: this.#ownership, log: this.#log, atATime: REQUESTS_AT_A_TIME };
    // Taken once more: the session may have been claimed meanwhile.
    const drop = (session: string) => this.#holdings.take(session)?.owner ?? known.get(session);
    await releaseAll(parts, sessions, drop, unsettled);
  }

  /**
   * For a bucket whose rules delete by age: writes this mount's inbox and owner objects again if they were last written before
   * `beforeMs` (by the bucket's clock, in ms since the epoch). Returns how many it wrote. Rejects with BucketError.
   */
  async rewriteOlderThan(beforeMs: number): Promise<number> {
    let written = (await this.#renewal.rewriteOlderThan(beforeMs)) ? 1 : 0;
    const { owners } = await listOwners(this.#bucket);
    await mapLimit(owners, REQUESTS_AT_A_TIME, async ([session, owner]) => {
      if (owner.updatedMs >= beforeMs || !this.#ownership.isMine(owner.record)) return;
      const { record, generation: ifGeneration } = owner;
      const holding = this.#holdings.get(session);
      const next = await this.#ownership.write(session, { record, ifGeneration });
      if (next === undefined) return;
      written++;
      if (holding?.owner.generation === ifGeneration) this.#holdings.update(holding, next);
    });
    return written;
  }

  /**
   * Removes the inboxes of mounts that hold nothing and are gone for long. For the start: costs a list. `owners`: what `list`
   * returned. Returns how many it removed. Rejects with BucketError.
   */
  async removeOldInboxes(owners: ReadonlyMap<string, OwnerRecord>): Promise<number> {
    const { id, former } = this.#identity.now;
    const named = new Set([id, ...former]);
    for (const { holder } of owners.values()) named.add(holder);
    return removeOldInboxes(this.#bucket, named, this.#clock.wallMs());
  }

  /** Stops renewing and waiting; releases nothing. */
  async end(): Promise<void> {
    if (!this.#over.signal.aborted) this.#over.abort(new Error('the mount ends'));
    await this.#acquisitions.settled();
    await this.#renewalLoop.ended;
  }

  #noteMalformed(malformed: ReadonlyMap<string, BucketError>): void {
    for (const [session, { message, hint }] of malformed) {
      if (this.#malformed.has(session)) continue;
      this.#log.error(
        { session, object: ownerName(session), reason: message, hint },
        'The owner object of a session is malformed; its callers wait until it is deleted',
      );
    }
    this.#malformed = new Set(malformed.keys());
  }

  /** What is known of the session is newer than a listing. */
  #isBusy(session: string): boolean {
    return this.#holdings.has(session) || this.#acquisitions.has(session) || this.#released.has(session);
  }

  /** Claims the session without waiting, one claim at a time a session. Rejects with LeaseLost or BucketError. */
  #claim(session: string): Promise<void> {
    const running = this.#claims.get(session);
    if (running) return running;
    const work = async () => {
      const keep = (holding: Holding) => this.#keep(holding, 0);
      const claim = await this.#limiter.run(() => this.#ownership.claim(session, keep));
      if ('held' in claim) return;
      const other = claim.heldBy.record;
      this.#holdings.lose(session, other.name);
      throw new LeaseLost(session, other);
    };
    const done = work().finally(() => this.#claims.delete(session));
    this.#claims.set(session, done);
    return done;
  }

  /** Claims under the present id what this mount holds under a former one. */
  async #reclaim(): Promise<void> {
    if (!this.isOpen || this.isFenced) return;
    const stale = this.#holdings.stale();
    // A failed claim is retried after the next renewal, or when a grant is needed.
    await mapLimit(stale, REQUESTS_AT_A_TIME, (session) => this.#claim(session).catch(() => {}));
  }

  #keep(holding: Holding, waitedMs: number): Held {
    this.#over.signal.throwIfAborted();
    this.#released.delete(holding.session);
    const held = this.#holdings.add(holding, waitedMs);
    this.#renewalLoop.start();
    return held;
  }

  #fenced(otherName: string): void {
    const fields = { mount: this.#identity.now.id, other: otherName, sessions: this.#holdings.size };
    this.#over.abort(new Fenced(otherName));
    this.#holdings.loseAll(otherName);
    this.#log.error(
      fields,
      'Another process runs as this mount, from a copy of its cache; this process writes nothing to the bucket any more; stop one of the two',
    );
  }

  /** Why this mount cannot write any session any more. */
  #endOf(session: string): Error {
    const { fenced } = this.#renewal;
    if (fenced) return new LeaseLost(session, { name: fenced.otherName, epoch: 0 });
    return this.#over.signal.reason as Error;
  }
}
