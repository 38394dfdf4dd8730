/**
 * Cloud mode: callers whose change was carried out and is being stored in the bucket. Each is answered when a flush that began
 * after its change has stored it, with as many retries as that takes, or with EIO after a time limit. What was not stored in
 * time stays in memory, and storing it is retried.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { RemoteMessage } from '../drivers/host/messages.ts';
import { backOff } from '../lib/backoff.ts';
import { Errno } from '../lib/errno.ts';
import { sharedAbort } from '../lib/shared-abort.ts';
import type { Logger } from '../observe/log.ts';

type Unstored = Extract<RemoteMessage, { type: 'store' }>['unstored'];

export interface WriteThroughParts {
  /** Resolves when everything of the session ('all': of all) that was committed before the call is in the bucket. */
  flush: (session: string | 'all') => Promise<void>;
  /** A retry cannot help: another mount holds the session now. */
  isFinal: (error: unknown) => boolean;
  /** Completes the request. `error`: 0 or a negative errno. */
  answer: (request: number, error: number) => void;
  /** Milliseconds; 0: for as long as it takes. */
  limitMs: { file: number; credentials: number };
  log: Logger;
}

interface Waiting {
  request: number;
  sinceMs: number;
  timer: NodeJS.Timeout | undefined;
}

/** Files that an application writes at the same time are stored together. */
const GATHERING_MS = 3;
const RETRY = { minMs: 250, maxMs: 8_000 };
const CLOSING_MS = 3_000;

export class WriteThrough {
  readonly #parts: WriteThroughParts;
  /** By the request's number. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended = sharedAbort();
  #closing = false;

  constructor(parts: WriteThroughParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#waiting.size;
  }

  add(request: number, { sessions, credentials }: Unstored): void {
    const { limitMs } = this.#parts;
    const waiting: Waiting = { request, sinceMs: performance.now(), timer: undefined };
    this.#waiting.set(request, waiting);
    const limit = this.#closing ? CLOSING_MS : credentials ? limitMs.credentials : limitMs.file;
    if (limit > 0) waiting.timer = setTimeout(() => this.#late(waiting, sessions), limit);
    void this.#untilStored(waiting, sessions);
  }

  /** The caller waits no longer. */
  cancel(request: number): void {
    const waiting = this.#waiting.get(request);
    clearTimeout(waiting?.timer);
    this.#waiting.delete(request);
  }

  /**
   * The final flush has ended, and the mount ends: callers learn whether their change is stored, and later ones wait for little
   * more than one try.
   */
  close(isStored: boolean): void {
    this.#closing = true;
    for (const waiting of [...this.#waiting.values()]) {
      if (!isStored) this.#answer(waiting, Errno.EIO);
      // It may have come after the final flush began: its own flush decides.
      else {
        clearTimeout(waiting.timer);
        waiting.timer = setTimeout(() => this.#answer(waiting, Errno.EIO), CLOSING_MS);
      }
    }
  }

  /** The mount is gone, or another daemon takes it over and answers the callers. */
  leave(): void {
    this.#ended.abort();
    for (const { timer } of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
  }

  async #untilStored(waiting: Waiting, sessions: Unstored['sessions']): Promise<void> {
    const left = new Set<string>(sessions === 'all' ? ['all'] : sessions);
    await sleep(GATHERING_MS);
    for (let attempt = 0; this.#isWaiting(waiting); attempt++) {
      const failures = await this.#flushEach(left);
      if (!this.#isWaiting(waiting)) return;
      if (failures.length === 0) return this.#answer(waiting, 0);
      if (failures.some((error) => this.#parts.isFinal(error))) return this.#answer(waiting, Errno.EIO);
      await backOff(attempt, RETRY, this.#ended.signal);
    }
  }

  /** Removes from `left` what was stored. Returns the errors of the rest. */
  async #flushEach(left: Set<string>): Promise<unknown[]> {
    const failures: unknown[] = [];
    await Promise.all(
      [...left].map(async (session) => {
        try {
          await this.#parts.flush(session);
          left.delete(session);
        } catch (error) {
          failures.push(error);
        }
      }),
    );
    return failures;
  }

  #isWaiting(waiting: Waiting): boolean {
    return !this.#ended.signal.aborted && this.#waiting.get(waiting.request) === waiting;
  }

  #late(waiting: Waiting, sessions: Unstored['sessions']): void {
    const waitedMs = Math.round(performance.now() - waiting.sinceMs);
    this.#parts.log.error(
      { sessions, waitedMs },
      'A change could not be stored in time; its caller gets EIO; it stays in memory and storing it is retried',
    );
    this.#answer(waiting, Errno.EIO);
  }

  #answer({ request, timer }: Waiting, error: number): void {
    clearTimeout(timer);
    this.#waiting.delete(request);
    this.#parts.answer(request, error);
  }
}
