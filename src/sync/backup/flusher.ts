/**
 * When what goes to the bucket: everything on an interval, a session at once when it is new and soon after its credentials
 * changed, everything at the end, and whatever is asked for. A session is never flushed twice at the same time; what fails
 * stays dirty and is tried again on the next interval.
 */
import { BucketError } from '../../bucket/bucket-error.ts';
import { backOff } from '../../lib/backoff.ts';
import { Coalesced } from '../../lib/coalesced.ts';
import { type Failure, Failures } from '../../lib/failures.ts';
import { sharedAbort } from '../../lib/shared-abort.ts';
import type { Logger } from '../../observe/log.ts';
import type { Backup, SyncEvents } from '../events.ts';
import { sameEpoch, type WriteGrant } from '../write-grant.ts';
import { FailureLog } from './failure-log.ts';
import { type FlushParts, flushSession } from './flush-session.ts';
import { Refreshes } from './refreshes.ts';
import { ForeignWrite } from './upload.ts';

/** committed: what was committed. everything: plain files too that are still being written, as they are. */
export type Settled = 'committed' | 'everything';

export interface FlusherParts extends Omit<FlushParts, 'settleCommitted'> {
  /** See reconcile-session.ts; an application may have seen the session. */
  reconcile: (session: string, grant: WriteGrant) => Promise<void>;
  /** See MountSide. */
  settle: (what: Settled) => Promise<void>;
  /** 0: nothing goes by itself, only at the end and when asked for. */
  intervalMs: number;
  events: SyncEvents;
  log: Logger;
}

/** Pairing writes hundreds of files in a row: they go together. */
const NEW_SESSION_DELAY_MS = 300;
/** With what the flush takes, within the 2 s that are promised. */
const CREDENTIALS_DELAY_MS = 1_500;
/** After an urgent flush that failed for a reason that may pass; then twice as long, up to the interval. */
const URGENT_RETRY = { minMs: 1_000, maxMs: 60_000 };
/** Each takes a rename of just what is being stored. Other sessions wait for their next interval meanwhile. */
const MOVES_FOLLOWED = 20;
const ALL = Symbol('all sessions');

function mayPass(error: unknown): boolean {
  return error instanceof BucketError && error.isTransient;
}

/** Another mount has the session, or has written it: nothing of it is stored from here. */
export class SessionInConflict extends Error {
  constructor(session: string) {
    super(`session ${session} is in conflict`);
  }
}

export interface SessionBackup {
  lastBackupAt: string | undefined;
  lastError: string | undefined;
}

export class Flusher {
  readonly #parts: FlusherParts;
  readonly #failures: FailureLog;
  /** Per session: the flush that runs, or the last one. */
  readonly #running = new Map<string, Promise<void>>();
  readonly #urgent = new Map<string, NodeJS.Timeout>();
  readonly #scheduled = new Set<string>();
  readonly #refreshes: Refreshes;
  readonly #outcomes = new Map<string, SessionBackup>();
  readonly #failing = new Failures();
  readonly #settling: { readonly [What in Settled]: Coalesced };
  #interval: NodeJS.Timeout | undefined;
  #everything: Promise<void> | undefined;
  readonly #ended = sharedAbort();

