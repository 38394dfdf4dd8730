/** Releases the leases of sessions that were deleted, so that another mount can make a session of the same name. */
import { existsSync } from 'node:fs';
import { toObjectName } from '../naming/object-name.ts';
import type { Cache } from '../store/cache/cache.ts';
import type { CheckpointPlan } from '../store/checkpoint/plan.ts';
import type { Flusher } from '../sync/backup/flusher.ts';
import type { Ledger } from '../sync/ledger/ledger.ts';
import type { MountLeases } from './mount-leases.ts';
import type { SessionOpener } from './session-opener.ts';

export interface DeletedSessionsParts {
  ledger: Ledger;
  cache: Cache;
  leases: MountLeases;
  flusher: Flusher;
  opener: SessionOpener;
}

export class DeletedSessions {
  readonly #parts: DeletedSessionsParts;

  constructor(parts: DeletedSessionsParts) {
    this.#parts = parts;
  }

  /** A checkpoint was applied: it may have removed the folder of a session of which the bucket has nothing any more. */
  async checkpointed({ directories }: CheckpointPlan): Promise<void> {
    const removed = [...directories].filter(([path, { exists }]) => !exists && !path.includes('/'));
    await Promise.all(removed.map(([session]) => this.release(session)));
  }

  /** The bucket was listed: an earlier run may have deleted sessions and died before it released them. */
  async listed(): Promise<void> {
    const { leases } = this.#parts;
    const names = new Set(this.#parts.ledger.sessionNames);
    await Promise.all(
      leases.held.filter((session) => !names.has(session)).map((session) => this.release(session)),
    );
  }

  /**
   * Releases the session if it was deleted and that is stored. No upload is under way meanwhile; one that follows claims the
   * session again. Never rejects.
   */
  async release(session: string): Promise<void> {
    if (!this.#isDeleted(session)) return;
    await this.#parts.flusher.alone(session, async () => {
      if (!this.#isDeleted(session)) return;
      const { ledger, leases } = this.#parts;
      await leases.release([session], new Set(ledger.isUnsettled(session) ? [session] : []));
    });
  }

  /** A folder without files is not in the bucket, but an application that has emptied it may be about to fill it. */
  #isDeleted(session: string): boolean {
    const { ledger, cache, leases, opener } = this.#parts;
    if (!leases.holds(session) || opener.isWaiting(session) || ledger.conflicts.has(session)) return false;
    if (ledger.countsOf(session).files > 0) return false;
    return !existsSync(cache.files.locate(toObjectName(session, 'directory')));
  }
}
