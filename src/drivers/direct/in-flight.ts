/**
 * What was read from the kernel and may not be answered yet, for kernels that do not send it again to the next daemon
 * (before Linux 6.9). The supervisor owns the file, in memory; each daemon writes to it, the next one answers what is in it.
 *
 * Slot 0 holds the request that is being served, the others those that wait for something. A slot: u32 length of the request
 * (0: free), u32 bytes of it that are kept, f64 (of slot 0) the highest number of a request so far, the bytes. Little-endian.
 *
 * Behind the slots lies the last WRITE of mapped pages, whole: no process made it, that could be told to try again.
 *
 * One more slot, on every kernel: the request that is carried out for the second time or more. u32 1 (0: none is), u32 1 if an
 * earlier daemon had it, f64 its number. A daemon that dies meanwhile may have died of it: the supervisor counts.
 */
import { readSync, writeSync } from 'node:fs';
import { isInMemory, pathOfDescriptor } from '../../mount/memory-directory.ts';
import { FUSE_WRITE_CACHE, fuse_write_in } from './abi/files.ts';
import { fuse_in_header } from './abi/headers.ts';
import { Opcode } from './abi/opcodes.ts';
import { requestNumber } from './request.ts';
import { REQUEST_BUFFER_BYTES } from './session.ts';

const SLOT_BYTES = 8192;
/** Most of the file is never written to, and takes no memory. */
const SLOTS = 512;
const SLOT_HEADER = 16;
const LAST_AT = 8;
const KEPT_MAX = SLOT_BYTES - SLOT_HEADER;
const SERVING = 0;
const NO_SLOT = 0;
const REPEATED_AT = SLOTS * SLOT_BYTES;
const REPEATED_BYTES = 16;
const PAGES_AT = REPEATED_AT + SLOT_BYTES;
const WRITE_HEADERS = fuse_in_header.SIZE + fuse_write_in.SIZE;

/** A request that a daemon was carrying out again when it died. */
export interface RepeatedRequest {
  number: number;
  /** A daemon before that one had read it, and died. */
  isInherited: boolean;
}

export interface KeptRequest {
  /** 0: it was being served. */
  slot: number;
  number: number;
  /** All of the request, or of a WRITE all but its data. */
  bytes: Buffer;
  isWhole: boolean;
}

export class InFlight {
  readonly #fd: number;
  readonly #slot = Buffer.alloc(SLOT_BYTES);
  /** Slots known to be free; the main thread, which answers fsync, frees others without telling. */
  #free: number[] = [];
  #last: number | undefined;
  readonly #repeated = Buffer.alloc(REPEATED_BYTES);
  readonly #keepsPages: boolean;

  /** `keepsPages`: what files hold lies on no disk in plain text. */
  constructor(fd: number, keepsPages = isInMemory(pathOfDescriptor(fd))) {
    this.#fd = fd;
    this.#keepsPages = keepsPages;
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
    if (last !== undefined && !found.some(({ number }) => number === last.number)) found.push(last);
    return found;
  }

