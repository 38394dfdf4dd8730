/**
 * Calls of fsync(2) on their way from the kernel thread to the sync thread, in memory that both share: handing one over is a few
 * stores and the futex that wakes the other. A ring with one writer and one reader, in the order of the calls.
 */
import type { UniqueId } from './parking.ts';

export interface QueuedSync extends UniqueId {
  /** Where the request is kept for the next daemon; 0: nowhere. */
  readonly slot: number;
  /** Milliseconds since the epoch. */
  readonly startedMs: number;
}

const Word = {
  /** One of State. */
  STATE: 0,
  /** Changes with every call and nudge; the reader sleeps on it. */
  WAKE: 1,
  /** Counts, which wrap. */
  ADDED: 2,
  TAKEN: 3,
  COUNT: 4,
} as const;

const State = { UNREAD: 0, OPEN: 1, CLOSED: 2 } as const;

const CAPACITY = 256;
const NUMBERS = 4;
const RING_AT = Word.COUNT * Int32Array.BYTES_PER_ELEMENT;

export class SyncQueue {
  /** Post this to the other threads and construct a SyncQueue over it there. */
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #ring: Float64Array;

  constructor(shared = new SharedArrayBuffer(RING_AT + CAPACITY * NUMBERS * Float64Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#words = new Int32Array(shared, 0, Word.COUNT);
    this.#ring = new Float64Array(shared, RING_AT);
  }

  /** Kernel thread. False: no thread takes them, or there are too many; this one goes another way. */
  add(uniqueLo: number, uniqueHi: number, slot: number): boolean {
    const added = Atomics.load(this.#words, Word.ADDED);
    const isFull = ((added - Atomics.load(this.#words, Word.TAKEN)) | 0) >= CAPACITY;
    if (isFull || !this.isOpen) return false;
    const at = place(added);
    this.#ring[at] = uniqueLo;
    this.#ring[at + 1] = uniqueHi;
    this.#ring[at + 2] = slot;
    this.#ring[at + 3] = performance.timeOrigin + performance.now();
    Atomics.store(this.#words, Word.ADDED, (added + 1) | 0);
    this.nudge();
    return true;
  }

  /** The reader looks, whether there is a call or not. */
  nudge(): void {
    Atomics.add(this.#words, Word.WAKE, 1);
    Atomics.notify(this.#words, Word.WAKE);
  }

  get isOpen(): boolean {
    return Atomics.load(this.#words, Word.STATE) === State.OPEN;
  }

  get isClosed(): boolean {
    return Atomics.load(this.#words, Word.STATE) === State.CLOSED;
  }

  /** The reader, once it is ready; no-op on one that was closed before. */
  open(): void {
    Atomics.compareExchange(this.#words, Word.STATE, State.UNREAD, State.OPEN);
  }

  /** No call is added that begins after this; the reader ends once it has taken the rest. */
  close(): void {
    Atomics.store(this.#words, Word.STATE, State.CLOSED);
    this.nudge();
  }

  /** What to compare with in `wait`: ask before the last look at everything else. */
  get wakes(): number {
    return Atomics.load(this.#words, Word.WAKE);
  }

  /** The reader sleeps until there was a call or a nudge since `wakes` was asked. */
  wait(wakes: number): void {
    Atomics.wait(this.#words, Word.WAKE, wakes);
  }

  /** The reader takes all that are there. */
  take(): QueuedSync[] {
    const added = Atomics.load(this.#words, Word.ADDED);
    const taken: QueuedSync[] = [];
    for (let at = Atomics.load(this.#words, Word.TAKEN); at !== added; at = (at + 1) | 0)
      taken.push(this.#read(place(at)));
    Atomics.store(this.#words, Word.TAKEN, added);
    return taken;
  }

  #read(at: number): QueuedSync {
    const [uniqueLo = 0, uniqueHi = 0, slot = 0, startedMs = 0] = this.#ring.subarray(at, at + NUMBERS);
    return { uniqueLo, uniqueHi, slot, startedMs };
  }
}

/** In the ring, whatever the sign of a count that has wrapped. */
function place(count: number): number {
  return (count & (CAPACITY - 1)) * NUMBERS;
}
