/**
 * Restores a session when a call touches it, for as long as that takes: the call waits while the restore is retried. No
 * session waits for another one, but large objects for room in memory.
 */

import { reasonOf } from '../../bucket/bucket-error.ts';
import { backOff } from '../../lib/backoff.ts';
import { ByteBudget } from '../../lib/byte-budget.ts';
import { type Failure, Failures } from '../../lib/failures.ts';
import { Limiter } from '../../lib/limiter.ts';
import { sharedAbort } from '../../lib/shared-abort.ts';
import type { Logger } from '../../observe/log.ts';
import type { CachedContent } from '../../store/cache/cache.ts';
import type { SyncEvents } from '../events.ts';
import { type RestoreParts, restoreSession } from './restore-session.ts';

export interface SessionContent extends CachedContent {
  session: string;
  /** Nothing of it came from the bucket: these are the very files that the cache had when this mount started. */
  confirmed?: true;
}

export interface RestorerParts extends Omit<RestoreParts, 'inTurn' | 'memory'> {
  /** Requests to the bucket at a time, for each session. */
  concurrency: number;
  /** The cache holds exactly this of the session, durably. */
  restored: (content: SessionContent) => void;
  events: SyncEvents;
  log: Logger;
}

const RETRY = { minMs: 250, maxMs: 15_000 };
const REPEAT_LOG_MS = 30_000;
/** A session has a few MB. A writer of the bucket, who need not have the key, may store any number of large objects beside these. */
const BYTES_AT_A_TIME = 256 * 1024 * 1024;

export class Restorer {
  readonly #parts: RestorerParts;
  readonly #running = new Map<string, Promise<boolean>>();
  readonly #failures = new Failures();
  readonly #ended = sharedAbort();
  readonly #memory = new ByteBudget(BYTES_AT_A_TIME);

  constructor(parts: RestorerParts) {
    this.#parts = parts;
  }

  /** Sessions that callers wait for. */
  get waiting(): string[] {
    return [...this.#running.keys()];
  }

  /** Why the session cannot be restored at present. */
  failureOf(session: string): Failure | undefined {
    return this.#failures.of(session);
  }

  /**
   * Resolves when the session is here, however long that takes, or when the restorer was ended. Returns false, and announces
   * nothing, if the session has to be compared with the bucket again: files changed there since it was listed, or `isValid`,
   * asked when all of it is here, says no.
   */
  restore(session: string, isValid: () => Promise<boolean> = async () => true): Promise<boolean> {
    let running = this.#running.get(session);
    if (running === undefined) {
      running = this.#restore(session, isValid).finally(() => {
        this.#running.delete(session);
        this.#failures.clear(session);
      });
      this.#running.set(session, running);
    }
    return running;
  }

  /** Of a session that is whole already: says again what it holds. */
  announce(session: string): void {
    this.#parts.restored({ session, ...this.#parts.cache.contentOfSync(session), confirmed: true });
  }

  /** Stops all retries; resolves when no restore is under way. */
  async end(): Promise<void> {
    this.#ended.abort();
    await Promise.all(this.#running.values());
  }

  async #restore(session: string, isValid: () => Promise<boolean>): Promise<boolean> {
    const { ledger, cache, events, log, restored } = this.#parts;
    const limiter = new Limiter(this.#parts.concurrency);
    const parts: RestoreParts = {
      ...this.#parts,
      inTurn: (request) => limiter.run(request),
      memory: this.#memory,
    };
    const startedMs = performance.now();
    const total = { files: 0, bytes: 0, corrupt: 0 };
    const told = new WaitLog(log, session, startedMs);
    for (let attempt = 0; ledger.countsOf(session).absent > 0; attempt++) {
      if (this.#ended.signal.aborted) return false;
      try {
        const { files, bytes, corrupt, moved } = await restoreSession(parts, session);
        total.files += files;
        total.bytes += bytes;
        total.corrupt += corrupt;
        if (moved) return false;
      } catch (error) {
        if (attempt === 0) events.restore('failure', performance.now() - startedMs);
        told.failed(error);
        this.#failures.failed(session, error);
        await backOff(attempt, RETRY, this.#ended.signal);
      }
    }
    if (!(await isValid())) return false;
    const ms = Math.round(performance.now() - startedMs);
    restored({ session, ...cache.contentOfSync(session) });
    events.restore(total.corrupt > 0 ? 'corrupt' : 'success', ms);
    const { files, bytes } = total;
    log.info({ session, files, bytes, ms }, 'Session restored from Cloud Storage');
    return true;
  }
}

/** What operators hear of a session that is waited for: at once, and then now and again. */
class WaitLog {
  readonly #log: Logger;
  readonly #session: string;
  readonly #startedMs: number;
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(log: Logger, session: string, startedMs: number) {
    this.#log = log;
    this.#session = session;
    this.#startedMs = startedMs;
  }

  failed(error: unknown): void {
    const now = performance.now();
    if (now - this.#toldMs < REPEAT_LOG_MS) return;
    this.#toldMs = now;
    const waitedMs = Math.round(now - this.#startedMs);
    const fields = { session: this.#session, waitedMs, ...reasonOf(error) };
    this.#log.warn(fields, 'Cannot restore the session yet; its callers wait');
  }
}
