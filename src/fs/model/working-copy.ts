/** A file's bytes as writers see them, while they differ from the committed version. */
import { JsonScanner, judgePieces, type Verdict } from './json-gate.ts';

const MINIMUM_CAPACITY = 4096;

export class WorkingCopy {
  /** Held back until complete (a *.json), or plain POSIX: visible at once, committed when idle. */
  gated: boolean;
  /** When it was last changed, on the monotonic clock: what "idle" is measured from. */
  changedMs: number;
  /** The journal has records that rebuild it; a new segment must repeat them before the old one goes. */
  journaled = false;
  /** Writes that readers are not to see yet. */
  heldWrites = 0;
  #bytes: Buffer;
  #length: number;
  /** undefined: the content is not known to have been written from its first byte on, in order. */
  #scanner: JsonScanner | undefined;

  private constructor(bytes: Buffer, length: number, gated: boolean, nowMs: number) {
    this.#bytes = bytes;
    this.#length = length;
    this.gated = gated;
    this.changedMs = nowMs;
    this.#scanner = length === 0 ? new JsonScanner() : undefined;
  }

  static empty(gated: boolean, nowMs: number): WorkingCopy {
    return new WorkingCopy(Buffer.alloc(0), 0, gated, nowMs);
  }

  /** Takes a copy of `content`. */
  static of(content: Buffer, gated: boolean, nowMs: number): WorkingCopy {
    return new WorkingCopy(Buffer.from(content), content.length, gated, nowMs);
  }

  get length(): number {
    return this.#length;
  }

  /** The content, without copying: good until the next change. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Writes behind the end fill the gap with zeros, as POSIX wants. */
  write(offset: number, data: Buffer, nowMs: number): void {
    const end = offset + data.length;
    this.#reserve(end);
    if (offset > this.#length) this.#bytes.fill(0, this.#length, offset);
    data.copy(this.#bytes, offset);
    if (this.#scanner !== undefined) {
      if (offset === this.#scanner.position) this.#scanner.feed(data);
      else this.#scanner = undefined;
    }
    if (end > this.#length) this.#length = end;
    this.changedMs = nowMs;
  }

  truncate(size: number, nowMs: number): void {
    if (size > this.#length) {
      this.#reserve(size);
      this.#bytes.fill(0, this.#length, size);
    }
    if (size === 0) this.#scanner = new JsonScanner();
    else if (size !== this.#length) this.#scanner = undefined;
    this.#length = size;
    this.changedMs = nowMs;
  }

  /** Nothing in it comes from the version before: it began empty and was written from its first byte on. */
  get isFromScratch(): boolean {
    return this.#scanner !== undefined;
  }

  verdict(): Verdict {
    return judgePieces(this.view(), this.#scanner?.verdict);
  }

  #reserve(size: number): void {
    if (size <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(size, MINIMUM_CAPACITY, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
