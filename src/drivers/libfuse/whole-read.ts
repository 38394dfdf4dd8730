/**
 * One read(2) of a large file comes as several requests, since libfuse 2 asks for 128 KiB at a time: a reader that goes on from a
 * full first request is given the version that it began with.
 */
import { type Attributes, emptyAttributes, type FileSystemOperations } from '../../fs/contract.ts';

/** A full request: 32 pages, less what the caller's buffer begins behind a page's start. */
const FULL_REQUEST_BYTES_MIN = 31 * 4096;
/** Larger files are read as they are at each request. */
const KEPT_BYTES_MAX = 16 * 1024 * 1024;
/** The requests of one read(2) come without a pause. */
const KEPT_MS = 1000;

interface Kept {
  content: Buffer;
  /** Where the next request must go on. */
  next: number;
  sinceMs: number;
}

export class WholeRead {
  readonly #attributes: Attributes = emptyAttributes();
  #kept: Kept | undefined;

  /** As FileSystemOperations.read. */
  read(fs: FileSystemOperations, node: number, offset: number, out: Buffer): number {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined && kept.next === offset && performance.now() - kept.sinceMs < KEPT_MS)
      return this.#readOn(kept, out);
    const read = fs.read(node, offset, out.length, out, 0);
    if (offset === 0 && read === out.length && read >= FULL_REQUEST_BYTES_MIN) this.#keep(fs, node, read);
    return read;
  }

  #readOn(kept: Kept, out: Buffer): number {
    const copied = kept.content.copy(out, 0, kept.next, kept.next + out.length);
    kept.next += copied;
    if (kept.next < kept.content.length) this.#kept = kept;
    return copied;
  }

  #keep(fs: FileSystemOperations, node: number, next: number): void {
    if (fs.getattr(node, this.#attributes) !== 0) return;
    const { size } = this.#attributes;
    if (size <= next || size > KEPT_BYTES_MAX) return;
    const content = Buffer.alloc(size);
    const read = fs.read(node, 0, size, content, 0);
    if (read > next) this.#kept = { content: content.subarray(0, read), next, sinceMs: performance.now() };
  }
}
