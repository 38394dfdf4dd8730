/**
 * How much content, beyond what is written, may be looked at while a request waits. All requests are carried out one after
 * another: a writer that changes one byte of a long document again and again would make each of the others wait for a scan of
 * all of it, and for sealing it. What the budget does not allow is done when the file rests (pending.ts).
 */
import type { Clock } from '../../lib/clock.ts';

/** Some changes of a long document are looked at as they come. */
const BYTES_AT_MOST = 4 * 1024 * 1024;
const BYTES_PER_MS = (1024 * 1024) / 1000;

export class ScanBudget {
  readonly #clock: Clock;
  #bytes = BYTES_AT_MOST;
  #filledMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#filledMs = clock.monotonicMs();
  }

  /** Where anything is left, one more scan is allowed, of whatever length: the next one waits until that is paid off. */
  get isSpent(): boolean {
    const now = this.#clock.monotonicMs();
    this.#bytes = Math.min(BYTES_AT_MOST, this.#bytes + (now - this.#filledMs) * BYTES_PER_MS);
    this.#filledMs = now;
    return this.#bytes <= 0;
  }

  spend(bytes: number): void {
    this.#bytes -= bytes;
  }
}
