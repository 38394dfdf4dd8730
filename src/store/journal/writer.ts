/**
 * Appends records to the journal, synchronously, from the one thread that commits. `begin`, `add` once or more, `commit`:
 * the record then survives the process; it survives a power cut once JournalSync.sync() resolved. A record is atomic: a
 * replay sees all of its operations or none.
 */
import { type SyncFileOperations, syncFileOperations } from '../../lib/file-operations.ts';
import { systemError } from '../../lib/system-error.ts';
import {
  OpHeader,
  type OpType,
  PATH_BYTES_MAX,
  RECORD_BYTES_MAX,
  RecordHeader,
  recordCrc,
  SegmentHeader,
  writeU64,
} from './format.ts';
import type { JournalProgress } from './progress.ts';
import { JournalSegments } from './segments.ts';

export interface JournalWriterOptions {
  /** From replayJournal. */
  nextSegment: number;
  nextSeq: number;
  progress: JournalProgress;
  /** A segment is closed before it would grow beyond this; a larger record gets one of its own. */
  segmentBytes?: number;
  /**
   * One that is not on stable storage may grow to this instead, since closing it would wait for the disk. Not more than
   * `segmentBytes` where that is given alone.
   */
  unsyncedSegmentBytes?: number;
  files?: SyncFileOperations;
}

/** The segment being appended to. */
interface CurrentSegment {
  number: number;
  bytes: number;
  /** The next append goes to a new one. */
  closing: boolean;
  /** It has no record, and a part of one that could not be cut off. */
  isTorn: boolean;
}

export const SEGMENT_BYTES = 16 * 1024 * 1024;
export const UNSYNCED_SEGMENT_BYTES = 6 * SEGMENT_BYTES;
const BUFFER_BYTES = 64 * 1024;
/** A buffer that a large file blew up is given back after its commit. */
const BUFFER_BYTES_KEPT = 4 * 1024 * 1024;

export class JournalWriter {
  /** The record in the making starts at 0. `add` may replace the buffer: read this property again after it. */
  buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  /** Where the last committed record lies. */
  segment = 0;
  recordOffset = 0;
  /** Of all records that this writer has committed. */
  appendedBytes = 0;
  readonly #segments: JournalSegments;
  readonly #progress: JournalProgress;
  readonly #segmentBytes: number;
  readonly #unsyncedSegmentBytes: number;
  #nextSegment: number;
  #nextSeq: number;
  #current: CurrentSegment | undefined;
  /** End of the record in the making; 0: none was begun. */
  #end = 0;

  constructor(directory: string, options: JournalWriterOptions) {
    this.#segments = new JournalSegments(directory, options.files ?? syncFileOperations);
    this.#progress = options.progress;
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    this.#unsyncedSegmentBytes =
      options.unsyncedSegmentBytes ?? options.segmentBytes ?? UNSYNCED_SEGMENT_BYTES;
    this.#nextSegment = options.nextSegment;
    this.#nextSeq = options.nextSeq;
  }

