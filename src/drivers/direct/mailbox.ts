/** A flag between two threads: there are messages. Looking at it costs one atomic read. */
export class Mailbox {
  /** Post this to the other thread and construct a Mailbox over it there. */
  readonly shared: SharedArrayBuffer;
  readonly #flag: Int32Array;

  constructor(shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#flag = new Int32Array(shared);
  }

  /** After a message was posted. False: the other thread has yet to see an earlier one, and will see this one with it. */
  raise(): boolean {
    return Atomics.exchange(this.#flag, 0, 1) === 0;
  }

  /** The other thread has not looked yet. */
  get isRaised(): boolean {
    return Atomics.load(this.#flag, 0) === 1;
  }

  /** True once after one or more `raise`: take all messages now. */
  lower(): boolean {
    return Atomics.load(this.#flag, 0) === 1 && Atomics.exchange(this.#flag, 0, 0) === 1;
  }
}
