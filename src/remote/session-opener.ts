/**
 * From the first touch of a session to its content: the lease, a comparison with the bucket where another mount may have had
 * the session, the restore. Whoever touched it waits in the kernel meanwhile.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '../bucket/bucket-error.ts';
import type { Held } from '../lease/held.ts';
import { backOff } from '../lib/backoff.ts';
import { inTime } from '../lib/in-time.ts';
import { sharedAbort } from '../lib/shared-abort.ts';
import type { Logger } from '../observe/log.ts';
import type { BucketSync } from '../sync/bucket-sync.ts';
import type { Ledger } from '../sync/ledger/ledger.ts';
import type { WriteGrant } from '../sync/write-grant.ts';
import type { MountLeases } from './mount-leases.ts';

export interface SessionOpenerParts {
  leases: MountLeases;
  sync: BucketSync;
  ledger: Ledger;
  /** What is here is served although the bucket does not answer. */
  servesUnasked: boolean;
  /** How long a call waits for another mount; 0: for as long as that lives. */
  waitLimitMs: number;
  /** Whoever waits for it gets EBUSY. */
  refuse: (session: string) => void;
  log: Logger;
}

/** A bucket that has not answered by then does not answer: what is here is served without it. */
const PATIENCE_MS = 3_000;
const POLL_MS = 100;
const SLOW_POLL_MS = 1_000;
/** Of waiting for the bucket, in the log. */
const SILENT_MS = 1_000;
const REPEAT_LOG_MS = 30_000;
const RETRY = { minMs: 250, maxMs: 15_000 };

interface Opening {
  done: Promise<void>;
  /** Somebody waits for it. */
  isWanted: boolean;
}

export class SessionOpener {
  readonly #parts: SessionOpenerParts;
  readonly #opening = new Map<string, Opening>();
  readonly #ended = sharedAbort();

  constructor(parts: SessionOpenerParts) {
    this.#parts = parts;
  }