  constructor(parts: FlusherParts) {
    this.#parts = parts;
    this.#failures = new FailureLog(parts.log);
    this.#refreshes = new Refreshes(parts.ledger, parts.grants);
    this.#settling = {
      committed: new Coalesced(() => parts.settle('committed')),
      everything: new Coalesced(() => parts.settle('everything')),
    };
  }

  /** Sessions that are dirty already go at once. */
  start(): void {
    const { intervalMs, ledger } = this.#parts;
    if (intervalMs === 0) return;
    for (const session of ledger.sessionNames) this.#announce(session);
    this.#interval = setInterval(() => {
      this.#failures.nextInterval();
      void this.#try(ALL);
    }, intervalMs);
    if (ledger.dirtySessions.length > 0) void this.#try(ALL);
  }

  /** A session was made, or its credentials changed. */
  urgent(session: string, why: 'new' | 'creds'): void {
    if (this.#parts.intervalMs === 0 || this.#ended.signal.aborted) return;
    this.#announce(session);
    if (this.#urgent.has(session)) return;
    const timer = setTimeout(
      () => {
        this.#urgent.delete(session);
        void this.#tryUntilStored(session);
      },
      why === 'new' ? NEW_SESSION_DELAY_MS : CREDENTIALS_DELAY_MS,
    );
    this.#urgent.set(session, timer);
  }

  /** Resolves when everything of the session that was committed before is in the bucket. Rejects with the first failure. */
  async flush(session: string): Promise<void> {
    const movesBefore = this.#parts.ledger.movesFrom(session);
    await this.#settle('committed');
    await this.#flushWithTargets(session, movesBefore);
  }

  /** As `flush`, but rejects for a session of which nothing is known. */
  async flushKnown(session: string): Promise<void> {
    const movesBefore = this.#parts.ledger.movesFrom(session);
    await this.#settle('everything');
    if (session === '' || !this.#parts.ledger.sessionNames.includes(session))
      throw new Error(`there is no session ${session}`);
    await this.#flushWithTargets(session, movesBefore);
  }

  /** As `flush`, for all sessions: each is tried, whatever becomes of the others. Rejects with a failure that may pass, if there is one. */
  async flushAll(): Promise<void> {
    await this.#settle('everything');
    const { ledger } = this.#parts;
    const sessions = new Set([...ledger.dirtySessions, ...this.#refreshes.wanted]);
    const results = await Promise.allSettled(
      [...sessions].map((session) => this.#flushWithTargets(session, ledger.movesFrom(session))),
    );
    const reasons = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason as unknown] : [],
    );
    if (reasons.length > 0) throw reasons.find(mayPass) ?? reasons[0];
  }

  /** A mount that lost the session may still write: every object is to be stored again, soon. */
  refresh(session: string): void {
    this.#refreshes.want(session);
    void this.#try(session);
  }

  /** No flush begins by itself any more. */
  end(): void {
    this.#ended.abort();
    clearInterval(this.#interval);
    for (const timer of this.#urgent.values()) clearTimeout(timer);
    this.#urgent.clear();
  }

  /** Runs `work` while no flush of the session is under way. Rejects as `work` does. */
  alone(session: string, work: () => Promise<void>): Promise<void> {
    return this.#inTurn(session, work);
  }

  /** Something of the session may be under way to the bucket. */
  isFlushing(session: string): boolean {
    return this.#running.has(session);
  }

  /** Why the session is not backed up at present. */
  failureOf(session: string): Failure | undefined {
    return this.#failing.of(session);
  }

  outcomeOf(session: string): SessionBackup {
    return this.#outcomes.get(session) ?? { lastBackupAt: undefined, lastError: undefined };
  }

  /** Returns why it failed. A failure was logged and counted, session by session; what failed stays dirty. */
  async #try(what: string | typeof ALL): Promise<unknown> {
    if (this.#ended.signal.aborted) return undefined;
    try {
      await (what === ALL ? this.#flushEverything() : this.flush(what));
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /** The interval may be long, and credentials are promised to go soon: an outage that was short must not cost all of it. */
  async #tryUntilStored(session: string): Promise<void> {
    const { intervalMs, ledger } = this.#parts;
    const retry = { minMs: URGENT_RETRY.minMs, maxMs: Math.min(URGENT_RETRY.maxMs, intervalMs) };
    const { signal } = this.#ended;
    for (let attempt = 0; mayPass(await this.#try(session)); attempt++) {
      await backOff(attempt, retry, signal);
      // Another flush may have stored it, or one that is urgent by itself is about to.
      if (ledger.dirtyOf(session).length === 0 || this.#urgent.has(session)) return;
    }
  }

  /** An interval that ends before the last one's flush does has nothing to add. */
  #flushEverything(): Promise<void> {
    this.#everything ??= this.flushAll().finally(() => {
      this.#everything = undefined;
    });
    return this.#everything;
  }

  async #settle(what: Settled): Promise<void> {
    try {
      await this.#settling[what].run();
    } catch (error) {
      this.#failures.unsettled(error);
      throw error;
    }
  }

  /**
   * What was moved to other sessions is deleted once those have stored it. What is moved since `movesBefore` is followed, also where
   * it was new and has left nothing to delete.
   */
  async #flushWithTargets(session: string, movesBefore: ReadonlySet<number>): Promise<void> {
    const { ledger } = this.#parts;
    for (let round = 0; round < MOVES_FOLLOWED; round++) {
      const isMoved = ledger.moveTargetsOf(session, movesBefore).length > 0;
      await this.#flushSettled(session);
      const targets = ledger.moveTargetsOf(session, movesBefore);
      // Another flush may have stored the last of them after this one had passed the deletions over.
      if (targets.length === 0 && !isMoved) return;
      await Promise.all(targets.map((target) => this.#flushSettled(target)));
    }
    throw new Error(`files of session ${session} are moved on again and again before they are stored`);
  }

  /** A call that comes while a flush runs waits for the one after, which takes what changed meanwhile. */
  #flushSettled(session: string): Promise<void> {
    return this.#inTurn(session, () => this.#flushNow(session));
  }

  #inTurn(session: string, work: () => Promise<void>): Promise<void> {
    const before = this.#running.get(session) ?? Promise.resolve();
    const turn = before.catch(() => {}).then(work);
    this.#running.set(session, turn);
    const forget = () => {
      if (this.#running.get(session) === turn) this.#running.delete(session);
    };
    turn.then(forget, forget);
    return turn;
  }

  async #flushNow(session: string): Promise<void> {
    const { ledger, events, log } = this.#parts;
    if (ledger.conflicts.has(session)) throw new SessionInConflict(session);
    if (ledger.dirtyOf(session).length === 0 && !this.#refreshes.wanted.has(session)) return;
    const done: Backup = { files: 0, bytes: 0, deletes: 0 };
    const startedMs = performance.now();
    try {
      const grant = await this.#parts.grants.grant(session);
      await this.#parts.reconcile(session, grant);
      if (ledger.conflicts.has(session)) throw new SessionInConflict(session);
      this.#refreshes.begin(session, grant);
      const grants = sameEpoch(this.#parts.grants, grant);
      const settleCommitted = () => this.#settle('committed');
      await flushSession({ ...this.#parts, grants, settleCommitted }, session, done);
      await this.#refreshes.end(session, grant);
    } catch (error) {
      this.#failed(session, error, done);
      throw error;
    }
    this.#failing.clear(session);
    if (ledger.isHeldBack(session)) return;
    this.#outcomes.set(session, { lastBackupAt: new Date().toISOString(), lastError: undefined });
    if (done.deletes > 0 && ledger.countsOf(session).files === 0) events.emptied(session);
    if (done.files + done.deletes === 0) return;
    events.backup('success', done);
    const ms = Math.round(performance.now() - startedMs);
    log.info({ session, ...done, ms }, 'Session backed up to Cloud Storage');
  }

  #failed(session: string, error: unknown, done: Backup): void {
    const { ledger, events, grants } = this.#parts;
    const { lastBackupAt } = this.outcomeOf(session);
    this.#failing.failed(session, error);
    this.#outcomes.set(session, { lastBackupAt, lastError: (error as Error).message });
    events.backup('failure', done);
    const isLost = grants.isLost(error);
    const inUse = ledger.isServing(session);
    if (error instanceof ForeignWrite || (isLost && inUse)) {
      ledger.conflicts.add(session);
      events.conflict(0);
    }
    const files = ledger.dirtyOf(session).length;
    this.#failures.failed(session, error, files, isLost ? { inUse } : undefined);
  }

  #announce(session: string): void {
    const { intervalMs, log } = this.#parts;
    if (session === '' || this.#scheduled.has(session)) return;
    this.#scheduled.add(session);
    log.info({ session, intervalMs }, 'Automatic backup scheduled for session');
  }
}
