/**
 * The bytes of a journal segment; docs/file-format.md has the same tables. All integers are little-endian, 64-bit ones
 * are used up to 2^53 - 1.
 */
import { join } from 'node:path';
import { crc32 } from '../../lib/crc32.ts';
import { crc32c } from '../../lib/crc32c.ts';

export const SEGMENT_MAGIC = 0x314a4653; // 'SFJ1'
export const SEGMENT_VERSION = 2;
/** Its records have a CRC-32C, and its pieces are sealed as files are. It is read, and no longer written. */
const SEGMENT_VERSION_1 = 1;

export const SegmentHeader = { MAGIC: 0, VERSION: 4, NUMBER: 8, SIZE: 16 } as const;
export const RecordHeader = { LENGTH: 0, CRC: 4, SEQ: 8, UNIQUE: 16, SIZE: 24 } as const;
export const OpHeader = { TYPE: 0, FLAGS: 1, PATH_BYTES: 2, DATA_BYTES: 4, ARG: 8, SIZE: 16 } as const;

/** A record's header and payload together; a segment holds at least one record, whatever its size. */
export const RECORD_BYTES_MAX = 1 << 30;
export const PATH_BYTES_MAX = 0xffff;

export const OpType = {
  /** A file (or symlink) is now this sealed file; ends its working copy. */
  PUT: 1,
  /** The file is gone; ends its working copy. */
  DELETE: 2,
  /** A new, empty directory; data: its sealed attributes, or empty. */
  MKDIR: 3,
  RMDIR: 4,
  /** A directory's sealed attributes, or empty: it has none of its own. */
  DIRECTORY_META: 5,
  /** Sealed bytes of a file that is being written, at offset `arg`. */
  WORK_WRITE: 6,
  /** The working copy is now `arg` bytes long. */
  WORK_TRUNCATE: 7,
  WORK_DROP: 8,
  /** The kernel knows what is at `path` as number `arg`; data: see NodeAttributes, or empty. Good while the mount lives. */
  NODE: 9,
} as const;
export type OpType = (typeof OpType)[keyof typeof OpType];

export const OpFlag = {
  NONE: 0,
  /** On a PUT: the file it replaces did not open; the cache keeps it aside. */
  KEEP_OLD: 1,
  /** On a WORK_WRITE or WORK_TRUNCATE: readers do not see the working copy until it is complete. */
  HELD: 2,
} as const;

/** The only flag that operations of this type may have. */
export function allowedFlag(type: OpType): number {
  if (type === OpType.PUT) return OpFlag.KEEP_OLD;
  return type === OpType.WORK_WRITE || type === OpType.WORK_TRUNCATE ? OpFlag.HELD : OpFlag.NONE;
}

export interface JournalOp {
  type: OpType;
  flags: number;
  /** Mount path. */
  path: string;
  /** An offset or a size in bytes; 0 where the type needs none. */
  arg: number;
  /** A view; copy what is kept. */
  data: Buffer;
}

/** Where an operation was found; `dataPosition` is the offset of its data in the segment's file. */
export interface OpPlace {
  seq: number;
  /** The FUSE request that caused it; 0: none. */
  unique: number;
  segment: number;
  dataPosition: number;
}

export function writeU64(bytes: Buffer, value: number, offset: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not a 64-bit count`);
  bytes.writeUInt32LE(value % 2 ** 32, offset);
  bytes.writeUInt32LE(Math.floor(value / 2 ** 32), offset + 4);
}

/** NaN for a value of 2^53 or more: it equals nothing and is in no range, so every check refuses it. */
export function readU64(bytes: Buffer, offset: number): number {
  const value = bytes.readUInt32LE(offset) + bytes.readUInt32LE(offset + 4) * 2 ** 32;
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

export function segmentHeader(number: number): Buffer {
  const header = Buffer.alloc(SegmentHeader.SIZE);
  header.writeUInt32LE(SEGMENT_MAGIC, SegmentHeader.MAGIC);
  header.writeUInt32LE(SEGMENT_VERSION, SegmentHeader.VERSION);
  writeU64(header, number, SegmentHeader.NUMBER);
  return header;
}

/** Over everything behind the checksum: seq, unique and payload of the record in bytes `start` to `end`. */
export type RecordCrc = (bytes: Buffer, start: number, end: number) => number;

export const recordCrc: RecordCrc = (bytes, start, end) => crc32(bytes, start + RecordHeader.SEQ, end);

/** How the records of a segment of that version are checked; undefined: no version of sessionfs up to this one wrote it. */
export function recordCrcOf(version: number): RecordCrc | undefined {
  if (version === SEGMENT_VERSION) return recordCrc;
  return version === SEGMENT_VERSION_1
    ? (bytes, start, end) => crc32c(bytes, start + RecordHeader.SEQ, end)
    : undefined;
}

const SEGMENT_NAME = /^(\d{10,15})\.log$/;

export function segmentPath(directory: string, number: number): string {
  return join(directory, `${String(number).padStart(10, '0')}.log`);
}

/** The numbers of the segments among the names of a journal directory, ascending. */
export function segmentNumbers(names: readonly string[]): number[] {
  return names
    .flatMap((name) => SEGMENT_NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}