  /** The highest number of a request that was read, by whichever daemon; 0: none is known. */
  get last(): number {
    if (this.#last === undefined) {
      const number = Buffer.alloc(8);
      readSync(this.#fd, number, 0, number.length, LAST_AT);
      this.#last = number.readDoubleLE(0);
    }
    return this.#last;
  }

  /** What was being served is answered, or waits in a slot of its own. */
  served(): void {
    freeSlot(this.#fd, SERVING);
  }

  /** This request is served now; the one before is answered or waits in a slot of its own. */
  serving(bytes: Buffer, length: number): void {
    this.#last = Math.max(this.last, numberOf(bytes));
    this.#slot.writeDoubleLE(this.#last, LAST_AT);
    if (this.#keepsPages && isOfMappedPages(bytes, length)) this.#keepPages(bytes, length);
    this.#write(SERVING, bytes, length);
  }

  /**
   * The request being served must wait. What is cut tells its true length itself. Returns its slot; 0 when too many wait: this
   * one is lost if we die.
   */
  keep(request: Buffer): number {
    if (this.#free.length === 0) this.#free = this.#findFree();
    const slot = this.#free.pop() ?? NO_SLOT;
    if (slot !== NO_SLOT) this.#write(slot, request, request.readUInt32LE(fuse_in_header.len));
    return slot;
  }

  release(slot: number): void {
    if (slot !== NO_SLOT) freeSlot(this.#fd, slot);
  }

  /** From here until `repeated` this request is carried out, not for the first time. */
  repeating(number: number, isInherited: boolean): void {
    this.#repeated.writeUInt32LE(1, 0);
    this.#repeated.writeUInt32LE(isInherited ? 1 : 0, 4);
    this.#repeated.writeDoubleLE(number, 8);
    writeSync(this.#fd, this.#repeated, 0, REPEATED_BYTES, REPEATED_AT);
  }

  repeated(): void {
    writeSync(this.#fd, NOT_REPEATING, 0, NOT_REPEATING.length, REPEATED_AT);
  }

  /** Where there is no room it is lost if we die, and nothing else is. */
  #keepPages(bytes: Buffer, length: number): void {
    try {
      writeSync(this.#fd, bytes, 0, length, PAGES_AT);
    } catch {}
  }

  #findFree(): number[] {
    const free: number[] = [];
    for (let slot = SLOTS - 1; slot > NO_SLOT; slot--) if (this.#isFree(slot)) free.push(slot);
    return free;
  }

  #write(slot: number, bytes: Buffer, length: number): void {
    const kept = Math.min(KEPT_MAX, bytes.length, keptBytes(bytes, length));
    this.#slot.writeUInt32LE(length, 0);
    this.#slot.writeUInt32LE(kept, 4);
    bytes.copy(this.#slot, SLOT_HEADER, 0, kept);
    writeSync(this.#fd, this.#slot, 0, SLOT_HEADER + kept, slot * SLOT_BYTES);
  }

  #isFree(slot: number): boolean {
    const length = Buffer.alloc(4);
    return (
      readSync(this.#fd, length, 0, length.length, slot * SLOT_BYTES) < 4 || length.readUInt32LE(0) === 0
    );
  }

  #read(slot: number): KeptRequest | undefined {
    if (this.#isFree(slot)) return undefined;
    const bytes = Buffer.alloc(SLOT_BYTES);
    const read = readSync(this.#fd, bytes, 0, SLOT_BYTES, slot * SLOT_BYTES);
    if (read < SLOT_HEADER) return undefined;
    const length = bytes.readUInt32LE(0);
    const kept = bytes.readUInt32LE(4);
    if (length < fuse_in_header.SIZE || kept < fuse_in_header.SIZE || kept > KEPT_MAX) return undefined;
    const request = bytes.subarray(SLOT_HEADER, SLOT_HEADER + kept);
    const number = numberOf(request);
    const pages = slot === SERVING && kept < length ? this.#readPages(number, length) : undefined;
    return pages ?? { slot, number, bytes: request, isWhole: kept === length };
  }

  /** Undefined: another request lies there, or none. */
  #readPages(number: number, length: number): KeptRequest | undefined {
    if (length > REQUEST_BUFFER_BYTES) return undefined;
    const bytes = Buffer.alloc(length);
    const isThere = readSync(this.#fd, bytes, 0, length, PAGES_AT) === length && numberOf(bytes) === number;
    return isThere ? { slot: SERVING, number, bytes, isWhole: true } : undefined;
  }
}

/** It was answered. For the thread that answers what waits, which has no InFlight of its own. */
export function freeSlot(fd: number, slot: number): void {
  writeSync(fd, FREE, 0, FREE.length, slot * SLOT_BYTES);
}

const NOT_REPEATING = Buffer.alloc(4);

/** For the supervisor, once a daemon has died: what it was repeating, which is forgotten here; undefined: nothing. */
export function takeRepeated(fd: number): RepeatedRequest | undefined {
  const record = Buffer.alloc(REPEATED_BYTES);
  const read = readSync(fd, record, 0, REPEATED_BYTES, REPEATED_AT);
  if (read < REPEATED_BYTES || record.readUInt32LE(0) === 0) return undefined;
  writeSync(fd, NOT_REPEATING, 0, NOT_REPEATING.length, REPEATED_AT);
  return { number: record.readDoubleLE(8), isInherited: record.readUInt32LE(4) === 1 };
}

/** Without the number in slot 0, which stays. */
const FREE = Buffer.alloc(LAST_AT);

function numberOf(request: Buffer): number {
  const { unique } = fuse_in_header;
  return requestNumber(request.readUInt32LE(unique), request.readUInt32LE(unique + 4));
}

function keptBytes(bytes: Buffer, length: number): number {
  const isWrite =
    length >= fuse_in_header.SIZE && bytes.readUInt32LE(fuse_in_header.opcode) === Opcode.FUSE_WRITE;
  return isWrite ? Math.min(length, WRITE_HEADERS) : length;
}

function isOfMappedPages(bytes: Buffer, length: number): boolean {
  if (length < WRITE_HEADERS || bytes.readUInt32LE(fuse_in_header.opcode) !== Opcode.FUSE_WRITE) return false;
  return (bytes.readUInt32LE(fuse_in_header.SIZE + fuse_write_in.write_flags) & FUSE_WRITE_CACHE) !== 0;
}
