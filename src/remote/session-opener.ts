/**
 * Opens a session that a call has touched: acquires its lease, compares it with the bucket if another mount may have held it, and
 * restores it. The call waits in the kernel meanwhile.
 */
import { reasonOf } from '../bucket/bucket-error.ts';
import type { Held } from '../lease/held.ts';
import { backOff } from '../lib/backoff.ts';
import { type Failure, Failures } from '../lib/failures.ts';
import { inTime } from '../lib/in-time.ts';
import { Limiter } from '../lib/limiter.ts';
import { sharedAbort } from '../lib/shared-abort.ts';
import type { Logger } from '../observe/log.ts';
import type { BucketSync } from '../sync/bucket-sync.ts';
import type { Ledger } from '../sync/ledger/ledger.ts';
import type { WriteGrant } from '../sync/write-grant.ts';
import { PATIENCE_MS, waitForLease } from './lease-wait.ts';
import type { MountLeases } from './mount-leases.ts';

export interface SessionOpenerParts {
  leases: MountLeases;
  sync: BucketSync;
  ledger: Ledger;
  /** A complete session in the cache is served although the bucket does not answer. */
  servesUnconfirmed: boolean;
  /** How long a call waits for another mount, in ms; 0: as long as that mount lives. */
  waitLimitMs: number;
  /** The calls that wait for the session get EBUSY. */
  refuse: (session: string) => void;
  log: Logger;
}

const COMPARISONS_AT_A_TIME = 32;
const LOG_EVERY_MS = 30_000;
const RETRY = { minMs: 250, maxMs: 15_000 };

interface Opening {
  done: Promise<void>;
  /** A call waits for it. */
  isWanted: boolean;
}

export class SessionOpener {
  readonly #parts: SessionOpenerParts;
  readonly #opening = new Map<string, Opening>();
  /** Hundreds of sessions may be opened at once after a start; each comparison may list. */
  readonly #comparisons = new Limiter(COMPARISONS_AT_A_TIME);
  readonly #failures = new Failures();
  readonly #ended = sharedAbort();

  constructor(parts: SessionOpenerParts) {
    this.#parts = parts;
  }

