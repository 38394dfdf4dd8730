import type { Attributes, Entry, FilesystemStatistics } from '../../fs/contract.ts';
import { Errno } from '../../lib/errno.ts';
import { fuse_attr, fuse_attr_out, fuse_entry_out, fuse_kstatfs } from './abi/attributes.ts';
import { fuse_write_out } from './abi/files.ts';
import { fuse_out_header } from './abi/headers.ts';
import { LITTLE_ENDIAN } from './abi/layout.ts';

/** Where the payload begins. */
export const PAYLOAD = fuse_out_header.SIZE;

const TWO_TO_32 = 0x1_0000_0000;
/** st_blocks counts these, whatever st_blksize says. */
const STAT_BLOCK_BYTES = 512;
const PREFERRED_IO_BYTES = 4096;
/** The kernel reads a link's target into a page and needs its last byte for a NUL. */
const TARGET_BYTES_MAX = 4095;

/**
 * The one buffer that replies are built in. The methods that fill the payload answer its length, and write every byte of
 * it, so that nothing of an earlier reply remains; `finish` puts the header before it.
 */
export class Reply {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Bytes of payload that fit. */
  readonly capacity: number;

  constructor(capacity: number) {
    const memory = new ArrayBuffer(PAYLOAD + capacity);
    this.bytes = Buffer.from(memory);
    this.view = new DataView(memory);
    this.capacity = capacity;
  }

  /** Returns the length of the whole reply. `error` is 0 or a negative errno; an error has no payload. */
  finish(uniqueLo: number, uniqueHi: number, error: number, payloadBytes: number): number {
    const length = PAYLOAD + payloadBytes;
    putOutHeader(this.view, length, error, uniqueLo, uniqueHi);
    return length;
  }

  entry(entry: Entry): number {
    putEntry(this.view, PAYLOAD, entry);
    return fuse_entry_out.SIZE;
  }

  attributes(attributes: Attributes): number {
    const { view } = this;
    putSeconds(view, PAYLOAD + fuse_attr_out.attr_valid, attributes.attributesValidMs);
    putNanoseconds(view, PAYLOAD + fuse_attr_out.attr_valid_nsec, attributes.attributesValidMs);
    view.setUint32(PAYLOAD + fuse_attr_out.dummy, 0, LITTLE_ENDIAN);
    putAttributes(view, PAYLOAD + fuse_attr_out.attr, attributes);
    return fuse_attr_out.SIZE;
  }

  statistics(statistics: FilesystemStatistics): number {
    const { view } = this;
    this.bytes.fill(0, PAYLOAD, PAYLOAD + fuse_kstatfs.SIZE);
    putU64(view, PAYLOAD + fuse_kstatfs.blocks, statistics.blocks);
    putU64(view, PAYLOAD + fuse_kstatfs.bfree, statistics.blocksFree);
    putU64(view, PAYLOAD + fuse_kstatfs.bavail, statistics.blocksAvailable);
    putU64(view, PAYLOAD + fuse_kstatfs.files, statistics.files);
    putU64(view, PAYLOAD + fuse_kstatfs.ffree, statistics.filesFree);
    view.setUint32(PAYLOAD + fuse_kstatfs.bsize, statistics.blockSize, LITTLE_ENDIAN);
    view.setUint32(PAYLOAD + fuse_kstatfs.namelen, statistics.nameLengthMax, LITTLE_ENDIAN);
    view.setUint32(PAYLOAD + fuse_kstatfs.frsize, statistics.blockSize, LITTLE_ENDIAN);
    return fuse_kstatfs.SIZE;
  }

  written(bytes: number): number {
    putWritten(this.view, PAYLOAD, bytes);
    return fuse_write_out.SIZE;
  }

  /** The target of a symbolic link; ENAMETOOLONG when the kernel could not take it. */
  target(target: string): number {
    if (Buffer.byteLength(target) > TARGET_BYTES_MAX) return Errno.ENAMETOOLONG;
    return this.bytes.write(target, PAYLOAD, 'utf8');
  }
}

export function putOutHeader(
  view: DataView,
  length: number,
  error: number,
  uniqueLo: number,
  uniqueHi: number,
): void {
  view.setUint32(fuse_out_header.len, length, LITTLE_ENDIAN);
  view.setInt32(fuse_out_header.error, error, LITTLE_ENDIAN);
  view.setUint32(fuse_out_header.unique, uniqueLo, LITTLE_ENDIAN);
  view.setUint32(fuse_out_header.unique + 4, uniqueHi, LITTLE_ENDIAN);
}

export function putEntry(view: DataView, at: number, entry: Entry): void {
  putU64(view, at + fuse_entry_out.nodeid, entry.nodeId);
  putU64(view, at + fuse_entry_out.generation, 0);
  putSeconds(view, at + fuse_entry_out.entry_valid, entry.entryValidMs);
  putSeconds(view, at + fuse_entry_out.attr_valid, entry.attributesValidMs);
  putNanoseconds(view, at + fuse_entry_out.entry_valid_nsec, entry.entryValidMs);
  putNanoseconds(view, at + fuse_entry_out.attr_valid_nsec, entry.attributesValidMs);
  putAttributes(view, at + fuse_entry_out.attr, entry);
}

export function putWritten(view: DataView, at: number, bytes: number): void {
  view.setUint32(at + fuse_write_out.size, bytes, LITTLE_ENDIAN);
  view.setUint32(at + fuse_write_out.padding, 0, LITTLE_ENDIAN);
}

/** Whole numbers from -2^53 to 2^53; negative ones in two's complement. */
export function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value, LITTLE_ENDIAN);
  view.setUint32(at + 4, Math.floor(value / TWO_TO_32), LITTLE_ENDIAN);
}

function putAttributes(view: DataView, at: number, attributes: Attributes): void {
  putU64(view, at + fuse_attr.ino, attributes.ino);
  putU64(view, at + fuse_attr.size, attributes.size);
  putU64(view, at + fuse_attr.blocks, Math.ceil(attributes.size / STAT_BLOCK_BYTES));
  putU64(view, at + fuse_attr.atime, attributes.atimeSec);
  putU64(view, at + fuse_attr.mtime, attributes.mtimeSec);
  putU64(view, at + fuse_attr.ctime, attributes.ctimeSec);
  view.setUint32(at + fuse_attr.atimensec, attributes.atimeNsec, LITTLE_ENDIAN);
  view.setUint32(at + fuse_attr.mtimensec, attributes.mtimeNsec, LITTLE_ENDIAN);
  view.setUint32(at + fuse_attr.ctimensec, attributes.ctimeNsec, LITTLE_ENDIAN);
  view.setUint32(at + fuse_attr.mode, attributes.mode, LITTLE_ENDIAN);
  view.setUint32(at + fuse_attr.nlink, attributes.nlink, LITTLE_ENDIAN);
  view.setUint32(at + fuse_attr.uid, attributes.uid, LITTLE_ENDIAN);
  view.setUint32(at + fuse_attr.gid, attributes.gid, LITTLE_ENDIAN);
  view.setUint32(at + fuse_attr.rdev, 0, LITTLE_ENDIAN);
  view.setUint32(at + fuse_attr.blksize, PREFERRED_IO_BYTES, LITTLE_ENDIAN);
  view.setUint32(at + fuse_attr.flags, 0, LITTLE_ENDIAN);
}

function putSeconds(view: DataView, at: number, ms: number): void {
  putU64(view, at, Math.floor(ms / 1000));
}

function putNanoseconds(view: DataView, at: number, ms: number): void {
  view.setUint32(at, (ms % 1000) * 1_000_000, LITTLE_ENDIAN);
}
