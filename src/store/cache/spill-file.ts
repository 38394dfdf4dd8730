/**
 * What is too much for memory and has no name to be stored under: slots of one size in a file under tmp/ that has no name
 * either, and goes with the process that opened it, no matter how it ends. Its user seals what it writes here.
 */
import { randomBytes } from 'node:crypto';
import fs, { constants } from 'node:fs';
import { join } from 'node:path';
import { systemError } from '../../lib/system-error.ts';

const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export class SpillFile {
  readonly #directory: string;
  readonly #slotBytes: number;
  readonly #free: number[] = [];
  #fd: number | undefined;
  #slots = 0;

  constructor(cachePath: string, slotBytes: number) {
    this.#directory = join(cachePath, 'tmp');
    this.#slotBytes = slotBytes;
  }

  /** Stores `bytes`, as many as a slot has, and returns the slot. Throws system errors; then none is taken. */
  write(bytes: Uint8Array): number {
    this.#fd ??= this.#open();
    const slot = this.#free.at(-1) ?? this.#slots;
    for (let at = 0; at < bytes.length; ) {
      const written = fs.writeSync(this.#fd, bytes, at, bytes.length - at, slot * this.#slotBytes + at);
      if (written <= 0) throw systemError('EIO', 'write', 'the device took no bytes');
      at += written;
    }
    if (slot === this.#slots) this.#slots++;
    else this.#free.pop();
    return slot;
  }

  read(slot: number, out: Buffer): void {
    const length = fs.readSync(this.#fd as number, out, 0, out.length, slot * this.#slotBytes);
    if (length < out.length) throw systemError('EIO', 'read', 'the file became shorter');
  }

  /** The room is the disk's again once no slot is in use. */
  free(slot: number): void {
    this.#free.push(slot);
    if (this.#free.length < this.#slots || this.#fd === undefined) return;
    fs.closeSync(this.#fd);
    this.#fd = undefined;
    this.#slots = 0;
    this.#free.length = 0;
  }

  #open(): number {
    const path = join(this.#directory, `unlinked-${randomBytes(12).toString('hex')}`);
    const fd = fs.openSync(path, FLAGS, 0o600);
    fs.unlinkSync(path);
    return fd;
  }
}
