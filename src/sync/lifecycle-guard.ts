/**
 * A rule of the bucket may delete objects by their age, and a key file that never changes grows old while its session is in
 * use. So the objects of the sessions that are here are stored again before they are half that age.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Bucket } from '../bucket/bucket.ts';
import { reasonOf } from '../bucket/bucket-error.ts';
import { DAY_MS } from '../lib/clock.ts';
import type { Logger } from '../observe/log.ts';
import type { SyncEvents } from './events.ts';
import type { Ledger } from './ledger/ledger.ts';

export interface LifecycleParts {
  bucket: Bucket;
  ledger: Ledger;
  events: SyncEvents;
  log: Logger;
  /** Something became dirty. */
  refreshed: () => void;
  /** Stores again what says who has a session, where it is older (ms since the epoch); answers how many objects. */
  rewriteOwners: (beforeMs: number) => Promise<number>;
  /** ms since the epoch. */
  nowMs: () => number;
}

const LOOK_EVERY_MS = 3_600_000;
/** Between two turns of the event loop: a few milliseconds' work. */
const ENTRIES_AT_A_TIME = 2_000;

export class LifecycleGuard {
  readonly #parts: LifecycleParts;
  #timer: NodeJS.Timeout | undefined;
  #told = false;

  constructor(parts: LifecycleParts) {
    this.#parts = parts;
  }

  /** Looks now, and then every hour. */
  start(): void {
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS);
    this.#timer.unref();
    void this.look();
  }

  end(): void {
    clearInterval(this.#timer);
  }

  /** Marks what grows old as changed; answers how many objects. Never rejects. */
  async look(): Promise<number> {
    const { bucket, ledger, events, log, refreshed, nowMs } = this.#parts;
    let days: number | undefined;
    try {
      days = await bucket.deleteAfterDays();
    } catch (error) {
      this.#cannotTell(error);
      return 0;
    }
    if (days === undefined) return 0;
    const youngest = nowMs() - (days * DAY_MS) / 2;
    let objects = await this.#parts.rewriteOwners(youngest).catch(() => 0);
    const owners = objects;
    let looked = 0;
    for (const entry of ledger.entries()) {
      if (++looked % ENTRIES_AT_A_TIME === 0) await nextTurn();
      if (entry.local !== 'same' || entry.remote === undefined || entry.remote.updatedMs > youngest) continue;
      if (entry.shadowed) continue;
      // Another mount may have it by now.
      if (entry.session !== '' && !ledger.isServing(entry.session)) continue;
      ledger.refresh(entry);
      objects++;
    }
    if (objects === 0) return 0;
    log.info(
      { objects, days },
      'Objects are stored again before a lifecycle rule of the bucket deletes them',
    );
    events.refreshed(objects);
    if (objects > owners) refreshed();
    return objects;
  }

  #cannotTell(error: unknown): void {
    const { log } = this.#parts;
    if (this.#told) return;
    this.#told = true;
    log.warn(
      reasonOf(error),
      'Whether a lifecycle rule of the bucket deletes old objects could not be read; make sure that none deletes by age',
    );
  }
}
