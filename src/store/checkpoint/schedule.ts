/** When the journal moves into the cache: when a segment is full, some time after the first append, and at the end. */
import type { CheckpointReport } from './checkpointer.ts';
import type { StoreLog } from './log.ts';

export interface CheckpointScheduleParts {
  checkpoint: (upTo: number) => Promise<CheckpointReport>;
  /** Asks the kernel thread to close the present segment; `closed` follows. */
  requestRoll: () => void;
  log: StoreLog;
  /** A checkpoint that leaves a path out counts as failed for tryNow: nothing keeps this journal. */
  strict?: boolean;
  /** From the first append that is not in the cache to the checkpoint. */
  intervalMs?: number;
  /** After a full disk or another failure. */
  retryMs?: number;
}

/** What the cache lacks of the journal at the end: the paths that it cannot store; undefined: that may be any. */
export type JournalRest = readonly string[] | undefined;

const INTERVAL_MS = 10_000;
const RETRY_MS = 5_000;

export class CheckpointSchedule {
  readonly #parts: CheckpointScheduleParts;
  #timer: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = 0;
  #done = 0;
  /** Up to here all is in the cache but what the cache cannot store; it may be more than is done. */
  #stored = 0;
  #unstored: readonly string[] = [];
  #running: Promise<void> | undefined;
  #failing = false;
  #finished = false;

  constructor(parts: CheckpointScheduleParts) {
    this.#parts = parts;
  }

  /** Something was appended to the journal. */
  appended(): void {
    if (this.#timer !== undefined || this.#finished) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#parts.requestRoll();
    }, this.#parts.intervalMs ?? INTERVAL_MS);
  }

  /** The segments up to this one are closed: nothing is appended to them. */
  closed(segment: number): void {
    this.#closed = Math.max(this.#closed, segment);
    if (this.#done < this.#closed) this.#running ??= this.#run();
  }

  /**
   * All that is closed, up to `segment` at least, is tried; resolves to whether it is in the cache. What the cache cannot
   * store (the log names it) does not count unless `strict`.
   */
  async tryNow(segment: number | undefined): Promise<boolean> {
    if (segment !== undefined) this.#closed = Math.max(this.#closed, segment);
    const wanted = this.#closed;
    await this.#running;
    if (!this.#finished && this.#settled < wanted) {
      this.#running ??= this.#run();
      await this.#running;
    }
    return this.#settled >= wanted;
  }

  /** A last try for everything that is closed. Resolves to what is left; call nothing after it. */
  async finish(): Promise<JournalRest> {
    this.#finished = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
    await this.#running;
    if (this.#done < this.#closed) await this.#run();
    return this.#stored >= this.#closed ? this.#unstored : undefined;
  }

  get #settled(): number {
    return this.#parts.strict === true ? this.#done : this.#stored;
  }

  /** Only where something is to be done: it must not end before its promise is stored. */
  async #run(): Promise<void> {
    let complete = true;
    while (complete && this.#done < this.#closed) complete = await this.#checkpoint(this.#closed);
    this.#running = undefined;
    if (complete || this.#finished) return;
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      if (!this.#finished && this.#done < this.#closed) this.#running ??= this.#run();
    }, this.#parts.retryMs ?? RETRY_MS).unref();
  }

  async #checkpoint(upTo: number): Promise<boolean> {
    try {
      const { outcome, unstored } = await this.#parts.checkpoint(upTo);
      if (outcome !== 'disk-full') this.#unstored = unstored;
      if (outcome === 'complete') {
        this.#done = upTo;
        this.#stored = upTo;
        this.#failing = false;
        return true;
      }
      if (outcome === 'partial') {
        this.#stored = upTo;
        return false;
      }
      this.#warnOnce({}, 'The disk of the cache is full; what was written waits in the journal');
    } catch (error) {
      this.#warnOnce(
        { error: String(error) },
        'The journal could not be moved into the cache; it is kept and tried again',
      );
    }
    return false;
  }

  #warnOnce(fields: object, message: string): void {
    if (!this.#failing) this.#parts.log.warn(fields, message);
    this.#failing = true;
  }
}
