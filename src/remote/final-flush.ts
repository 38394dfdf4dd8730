/** The end of a mount with a bucket: stores what is left, and releases the sessions of which everything is stored. */
import { setTimeout as sleep } from 'node:timers/promises';
import { BucketError } from '../bucket/bucket-error.ts';
import { inTime } from '../lib/in-time.ts';
import { sessionOfPath } from '../naming/session-path.ts';
import type { JournalRest } from '../store/checkpoint/schedule.ts';
import type { Flusher } from '../sync/backup/flusher.ts';
import type { Ledger } from '../sync/ledger/ledger.ts';
import type { MountLeases } from './mount-leases.ts';
import type { WriteThrough } from './write-through.ts';

export interface FinalFlushParts {
  ledger: Ledger;
  leases: MountLeases;
  flusher: Flusher;
  /** Cloud mode: callers that wait until their change is stored. */
  stores: WriteThrough;
}

const PAUSE_MS = 200;
/** At least: enough to release a thousand sessions after a final flush that took all its time. */
const RELEASE_MS = 3_000;

export class FinalFlush {
  readonly #parts: FinalFlushParts;

  constructor(parts: FinalFlushParts) {
    this.#parts = parts;
  }

  /**
   * Resolves when everything is in the bucket, or at the deadline (`performance.now()`), with the number of files that are
   * not. Never rejects.
   */
  async flushBefore(deadlineMs: number): Promise<number> {
    const over = new AbortController();
    await inTime(this.#flushUntilClean(over.signal), deadlineMs - performance.now(), undefined);
    over.abort();
    const dirty = this.#parts.ledger.dirtyCount;
    this.#parts.stores.close(dirty === 0);
    return dirty;
  }

  /**
   * Releases every session of which everything is in the bucket, so that mounts that wait for one can claim it. Call it when
   * nothing changes and nothing is opened any more. `lacking`: paths that only the journal has; undefined: that may be any, and
   * another mount would go on with an older version of whatever it is. Never rejects.
   */
  async release(deadlineMs: number, lacking: JournalRest): Promise<void> {
    const { ledger, leases } = this.#parts;
    const inJournal = lacking && new Set(lacking.map((path) => sessionOfPath(path, 'directory')));
    const isClean = (session: string) =>
      inJournal?.has(session) === false &&
      ledger.dirtyOf(session).length === 0 &&
      !ledger.conflicts.has(session);
    const releaseHeld = async () => {
      const clean = leases.held.filter(isClean);
      await leases.release(clean, new Set(clean.filter((session) => ledger.isUnsettled(session))));
    };
    const release = async () => {
      const stopped = leases.stopAcquiring();
      await releaseHeld();
      // A request under way may take its time, and acquire a session.
      await stopped;
      await releaseHeld();
    };
    const leftMs = Math.max(RELEASE_MS, deadlineMs - performance.now());
    await inTime(release(), leftMs, undefined);
  }

  /** Repeats: an application that still runs may change what was just stored, and a bucket that failed may answer. */
  async #flushUntilClean(signal: AbortSignal): Promise<void> {
    const { flusher, ledger } = this.#parts;
    flusher.end();
    while (!signal.aborted) {
      const failure = await flusher.flushAll().catch((error: unknown) => error);
      const isFinal = failure !== undefined && !(failure instanceof BucketError && failure.isTransient);
      if (isFinal || ledger.dirtyCount === 0) return;
      await sleep(PAUSE_MS, undefined, { signal }).catch(() => {});
    }
  }
}
