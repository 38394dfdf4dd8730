/** Looks at the inbox as often as it must be looked at, while anything is held. */
import { BucketError } from '../bucket/bucket-error.ts';
import { backoffMs } from '../lib/backoff.ts';
import type { Logger } from '../observe/log.ts';
import { Fenced, type Permission } from './renewal.ts';
import { LEASE_RETRY, type LeaseTimes } from './times.ts';
import { type Sleep, unlessAborted } from './waiting.ts';

export interface KeeperParts {
  readonly permission: Permission;
  readonly times: LeaseTimes;
  readonly sleep: Sleep;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly isNeeded: () => boolean;
  /** After each look that succeeded. */
  readonly looked: () => Promise<void>;
}

export class Keeper {
  readonly #parts: KeeperParts;
  #running: Promise<void> | undefined;
  #failures = 0;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  /** Call it when it may be needed. */
  wake(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      // Woken after the last look at whether it is needed.
      if (this.#goesOn) this.wake();
    });
  }

  /** Resolves when nothing is under way any more, once the signal is aborted. */
  get ended(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  /** Tells of the first failure in a row. */
  failed(error: unknown): void {
    if (error instanceof Fenced) return;
    const { log } = this.#parts;
    const fields = {
      reason: error instanceof Error ? error.message : String(error),
      hint: error instanceof BucketError ? error.hint : undefined,
    };
    log[this.#failures === 0 ? 'warn' : 'debug'](
      fields,
      'This mount could not look whether others ask for its sessions; nothing is written to the bucket until it can',
    );
    this.#failures++;
  }

  async #run(): Promise<void> {
    const { permission, sleep, signal, isNeeded, looked } = this.#parts;
    while (this.#goesOn) {
      await sleep(this.#pauseMs(), signal);
      if (!this.#goesOn || !isNeeded()) return;
      try {
        if (permission.nextLookMs === 0) await unlessAborted(signal, permission.look());
        this.#failures = 0;
        await unlessAborted(signal, looked());
      } catch (error) {
        if (!signal.aborted) this.failed(error);
      }
    }
  }

  get #goesOn(): boolean {
    const { signal, isNeeded, permission } = this.#parts;
    return !signal.aborted && permission.fenced === undefined && isNeeded();
  }

  #pauseMs(): number {
    const { permission, times, random } = this.#parts;
    if (this.#failures === 0) return permission.nextLookMs;
    return Math.min(backoffMs(this.#failures, LEASE_RETRY, random()), times.lookIntervalMs);
  }
}
