/** Incomplete JSON that did not become a version: counted, logged, and kept for `.sessionfs/status.json`. */
import type { Clock } from '../../lib/clock.ts';
import type { FilesystemCounters, IncompleteOutcome } from '../../observe/filesystem-counters.ts';
import type { Log } from '../model/options.ts';

export interface IncompleteEvent {
  readonly outcome: IncompleteOutcome;
  readonly file: string;
  /** rename-refused: the name that it was to lose. */
  readonly from?: string;
  readonly bytes: number;
}

const EVENTS_MAX = 10;

export class IncompleteJson {
  readonly #counters: FilesystemCounters;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #recent: (IncompleteEvent & { at: string })[] = [];

  constructor(counters: FilesystemCounters, clock: Clock, log: Log) {
    this.#counters = counters;
    this.#clock = clock;
    this.#log = log;
  }

  /** The last ones since the start, the oldest first. `at`: ISO 8601. */
  get recent(): readonly (IncompleteEvent & { readonly at: string })[] {
    return this.#recent;
  }

  note(event: IncompleteEvent, message: string): void {
    const { outcome, ...fields } = event;
    this.#counters.incomplete(outcome);
    this.#recent.push({ ...event, at: new Date(this.#clock.wallMs()).toISOString() });
    if (this.#recent.length > EVENTS_MAX) this.#recent.shift();
    this.#log({ level: 'warn', message, fields });
  }
}
