/** Renews the mount's lease by polling its inbox while it holds at least one session. */
import { BucketError } from '../bucket/bucket-error.ts';
import { backoffMs } from '../lib/backoff.ts';
import type { Logger } from '../observe/log.ts';
import { Fenced, type Renewal } from './renewal.ts';
import { LEASE_RETRY, type LeaseTimes } from './times.ts';
import { type Sleep, unlessAborted } from './waiting.ts';

export interface RenewalLoopParts {
  readonly renewal: Renewal;
  readonly times: LeaseTimes;
  readonly sleep: Sleep;
  /** Random number in [0, 1), injected for tests. */
  readonly random: () => number;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** The mount holds a session, or its inbox does not stand yet. */
  readonly isNeeded: () => boolean;
  /** Called after each renewal that succeeded. */
  readonly renewed: () => Promise<void>;
}

export class RenewalLoop {
  readonly #parts: RenewalLoopParts;
  #running: Promise<void> | undefined;
  #failures = 0;

  constructor(parts: RenewalLoopParts) {
    this.#parts = parts;
  }

  /** Starts the loop if it is not running. Idempotent. */
  start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      // It may have become needed after the loop last checked.
      if (this.#goesOn) this.start();
    });
  }

  /** Resolves when no renewal is under way, once the signal is aborted. */
  get ended(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  /** Logs the first failure in a row as a warning. */
  failed(error: unknown): void {
    if (error instanceof Fenced) return;
    const { log } = this.#parts;
    const fields = {
      reason: error instanceof Error ? error.message : String(error),
      hint: error instanceof BucketError ? error.hint : undefined,
    };
    log[this.#failures === 0 ? 'warn' : 'debug'](
      fields,
      'Lease renewal failed; uploads are paused until it succeeds',
    );
    this.#failures++;
  }

  async #run(): Promise<void> {
    const { renewal, sleep, signal, isNeeded, renewed } = this.#parts;
    while (this.#goesOn) {
      await sleep(this.#pauseMs(), signal);
      if (!this.#goesOn || !isNeeded()) return;
      try {
        if (renewal.dueInMs === 0) await unlessAborted(signal, renewal.renew());
        this.#failures = 0;
        await unlessAborted(signal, renewed());
      } catch (error) {
        if (!signal.aborted) this.failed(error);
      }
    }
  }

  get #goesOn(): boolean {
    const { signal, isNeeded, renewal } = this.#parts;
    return !signal.aborted && renewal.fenced === undefined && isNeeded();
  }

  #pauseMs(): number {
    const { renewal, times, random } = this.#parts;
    if (this.#failures === 0) return renewal.dueInMs;
    return Math.min(backoffMs(this.#failures, LEASE_RETRY, random()), times.renewIntervalMs);
  }
}