  /** Somebody waits for what is in it. */
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
        this.#parts.log.error({ session, error: String(error) }, 'A session could not be opened'),
      )
      .finally(() => this.#opening.delete(session));
  }

  /** Nobody does any more: a mount that lives keeps it, and is not asked for it again. */
  unwant(session: string): void {
    const opening = this.#opening.get(session);
    if (opening === undefined) return;
    opening.isWanted = false;
    this.#parts.leases.abandon(session);
  }

  /** Whether it exists although it is not here: another mount made it. Resolves late rather than wrongly, but not for ever. */
  async existsElsewhere(session: string): Promise<boolean> {
    const { leases, servesUnasked, log } = this.#parts;
    // What is not here of a session that nobody else can have is nowhere.
    if (leases.holds(session)) return false;
    const untilMs = servesUnasked ? performance.now() + PATIENCE_MS : Number.POSITIVE_INFINITY;
    for (let attempt = 0; !this.#ended.signal.aborted; attempt++) {
      const exists = await inTime(this.#isInBucket(session), untilMs - performance.now(), undefined).catch(
        () => undefined,
      );
      if (exists !== undefined) return exists;
      if (performance.now() >= untilMs) break;
      await backOff(attempt, RETRY, this.#ended.signal);
    }
    if (this.#ended.signal.aborted) return false;
    log.warn(
      { session },
      'The bucket does not say whether another mount has made this session: it is taken for a new one',
    );
    return false;
  }

  /** A session that was deleted leaves its owner object behind. */
  async #isInBucket(session: string): Promise<boolean> {
    const owner = await this.#parts.leases.askForOwner(session);
    if (owner === undefined) return false;
    return owner.holder !== '' || this.#parts.sync.hasObjects(session);
  }

  /** Sessions that somebody waits for. */
  get waiting(): string[] {
    return [...this.#opening.keys()];
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
    while ((await this.#open(session, isWanted)) === 'abandoned') if (!isWanted()) return;
  }

  /** 'abandoned': nobody waited for it any more, before this mount had the right to it. */
  async #open(session: string, isWanted: () => boolean): Promise<'abandoned' | undefined> {
    const { sync, leases } = this.#parts;
    const acquired = leases.acquire(session, isWanted);
    acquired.catch(() => {});
    const held = await this.#waitFor(session, acquired);
    switch (held) {
      case 'abandoned':
        return 'abandoned';
      case 'refused':
        leases.abandon(session);
        this.#parts.refuse(session);
        return undefined;
      case 'unasked':
        sync.restorer.announce(session);
        void this.#catchUp(session, acquired);
        return undefined;
      case undefined:
        return undefined;
    }
    if (!(await this.#reconcileSession(session, held, false))) return undefined;
    await this.#give(session);
    if (held.refresh) sync.flusher.refresh(session);
    return undefined;
  }

  async #give(session: string): Promise<void> {
    const { sync, ledger } = this.#parts;
    if (ledger.absentOf(session).length === 0) sync.restorer.announce(session);
    else await sync.restorer.restore(session);
  }

  /** undefined: this mount ends, or is fenced. */
  async #waitFor(
    session: string,
    acquired: Promise<Held>,
  ): Promise<Held | 'abandoned' | 'refused' | 'unasked' | undefined> {
    const { leases, waitLimitMs } = this.#parts;
    const startedMs = performance.now();
    let toldMs = startedMs - REPEAT_LOG_MS + SILENT_MS;
    // One listener for the whole wait: what races with a promise is kept as long as that is not settled.
    const settled = new AbortController();
    let held: Held | 'abandoned' | undefined;
    acquired
      .then(
        (value) => {
          held = value;
        },
        (error: unknown) => {
          if (leases.isAbandoned(error)) held = 'abandoned';
        },
      )
      .finally(() => settled.abort());
    for (;;) {
      const pollMs = performance.now() - startedMs < PATIENCE_MS ? POLL_MS : SLOW_POLL_MS;
      await sleep(pollMs, undefined, { signal: settled.signal }).catch(() => {});
      if (settled.signal.aborted || this.#ended.signal.aborted) return held;
      const waitedMs = performance.now() - startedMs;
      const isHeldElsewhere = leases.holderOf(session) !== undefined;
      if (waitLimitMs > 0 && isHeldElsewhere && waitedMs >= waitLimitMs) return 'refused';
      const isSilent = Math.min(waitedMs, leases.silentMs) >= PATIENCE_MS;
      const isUnreachable = !isHeldElsewhere && (leases.isFailing || isSilent);
      if (isUnreachable && this.#mayServeUnasked(session)) return 'unasked';
      if (isHeldElsewhere || performance.now() - toldMs < REPEAT_LOG_MS) continue;
      toldMs = performance.now();
      this.#parts.log.warn(
        {
          session,
          waitedMs: Math.round(waitedMs),
          reason: 'unreachable',
          error: 'the bucket does not say who has it',
        },
        'A session could not be restored yet; whoever opened it waits',
      );
    }
  }

  /** All of it is here, and nobody else had it when the bucket answered last. */
  #mayServeUnasked(session: string): boolean {
    const { servesUnasked, ledger, leases } = this.#parts;
    const isHere = ledger.entriesOf(session).length > 0 && ledger.absentOf(session).length === 0;
    return servesUnasked && isHere && leases.wasHeldElsewhere(session) === false;
  }

  /** It was served without the lease: who had it meanwhile shows now. */
  async #catchUp(session: string, acquired: Promise<Held>): Promise<void> {
    this.#parts.log.warn(
      { session },
      'The bucket does not answer: a session is served as it is here, without knowing whether another mount has it',
    );
    const held = await acquired.catch(() => undefined);
    if (held === undefined || !(await this.#reconcileSession(session, held, true))) return;
    if (held.refresh) this.#parts.sync.flusher.refresh(session);
  }

  /** False: this mount ends. */
  async #reconcileSession(session: string, held: Held, served: boolean): Promise<boolean> {
    const grant: WriteGrant = { ...held, deadlineMs: Number.POSITIVE_INFINITY };
    let toldMs = Number.NEGATIVE_INFINITY;
    for (let attempt = 0; !this.#ended.signal.aborted; attempt++) {
      try {
        await this.#parts.sync.reconcileSession(session, grant, served);
        return true;
      } catch (error) {
        if (performance.now() - toldMs >= REPEAT_LOG_MS) {
          toldMs = performance.now();
          this.#parts.log.warn(
            { session, ...reasonOf(error) },
            'A session could not be compared with the bucket yet; whoever opened it waits',
          );
        }
        await backOff(attempt, RETRY, this.#ended.signal);
      }
    }
    return false;
  }
}
