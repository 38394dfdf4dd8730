/** Which of the journal's segments only the checkpoint still needs. */
import type { Core } from '../state/core.ts';
import { pendingBytes, repeatPending } from './pending.ts';

export class ReleasedSegments {
  readonly #core: Core;
  /** The segments up to this one are closed, but working copies may still need them. */
  #closing: number | undefined;
  /** They are to be released now, whatever it costs. */
  #isUrgent = true;
  /** Otherwise they are released once the journal has grown to this, by `appendedBytes`. */
  #dueAt = 0;
  #repeatedAt = 0;
  #last = 0;

  /** `closed`: the last segment that was there before this process. */
  constructor(core: Core, closed: number) {
    this.#core = core;
    this.#closing = closed;
    core.records.onSegment = (last) => {
      this.#closing = last;
    };
  }

  /** What `take` returned last: every commit before the last roll, unless working copies could not be repeated. */
  get last(): number {
    return this.#last;
  }

  /** Makes the next record open a new segment, so that what was written before can be checkpointed. */
  roll(): void {
    this.#closing = this.#core.records.roll();
    this.#isUrgent = true;
  }

  /**
   * After an operation: the number of the newest segment that only the checkpoint needs any more, or undefined if that has not
   * changed. Working copies that lie in closed segments are repeated in the present one first. A segment that is just full can
   * wait: where the copies are larger than what was written since the last time, repeating them would cost more than it frees,
   * and a copy larger than a segment would be repeated without end.
   */
  take(): number | undefined {
    const closing = this.#closing;
    if (closing === undefined || !this.#isDue() || !repeatPending(this.#core)) return undefined;
    // What was repeated may itself have closed segments: these are the next call's.
    if (this.#closing === closing) this.#closing = undefined;
    this.#isUrgent = false;
    this.#repeatedAt = this.#core.records.appendedBytes;
    this.#last = closing;
    return closing;
  }

  #isDue(): boolean {
    if (this.#isUrgent) return true;
    const { appendedBytes } = this.#core.records;
    if (appendedBytes < this.#dueAt) return false;
    this.#dueAt = this.#repeatedAt + pendingBytes(this.#core);
    return appendedBytes >= this.#dueAt;
  }
}
