/**
 * How far the journal is: written by the kernel thread (appends), by main and the sync thread (syncs) and by main (retirements),
 * read by all without a message. Every field is one atomic word; a writer stores the append count last and a reader loads it
 * first, so what a count covers lies in segments up to the one loaded after it.
 */
const Word = {
  SEGMENT: 0,
  BYTES: 1,
  APPENDS: 2,
  SYNCED_APPENDS: 3,
  RETIRED: 4,
  NOTIFIED: 5,
  SETTLED: 6,
  REFUSED: 7,
  COUNT: 8,
} as const;

/** A position in the journal. `appends` counts records since the start and wraps: compare for equality only. */
export interface JournalMark {
  appends: number;
  segment: number;
}

export class JournalProgress {
  /** Post this to the other thread and construct a JournalProgress over it there. */
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(shared = new SharedArrayBuffer(Word.COUNT * Int32Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#words = new Int32Array(shared);
  }

  /** Kernel thread: a record was appended; `bytes` is the segment's size now. */
  appended(segment: number, bytes: number): void {
    Atomics.store(this.#words, Word.SEGMENT, segment);
    Atomics.store(this.#words, Word.BYTES, bytes);
    Atomics.add(this.#words, Word.APPENDS, 1);
  }

  mark(): JournalMark {
    const appends = Atomics.load(this.#words, Word.APPENDS);
    return { appends, segment: Atomics.load(this.#words, Word.SEGMENT) };
  }

  /** The segment last appended to; 0: none since the start. */
  get segment(): number {
    return Atomics.load(this.#words, Word.SEGMENT);
  }

  /** The size of that segment. */
  get bytes(): number {
    return Atomics.load(this.#words, Word.BYTES);
  }

  /** Everything that `appends` counted is on stable storage. A count that is not the newest known only makes for one more sync. */
  setSynced(appends: number): void {
    Atomics.store(this.#words, Word.SYNCED_APPENDS, appends);
  }

  /**
   * Main: the segment's name and all segments before it are on stable storage, so one fdatasync of it brings there what was
   * appended since. 0: while main syncs itself, and once that has failed.
   */
  settle(segment: number): void {
    Atomics.store(this.#words, Word.SETTLED, segment);
  }

  /** Sync thread: the disk has refused it. The next sync is main's, whose own descriptor meets the error too. */
  refuse(segment: number): void {
    Atomics.store(this.#words, Word.REFUSED, segment);
  }

  /** Sync thread: an fdatasync of this segment brings all that was appended to stable storage. */
  mayBeSynced(segment: number): boolean {
    return (
      segment !== 0 &&
      Atomics.load(this.#words, Word.SETTLED) === segment &&
      Atomics.load(this.#words, Word.REFUSED) !== segment
    );
  }

  /** Whether everything appended since the start is on stable storage. */
  get synced(): boolean {
    return Atomics.load(this.#words, Word.SYNCED_APPENDS) === Atomics.load(this.#words, Word.APPENDS);
  }

  /** Main: every commit in segments up to `segment` is durable in the cache; their files are about to be deleted. */
  setRetired(segment: number): void {
    Atomics.store(this.#words, Word.RETIRED, segment);
  }

  get retired(): number {
    return Atomics.load(this.#words, Word.RETIRED);
  }

  /** Kernel thread, after an append: true when main has no message pending and one is to be posted now. */
  shouldNotify(): boolean {
    return Atomics.compareExchange(this.#words, Word.NOTIFIED, 0, 1) === 0;
  }

  /** Main, before it looks at mark(): later appends post a message again. */
  acknowledge(): void {
    Atomics.store(this.#words, Word.NOTIFIED, 0);
  }
}
