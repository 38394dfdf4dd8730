import { isUtf8 } from 'node:buffer';
import type { Caller } from '../../fs/contract.ts';
import { Errno } from '../../lib/errno.ts';
import { FUSE_UNIQUE_RESEND_HI, fuse_in_header } from './abi/headers.ts';
import { LITTLE_ENDIAN } from './abi/layout.ts';

const HEADER_BYTES = fuse_in_header.SIZE;
const NAME_BYTES_MAX = 255;
/** PATH_MAX without its NUL. */
const TARGET_BYTES_MAX = 4095;
/** 2^32 times this is 2^53. */
const SAFE_HI_LIMIT = 0x20_0000;

const SLASH = 0x2f;
const DOT = 0x2e;

/**
 * One request of the kernel, seen in the buffer it was read into. The object is bound to one request after the other;
 * nothing it hands out except strings, numbers and `copyBytes` outlives the next `bind`. No read goes past the
 * request's own length, whatever its fields say.
 */
export class Request {
  opcode = 0;
  /** The two words of `unique`, to be sent back as they came. 0, 0 is never a request that may be answered. */
  uniqueLo = 0;
  uniqueHi = 0;
  node = 0;
  readonly caller: Caller = { uid: 0, gid: 0, pid: 0 };
  /** Why nothing but the header's first fields can be trusted: EIO, or 0 when all is well. */
  headerError: 0 | Errno = 0;

  #bytes: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #length = 0;
  /** Where the arguments end: extensions of the protocol may follow. */
  #end = 0;
  /** Where the part behind the fixed arguments goes on: names, data, records. */
  #cursor = 0;

  /** False when there are not even the bytes of a header: such a thing cannot be answered. */
  bind(bytes: Buffer, length: number): boolean {
    if (length < HEADER_BYTES || length > bytes.length) return false;
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    this.#length = length;
    this.#bindHeader();
    return true;
  }

  #bindHeader(): void {
    const view = this.#view;
    this.opcode = view.getUint32(fuse_in_header.opcode, LITTLE_ENDIAN);
    this.uniqueLo = view.getUint32(fuse_in_header.unique, LITTLE_ENDIAN);
    this.uniqueHi = view.getUint32(fuse_in_header.unique + 4, LITTLE_ENDIAN);
    this.caller.uid = view.getUint32(fuse_in_header.uid, LITTLE_ENDIAN);
    this.caller.gid = view.getUint32(fuse_in_header.gid, LITTLE_ENDIAN);
    this.caller.pid = view.getUint32(fuse_in_header.pid, LITTLE_ENDIAN);
    const extensionBytes = view.getUint16(fuse_in_header.total_extlen, LITTLE_ENDIAN) * 8;
    this.#cursor = HEADER_BYTES;
    this.#end = this.#length - extensionBytes;
    const node = this.#safeU64(fuse_in_header.nodeid);
    const lengthIsTrue = view.getUint32(fuse_in_header.len, LITTLE_ENDIAN) === this.#length;
    const trusted = lengthIsTrue && this.#end >= HEADER_BYTES && node !== undefined;
    this.node = node ?? 0;
    this.headerError = trusted ? 0 : Errno.EIO;
  }

  get number(): number {
    return requestNumber(this.uniqueLo, this.uniqueHi);
  }

  /** An earlier server of this connection had read it, and the kernel was told to send it again. */
  get isSentAgain(): boolean {
    return (this.uniqueHi & FUSE_UNIQUE_RESEND_HI) !== 0;
  }

  /** Declares that the arguments begin with `size` fixed bytes; false when the request is shorter. */
  beginArguments(size: number): boolean {
    this.#cursor = HEADER_BYTES + size;
    return this.#cursor <= this.#end;
  }

  /** Bytes of arguments behind the header. */
  get argumentBytes(): number {
    return this.#end - HEADER_BYTES;
  }

  u32(offset: number): number {
    return this.#view.getUint32(this.#inside(offset, 4), LITTLE_ENDIAN);
  }

  /** Undefined when the value is 2^53 or more. */
  u64(offset: number): number | undefined {
    return this.#safeU64(this.#inside(offset, 8));
  }

  /** Undefined when the value does not fit in 53 bits and a sign. */
  i64(offset: number): number | undefined {
    const at = this.#inside(offset, 8);
    const value = Number(this.#view.getBigInt64(at, LITTLE_ENDIAN));
    return Number.isSafeInteger(value) ? value : undefined;
  }

  #safeU64(at: number): number | undefined {
    const lo = this.#view.getUint32(at, LITTLE_ENDIAN);
    const hi = this.#view.getUint32(at + 4, LITTLE_ENDIAN);
    return hi < SAFE_HI_LIMIT ? hi * 0x1_0000_0000 + lo : undefined;
  }

  /** A handler reads only within what it declared by `beginArguments`; anything else is a mistake in this program. */
  #inside(offset: number, size: number): number {
    const at = HEADER_BYTES + offset;
    if (at + size > this.#end) throw new RangeError(`read at ${at} of a request of ${this.#end} bytes`);
    return at;
  }

  /** The next NUL-terminated name of a child, or why it cannot be one. */
  nextName(): string | Errno {
    const start = this.#cursor;
    const text = this.#nextText(NAME_BYTES_MAX);
    if (typeof text !== 'string') return text;
    const length = this.#cursor - 1 - start;
    for (let at = start; at < start + length; at++) {
      if (this.#bytes[at] === SLASH) return Errno.EINVAL;
    }
    return this.#isDots(start, length) ? Errno.EINVAL : text;
  }

  /** The next NUL-terminated string as the target of a symbolic link: slashes and dots are welcome. */
  nextTarget(): string | Errno {
    return this.#nextText(TARGET_BYTES_MAX);
  }

  #nextText(maxBytes: number): string | Errno {
    const bytes = this.#bytes;
    const start = this.#cursor;
    let at = start;
    let highBits = 0;
    while (at < this.#end && bytes[at] !== 0) highBits |= bytes[at++] as number;
    if (at >= this.#end) return Errno.EIO;
    this.#cursor = at + 1;
    if (at === start) return Errno.EINVAL;
    if (at - start > maxBytes) return Errno.ENAMETOOLONG;
    if (highBits < 0x80) return bytes.toString('latin1', start, at);
    return isUtf8(bytes.subarray(start, at)) ? bytes.toString('utf8', start, at) : Errno.EILSEQ;
  }

  #isDots(start: number, length: number): boolean {
    if (length > 2 || this.#bytes[start] !== DOT) return false;
    return length === 1 || this.#bytes[start + 1] === DOT;
  }

  /** Returns the rest of the arguments, not copied. */
  rest(): Buffer {
    return this.#bytes.subarray(this.#cursor, this.#end);
  }

  copyBytes(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length));
  }
}

/** The same for a request and for one that the kernel sends again; 0 for a number that no kernel will ever reach. */
export function requestNumber(uniqueLo: number, uniqueHi: number): number {
  const hi = uniqueHi & ~FUSE_UNIQUE_RESEND_HI;
  return hi < SAFE_HI_LIMIT ? uniqueLo + hi * 2 ** 32 : 0;
}
