/**
 * Requests that were carried out and wait to be stored (cloud mode), by number: a daemon that takes over is sent them again, or
 * finds them kept, and must only answer. A file of numbers as float64, little-endian; 0: free.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const SLOT_BYTES = 8;

export class Unanswered {
  readonly #fd: number;
  readonly #word = Buffer.alloc(SLOT_BYTES);
  /** Number -> slot. Those of an earlier daemon too, of which some may have been answered. */
  readonly #slots = new Map<number, number>();
  readonly #free: number[] = [];
  #count = 0;

  /** `inherit`: what an earlier daemon of this mount left counts. Throws system errors. */
  static open(cachePath: string, inherit: boolean): Unanswered {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const fd = openSync(join(cachePath, 'unanswered'), flags, 0o600);
    try {
      if (!inherit) ftruncateSync(fd, 0);
      return new Unanswered(fd);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  private constructor(fd: number) {
    this.#fd = fd;
    const bytes = Buffer.alloc(fstatSync(fd).size);
    const read = readSync(fd, bytes, 0, bytes.length, 0);
    for (; (this.#count + 1) * SLOT_BYTES <= read; this.#count++) {
      const number = bytes.readDoubleLE(this.#count * SLOT_BYTES);
      if (number === 0) this.#free.push(this.#count);
      else this.#slots.set(number, this.#count);
    }
  }

  get numbers(): Iterable<number> {
    return this.#slots.keys();
  }

  /** In the page cache on return. Throws system errors. */
  add(number: number): void {
    if (this.#slots.has(number)) return;
    const slot = this.#free.pop() ?? this.#count++;
    this.#write(slot, number);
    this.#slots.set(number, slot);
  }

  /** It was answered. */
  remove(number: number): void {
    const slot = this.#slots.get(number);
    if (slot === undefined) return;
    this.#slots.delete(number);
    this.#free.push(slot);
    this.#write(slot, 0);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #write(slot: number, number: number): void {
    this.#word.writeDoubleLE(number, 0);
    writeSync(this.#fd, this.#word, 0, SLOT_BYTES, slot * SLOT_BYTES);
  }
}
