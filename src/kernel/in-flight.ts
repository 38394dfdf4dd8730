/**
 * What was read from the kernel and may not be answered yet, for kernels that do not send it again to the next daemon
 * (before Linux 6.9). The supervisor owns the file, in memory; each daemon writes to it, the next one answers what is in it.
 *
 * Slot 0 holds the request that is being served, the others those that wait for something. A slot: u32 length of the request
 * (0: free), u32 bytes of it that are kept, the bytes. Little-endian.
 */
import { readSync, writeSync } from 'node:fs';
import { fuse_write_in } from './abi/files.ts';
import { fuse_in_header } from './abi/headers.ts';
import { Opcode } from './abi/opcodes.ts';

const SLOT_BYTES = 8192;
const SLOTS = 64;
const SLOT_HEADER = 8;
const KEPT_MAX = SLOT_BYTES - SLOT_HEADER;
const SERVING = 0;
const NO_SLOT = 0;

export interface KeptRequest {
  /** 0: it was being served. */
  slot: number;
  /** All of the request, or of a WRITE all but its data. */
  bytes: Buffer;
  isWhole: boolean;
}

export class InFlight {
  readonly #fd: number;
  readonly #slot = Buffer.alloc(SLOT_BYTES);
  /** Slots known to be free; whoever answers what waits frees them behind our back. */
  #free: number[] = [];

  constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * What the daemon before this one left, each request once, the one that it was serving last. Each stays in its slot until that
   * is released: this daemon may die as well.
   */
  inherited(): KeptRequest[] {
    const found: KeptRequest[] = [];
    for (let slot = SLOTS - 1; slot > SERVING; slot--) {
      const request = this.#read(slot);
      if (request !== undefined) found.push(request);
    }
    // It may wait in a slot of its own already.
    const last = this.#read(SERVING);
    if (last !== undefined && !found.some(({ bytes }) => isSame(bytes, last.bytes))) found.push(last);
    return found;
  }

  /** The number of the request that was served last, by whichever daemon; 0: none is known. */
  get last(): bigint {
    const number = Buffer.alloc(8);
    readSync(this.#fd, number, 0, number.length, SLOT_HEADER + fuse_in_header.unique);
    return number.readBigUInt64LE(0);
  }

  /** What was being served is answered, or waits in a slot of its own. */
  served(): void {
    freeSlot(this.#fd, SERVING);
  }

  /** This request is served now; the one before is answered or waits in a slot of its own. */
  serving(bytes: Buffer, length: number): void {
    this.#write(SERVING, bytes, length);
  }

  /** The request being served must wait. Answers its slot; 0 when too many wait: this one is lost if we die. */
  keep(request: Buffer): number {
    if (this.#free.length === 0) this.#free = this.#findFree();
    const slot = this.#free.pop() ?? NO_SLOT;
    if (slot !== NO_SLOT) this.#write(slot, request, request.length);
    return slot;
  }

  release(slot: number): void {
    if (slot !== NO_SLOT) freeSlot(this.#fd, slot);
  }

  #findFree(): number[] {
    const free: number[] = [];
    for (let slot = SLOTS - 1; slot > NO_SLOT; slot--) if (this.#read(slot) === undefined) free.push(slot);
    return free;
  }

  #write(slot: number, bytes: Buffer, length: number): void {
    const kept = Math.min(KEPT_MAX, keptBytes(bytes, length));
    this.#slot.writeUInt32LE(length, 0);
    this.#slot.writeUInt32LE(kept, 4);
    bytes.copy(this.#slot, SLOT_HEADER, 0, kept);
    writeSync(this.#fd, this.#slot, 0, SLOT_HEADER + kept, slot * SLOT_BYTES);
  }

  #read(slot: number): KeptRequest | undefined {
    const bytes = Buffer.alloc(SLOT_BYTES);
    const read = readSync(this.#fd, bytes, 0, SLOT_BYTES, slot * SLOT_BYTES);
    if (read < SLOT_HEADER) return undefined;
    const length = bytes.readUInt32LE(0);
    const kept = bytes.readUInt32LE(4);
    if (length < fuse_in_header.SIZE || kept < fuse_in_header.SIZE || kept > KEPT_MAX) return undefined;
    return { slot, bytes: bytes.subarray(SLOT_HEADER, SLOT_HEADER + kept), isWhole: kept === length };
  }
}

/** It was answered. For the thread that answers what waits, which has no InFlight of its own. */
export function freeSlot(fd: number, slot: number): void {
  writeSync(fd, FREE, 0, FREE.length, slot * SLOT_BYTES);
}

/** The bytes behind it stay: see `last`. */
const FREE = Buffer.alloc(SLOT_HEADER);

/** By the number of the request. */
function isSame(a: Buffer, b: Buffer): boolean {
  const { unique } = fuse_in_header;
  return a.readBigUInt64LE(unique) === b.readBigUInt64LE(unique);
}

function keptBytes(bytes: Buffer, length: number): number {
  const isWrite =
    length >= fuse_in_header.SIZE && bytes.readUInt32LE(fuse_in_header.opcode) === Opcode.FUSE_WRITE;
  return isWrite ? Math.min(length, fuse_in_header.SIZE + fuse_write_in.SIZE) : length;
}