  /** Starts a record on behalf of FUSE request `unique` (0: of none). */
  begin(unique: number): void {
    if (this.#end !== 0) throw new Error('a journal record is already begun');
    writeU64(this.buffer, unique, RecordHeader.UNIQUE);
    this.#end = RecordHeader.SIZE;
  }

  /**
   * Adds an operation; the caller writes its `dataLength` bytes at the answered offset of `buffer` before it goes on.
   * Throws EFBIG or ENAMETOOLONG for what no record can hold; the record is then as before.
   */
  add(type: OpType, flags: number, path: string, arg: number, dataLength: number): number {
    const start = this.#end;
    if (start === 0) throw new Error('no journal record is begun');
    const pathBytes = Buffer.byteLength(path);
    if (pathBytes > PATH_BYTES_MAX)
      throw systemError('ENAMETOOLONG', 'append', `a path of ${pathBytes} bytes`);
    const dataOffset = start + OpHeader.SIZE + pathBytes;
    const end = dataOffset + dataLength;
    if (!(dataLength >= 0 && end <= RECORD_BYTES_MAX)) {
      throw systemError('EFBIG', 'append', `a journal record of ${end} bytes`);
    }
    this.#reserve(end);
    const bytes = this.buffer;
    bytes[start + OpHeader.TYPE] = type;
    bytes[start + OpHeader.FLAGS] = flags;
    bytes.writeUInt16LE(pathBytes, start + OpHeader.PATH_BYTES);
    bytes.writeUInt32LE(dataLength, start + OpHeader.DATA_BYTES);
    writeU64(bytes, arg, start + OpHeader.ARG);
    bytes.write(path, start + OpHeader.SIZE, 'utf8');
    this.#end = end;
    return dataOffset;
  }

  /**
   * Appends the record. On failure (ENOSPC, EDQUOT, EIO…) nothing of it remains in the journal, the error keeps its code,
   * and the record is dropped as by abort(). A record without operations is not written.
   */
  commit(): void {
    const end = this.#end;
    this.#end = 0;
    if (end === 0) throw new Error('no journal record is begun');
    if (end === RecordHeader.SIZE) return;
    this.closeRetired();
    const bytes = this.buffer;
    bytes.writeUInt32LE(end - RecordHeader.SIZE, RecordHeader.LENGTH);
    writeU64(bytes, this.#nextSeq, RecordHeader.SEQ);
    bytes.writeUInt32LE(recordCrc(bytes, 0, end), RecordHeader.CRC);
    const current = this.#segmentFor(end);
    this.#append(current, end);
    this.segment = current.number;
    this.recordOffset = current.bytes;
    current.bytes += end;
    this.appendedBytes += end;
    this.#nextSeq++;
    this.#progress.appended(current.number, current.bytes);
    if (bytes.length > BUFFER_BYTES_KEPT) this.buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  }

  /** Drops the record in the making; no-op without one. */
  abort(): void {
    this.#end = 0;
  }

  /** The position in `segment` of what lay at `bufferOffset`; good from commit() to the next begin(). */
  positionOf(bufferOffset: number): number {
    return this.recordOffset + bufferOffset;
  }

  /** The next append opens a new segment. Returns the last closed one, which a checkpoint may take from then on. */
  roll(): number {
    if (this.#current) this.#current.closing = true;
    return this.#nextSegment - 1;
  }

  /**
   * Reads bytes of any live segment, into `out` when it is given. Throws ENOENT for a retired segment (progress.retired
   * tells beforehand; the content is in the cache) and EIO for bytes that are not there.
   */
  readSync(
    segment: number,
    position: number,
    length: number,
    out: Buffer = Buffer.allocUnsafe(length),
  ): Buffer {
    this.closeRetired();
    return this.#segments.read(segment, position, length, out);
  }

  /** Gives the disk space of retired segments back; every append and read does so too. */
  closeRetired(): void {
    this.#segments.closeUpTo(this.#progress.retired);
  }

  close(): void {
    this.abort();
    this.#segments.closeAll();
    this.#current = undefined;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.buffer.length) return;
    const size = Math.max(bytes, Math.min(this.buffer.length * 2, RECORD_BYTES_MAX));
    const larger = Buffer.allocUnsafeSlow(size);
    this.buffer.copy(larger, 0, 0, this.#end);
    this.buffer = larger;
  }

  /** A segment is made durable before the next one starts: a hole between two of them is never a power cut's work. */
  #segmentFor(recordBytes: number): CurrentSegment {
    const current = this.#current;
    // Once the segments before it are gone, nothing in it would tell a replay that no record is missing before the next one.
    if (current?.isTorn && current.number > this.#progress.retired) this.#cutOff(current);
    const limit = this.#progress.synced ? this.#segmentBytes : this.#unsyncedSegmentBytes;
    const full = current && current.bytes + recordBytes > limit && current.bytes > SegmentHeader.SIZE;
    if (current && !full && !current.closing) return current;
    if (current && !this.#progress.synced) this.#segments.sync(current.number);
    const number = this.#nextSegment++;
    this.#segments.create(number);
    this.#current = { number, bytes: SegmentHeader.SIZE, closing: false, isTorn: false };
    return this.#current;
  }

  #cutOff(current: CurrentSegment): void {
    this.#segments.truncate(current.number, current.bytes);
    current.isTorn = false;
  }

  #append(current: CurrentSegment, end: number): void {
    try {
      this.#segments.append(current.number, this.buffer, end);
    } catch (error) {
      try {
        this.#cutOff(current);
      } catch {
        // The torn record stays as the end of an abandoned segment; the next one goes on with the same seq.
        current.closing = true;
        current.isTorn = current.bytes === SegmentHeader.SIZE;
      }
      throw error;
    }
  }
}
