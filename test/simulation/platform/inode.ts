/** A file of a simulated disk: its bytes, and which of them a power cut leaves. */
import type { Prng } from '../../drivers/support/prng.ts';

const SECTOR_BYTES = 512;
const CAPACITY_MIN = 512;

export class FileInode {
  readonly kind = 'file';
  readonly number: number;
  mode: number;
  names = 0;
  opened = 0;
  mtimeMs = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #size = 0;
  /** The bytes up to here are on the disk, unless `#before` says what is there. */
  #durableSize = 0;
  #before: Buffer | undefined;
  /** The shortest that it was cut to since the last sync. */
  #shortest = Number.POSITIVE_INFINITY;
  /** A sync failed: the system called its pages clean, and no later sync brings them to the disk. */
  #lost = false;
  /** How often that happened; each descriptor that was open before is told once. */
  failures = 0;

  constructor(number: number, mode: number) {
    this.number = number;
    this.mode = mode;
  }

  get size(): number {
    return this.#size;
  }

  get view(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }

  write(at: number, bytes: Uint8Array): void {
    if (at < this.#durableSize) this.#keepBefore();
    const end = at + bytes.length;
    this.#reserve(end);
    if (at > this.#size) this.#bytes.fill(0, this.#size, at);
    this.#bytes.set(bytes, at);
    this.#size = Math.max(this.#size, end);
  }

  truncate(size: number): void {
    if (size < this.#durableSize) this.#keepBefore();
    this.#shortest = Math.min(this.#shortest, size);
    this.#reserve(size);
    if (size > this.#size) this.#bytes.fill(0, this.#size, size);
    this.#size = size;
  }

  sync(): void {
    if (this.#lost) return;
    this.#durableSize = this.#size;
    this.#before = undefined;
    this.#shortest = Number.POSITIVE_INFINITY;
  }

  failSync(): void {
    this.#keepBefore();
    this.#lost = true;
    this.failures++;
  }

  /** The power goes: what is read afterwards is on the disk. */
  cut(chance: Prng): void {
    const survived = this.#withDurable(this.#surviving(chance));
    this.#bytes = survived;
    this.#size = survived.length;
    this.#durableSize = survived.length;
    this.#before = undefined;
    this.#shortest = Number.POSITIVE_INFINITY;
    this.#lost = false;
    this.opened = 0;
  }

  #surviving(chance: Prng): Buffer {
    const whole = Buffer.from(this.view);
    const before = this.#before ?? whole.subarray(0, this.#durableSize);
    if (this.#before === undefined && this.#durableSize === this.#size) return whole;
    const sure = this.#before === undefined ? this.#durableSize : 0;
    const cut = sure + chance.below(whole.length - sure + 1);
    switch (chance.below(5)) {
      case 0:
        return Buffer.from(before);
      case 1:
        return whole;
      case 2:
        return Buffer.from(whole.subarray(0, cut));
      case 3:
        return Buffer.concat([whole.subarray(0, cut), Buffer.alloc(whole.length - cut)]);
      default:
        return withoutSomeSectors(whole, sure, chance);
    }
  }

  /** What was durable and is still the file's is there: overwritten sectors as they were, or as they are now. */
  #withDurable(survived: Buffer): Buffer {
    const before = this.#before?.subarray(0, this.#shortest) ?? Buffer.alloc(0);
    const found = Buffer.alloc(Math.max(survived.length, before.length));
    survived.copy(found);
    for (let at = 0; at < before.length; at += SECTOR_BYTES) {
      const end = Math.min(before.length, at + SECTOR_BYTES);
      const isNew = found.subarray(at, end).equals(this.#bytes.subarray(at, end));
      if (!isNew) before.copy(found, at, at, end);
    }
    return found;
  }

  #keepBefore(): void {
    this.#before ??= Buffer.from(this.#bytes.subarray(0, this.#durableSize));
  }

  #reserve(size: number): void {
    if (size <= this.#bytes.length) return;
    const grown = Buffer.alloc(Math.max(size, CAPACITY_MIN, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#size);
    this.#bytes = grown;
  }
}

export class DirectoryInode {
  readonly kind = 'directory';
  readonly number: number;
  mode: number;
  mtimeMs = 0;
  opened = 0;
  readonly entries = new Map<string, Inode>();

  constructor(number: number, mode: number) {
    this.number = number;
    this.mode = mode;
  }
}

export type Inode = FileInode | DirectoryInode;

function withoutSomeSectors(whole: Buffer, sure: number, chance: Prng): Buffer {
  for (let at = sure; at < whole.length; at += SECTOR_BYTES)
    if (chance.below(2) === 0) whole.fill(0, at, Math.min(whole.length, at + SECTOR_BYTES));
  return whole;
}