  /** A call waits for the content of the session. */
  want(session: string): void {
    const running = this.#opening.get(session);
    if (running !== undefined) {
      running.isWanted = true;
      return;
    }
    const opening: Opening = { done: Promise.resolve(), isWanted: true };
    this.#opening.set(session, opening);
    opening.done = this.#openWhileWanted(session, opening)
      .catch((error: unknown) =>
        this.#parts.log.error({ session, error: String(error) }, 'Cannot open the session'),
      )
      .finally(() => this.#opening.delete(session));
  }

  /** No call waits for it any more: another mount that holds it keeps it, and is not challenged again. */
  unwant(session: string): void {
    const opening = this.#opening.get(session);
    if (opening === undefined) return;
    opening.isWanted = false;
    this.#parts.leases.abandon(session);
  }

  /**
   * Returns whether another mount has made a session that is not here. In hybrid mode a bucket that does not answer counts as
   * no; cloud mode waits for it.
   */
  async existsElsewhere(session: string): Promise<boolean> {
    const { leases, servesUnconfirmed, log } = this.#parts;
    // No other mount can have made a session that this one holds.
    if (leases.holds(session)) return false;
    const untilMs = servesUnconfirmed ? performance.now() + PATIENCE_MS : Number.POSITIVE_INFINITY;
    for (let attempt = 0; !this.#ended.signal.aborted; attempt++) {
      const exists = await inTime(this.#isInBucket(session), untilMs - performance.now(), undefined).catch(
        () => undefined,
      );
      if (exists === true) await this.#settle();
      if (exists !== undefined) return exists;
      if (performance.now() >= untilMs) break;
      await backOff(attempt, RETRY, this.#ended.signal);
    }
    if (this.#ended.signal.aborted) return false;
    log.warn(
      { session },
      'The bucket does not say whether another mount has made this session; it is taken for a new one',
    );
    return false;
  }

  /**
   * What was deleted here of an earlier session of the name, and is in the journal only, would be deleted of what is restored,
   * and then in the bucket. Retries until the cache has it, or this mount ends.
   */
  async #settle(): Promise<void> {
    for (let attempt = 0; !this.#ended.signal.aborted; attempt++) {
      try {
        return await this.#parts.sync.settle();
      } catch {
        // The checkpoint has logged why.
        await backOff(attempt, RETRY, this.#ended.signal);
      }
    }
  }

  /** A session that was deleted leaves its owner object behind. */
  async #isInBucket(session: string): Promise<boolean> {
    const { leases } = this.#parts;
    const owner = await leases.readOwner(session);
    // One of this mount's own that is not here was deleted here, and perhaps not in the bucket yet.
    if (owner === undefined || (await leases.isOwn(owner))) return false;
    return owner.holder !== '' || this.#parts.sync.hasObjects(session);
  }

  /** Sessions that a call waits for. */
  get waiting(): string[] {
    return [...this.#opening.keys()];
  }

  /** Why the session cannot be served at present. */
  failureOf(session: string): Failure | undefined {
    return this.#failures.of(session);
  }

  isWaiting(session: string): boolean {
    return this.#opening.has(session);
  }

  /** Opens nothing any more. */
  stop(): void {
    this.#ended.abort();
  }

  async end(): Promise<void> {
    this.stop();
    await Promise.all([...this.#opening.values()].map(({ done }) => done));
  }

  async #openWhileWanted(session: string, opening: Opening): Promise<void> {
    const isWanted = () => opening.isWanted && !this.#ended.signal.aborted;
    for (let attempt = 0; ; ) {
      const outcome = await this.#open(session, isWanted);
      if (outcome === 'done' || !isWanted()) return;
      if (outcome === 'outdated') await backOff(attempt++, RETRY, this.#ended.signal);
    }
  }

  /**
   * abandoned: the wait ended before this mount held the session. outdated: another mount may have held the session meanwhile, or
   * files changed in the bucket; nothing was served.
   */
  async #open(session: string, isWanted: () => boolean): Promise<'done' | 'abandoned' | 'outdated'> {
    const { sync, leases, waitLimitMs, refuse, log } = this.#parts;
    const acquired = leases.acquire(session, isWanted);
    acquired.catch(() => {});
    // A session that is served without the bucket must be whole, too.
    const isWhole = await sync.fetchMissing(session).then(
      () => true,
      () => false,
    );
    const isServable = () => isWhole && this.#isServable(session);
    const ended = this.#ended.signal;
    const result = await waitForLease({ session, acquired, leases, waitLimitMs, isServable, ended, log });
    switch (result.kind) {
      case 'abandoned':
        return 'abandoned';
      case 'refused':
        leases.abandon(session);
        refuse(session);
        return 'done';
      case 'unconfirmed':
        sync.restorer.announce(session);
        void this.#confirmLater(session, acquired);
        return 'done';
      case 'held':
        return (await this.#serve(session, result.held)) ? 'done' : 'outdated';
      case 'ended':
        return 'done';
    }
  }

  /** Returns false if the session has to be acquired and compared again. */
  async #serve(session: string, held: Held): Promise<boolean> {
    const { sync, ledger } = this.#parts;
    if (!(await this.#reconcile(session, held, false))) return false;
    if (ledger.countsOf(session).absent === 0) {
      if (!(await this.#isStillHeld(session, held, () => this.#isServable(session)))) return false;
      sync.restorer.announce(session);
    } else if (!(await sync.restorer.restore(session, () => this.#isRestoreValid(session, held))))
      return false;
    if (held.refresh) sync.flusher.refresh(session);
    return true;
  }

  /** A restore is long, and a clock may have stood still in it: the owner object decides. */
  async #isRestoreValid(session: string, held: Held): Promise<boolean> {
    const verify = () => this.#parts.leases.verify(session);
    return (
      (await this.#isStillHeld(session, held, () => false)) && (await this.#untilAnswered(session, verify))
    );
  }

  /**
   * Returns whether this mount has held the session under one epoch since it was acquired. Costs a request only if a renewal is
   * due. Retries until the bucket answers, unless `isServable` without.
   */
  #isStillHeld(session: string, { epoch }: Held, isServable: () => boolean): Promise<boolean> {
    const isHeld = async () => (await this.#parts.leases.grant(session)).epoch === epoch;
    return this.#untilAnswered(session, isHeld, isServable);
  }

  #untilAnswered(
    session: string,
    question: () => Promise<boolean>,
    isServable: () => boolean = () => false,
  ): Promise<boolean> {
    const answerOf = (error: unknown) => {
      if (this.#parts.leases.isLost(error)) return false;
      return isServable() ? true : undefined;
    };
    return this.#retry(
      session,
      'Cannot renew the lease of the session; its callers wait',
      question,
      answerOf,
    );
  }

  /** The whole session is in the cache, and no other mount held it when the bucket last answered. */
  #isServable(session: string): boolean {
    const { servesUnconfirmed, ledger, leases } = this.#parts;
    const { files, absent } = ledger.countsOf(session);
    const isHere = files > 0 && absent === 0;
    return servesUnconfirmed && isHere && leases.wasHeldElsewhere(session) === false;
  }

  /** The session is served without the lease. Compares it with the bucket once this mount holds it. */
  async #confirmLater(session: string, acquired: Promise<Held>): Promise<void> {
    const { failure } = this.#parts.leases;
    this.#parts.log.warn(
      { session, ...(failure === undefined ? {} : reasonOf(failure)) },
      'The bucket cannot be used; the session is served from the cache, without knowing whether another mount holds it',
    );
    const held = await acquired.catch(() => undefined);
    if (held === undefined || !(await this.#reconcile(session, held, true))) return;
    if (held.refresh) this.#parts.sync.flusher.refresh(session);
  }

  /** Retries until it succeeds. Returns false if this mount ends. */
  #reconcile(session: string, held: Held, served: boolean): Promise<boolean> {
    const grant: WriteGrant = { ...held, deadlineMs: Number.POSITIVE_INFINITY };
    const compare = async () => {
      await this.#comparisons.run(() => this.#parts.sync.reconcileSession(session, grant, served));
      return true;
    };
    return this.#retry(session, 'Cannot compare the session with the bucket yet; its callers wait', compare);
  }

  /**
   * Repeats `work` until it succeeds, or fails with what `answerOf` takes for an answer; returns that answer, false if this mount
   * ends. Logs the first failure, and then one every 30 s.
   */
  async #retry(
    session: string,
    message: string,
    work: () => Promise<boolean>,
    answerOf: (error: unknown) => boolean | undefined = () => undefined,
  ): Promise<boolean> {
    let loggedMs = Number.NEGATIVE_INFINITY;
    try {
      for (let attempt = 0; !this.#ended.signal.aborted; attempt++) {
        const outcome = await work().catch((error: unknown) => answerOf(error) ?? { error });
        if (typeof outcome === 'boolean') return outcome;
        this.#failures.failed(session, outcome.error);
        if (performance.now() - loggedMs >= LOG_EVERY_MS) {
          loggedMs = performance.now();
          this.#parts.log.warn({ session, ...reasonOf(outcome.error) }, message);
        }
        await backOff(attempt, RETRY, this.#ended.signal);
      }
      return false;
    } finally {
      this.#failures.clear(session);
    }
  }
}
