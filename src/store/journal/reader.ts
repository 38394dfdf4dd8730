/** Takes segments apart. Nothing in them is believed before its checksum, lengths and order were checked. */
import { SessionfsError } from '../../lib/errors.ts';
import {
  allowedFlag,
  type JournalOp,
  OpFlag,
  OpHeader,
  type OpPlace,
  OpType,
  RECORD_BYTES_MAX,
  type RecordCrc,
  RecordHeader,
  readU64,
  recordCrcOf,
  SEGMENT_MAGIC,
  SEGMENT_VERSION,
  SegmentHeader,
} from './format.ts';

export type OpVisitor = (op: JournalOp, place: OpPlace) => void;

export interface SegmentScan {
  segment: number;
  /** Whole records in order, from the start. */
  records: number;
  /** Where the last of them ends. */
  goodBytes: number;
  /** What lies behind: a record that was being written when the process or the machine stopped, or damage. */
  tornBytes: number;
}

interface ParsedRecord {
  seq: number;
  unique: number;
  ops: { op: JournalOp; dataPosition: number }[];
  end: number;
}

/** Scans segments in order, and knows what must follow what. */
export class JournalChain {
  #expectedSeq: number | undefined;
  #torn = false;

  /** The seq after the last record seen; undefined: none was seen. */
  get nextSeq(): number | undefined {
    return this.#expectedSeq;
  }

  /**
   * Visits the operations of every whole record. Throws JOURNAL_CORRUPT, before any visit, when records are missing
   * between the segments before and this one, and CACHE_FORMAT for a segment of another version.
   */
  scan(segment: number, bytes: Buffer, visit: OpVisitor): SegmentScan {
    const crc = checkHeader(segment, bytes);
    let at = crc === undefined ? 0 : SegmentHeader.SIZE;
    let records = 0;
    while (crc !== undefined) {
      const record = parseRecord(bytes, at, crc);
      if (!record || !this.#follows(record.seq, segment, records === 0)) break;
      const { seq, unique } = record;
      for (const { op, dataPosition } of record.ops) visit(op, { seq, unique, segment, dataPosition });
      this.#expectedSeq = seq + 1;
      records++;
      at = record.end;
    }
    // No more than a header: it was never appended to (a full disk, or a power cut, took the header), so nothing is missing.
    this.#torn ||= at < bytes.length && bytes.length > SegmentHeader.SIZE;
    return { segment, records, goodBytes: at, tornBytes: bytes.length - at };
  }

  #follows(seq: number, segment: number, firstOfSegment: boolean): boolean {
    if (seq === this.#expectedSeq) return true;
    if (!firstOfSegment) return false;
    if (this.#expectedSeq === undefined && !this.#torn) return true;
    const missing = this.#expectedSeq === undefined ? 'the first ones' : `number ${this.#expectedSeq} on`;
    throw new SessionfsError(
      'JOURNAL_CORRUPT',
      `journal segment ${segment} follows records that are missing, ${missing}`,
      {
        hint:
          'The disk lost or changed part of the journal. Copy the cache directory away, then remove the segments from ' +
          'this one on: what was written since is lost, every file keeps the version before.',
      },
    );
  }
}

/** How its records are checked. Undefined: the segment has no header (yet), so nothing of it was ever complete. */
function checkHeader(segment: number, bytes: Buffer): RecordCrc | undefined {
  if (bytes.length < SegmentHeader.SIZE) return undefined;
  if (bytes.readUInt32LE(SegmentHeader.MAGIC) !== SEGMENT_MAGIC) return undefined;
  const version = bytes.readUInt32LE(SegmentHeader.VERSION);
  // No version is 0: the rest of the header was lost in a power cut.
  if (version === 0) return undefined;
  const crc = recordCrcOf(version);
  if (crc === undefined) {
    throw new SessionfsError(
      'CACHE_FORMAT',
      `journal segment ${segment} has version ${version}, not ${SEGMENT_VERSION}`,
      {
        hint: 'Start the version of sessionfs that wrote it, and stop it cleanly: that leaves no journal behind.',
      },
    );
  }
  return readU64(bytes, SegmentHeader.NUMBER) === segment ? crc : undefined;
}

function parseRecord(bytes: Buffer, start: number, crc: RecordCrc): ParsedRecord | undefined {
  const payload = start + RecordHeader.SIZE;
  if (payload > bytes.length) return undefined;
  const length = bytes.readUInt32LE(start + RecordHeader.LENGTH);
  const end = payload + length;
  if (length === 0 || length > RECORD_BYTES_MAX || end > bytes.length) return undefined;
  if (bytes.readUInt32LE(start + RecordHeader.CRC) !== crc(bytes, start, end)) return undefined;
  const seq = readU64(bytes, start + RecordHeader.SEQ);
  const unique = readU64(bytes, start + RecordHeader.UNIQUE);
  const ops: ParsedRecord['ops'] = [];
  for (let at = payload; at < end; ) {
    const next = parseOp(bytes, at, end);
    if (!next) return undefined;
    ops.push(next);
    at = next.dataPosition + next.op.data.length;
  }
  return Number.isNaN(seq) || Number.isNaN(unique) ? undefined : { seq, unique, ops, end };
}

function parseOp(bytes: Buffer, start: number, end: number): ParsedRecord['ops'][number] | undefined {
  const pathStart = start + OpHeader.SIZE;
  if (pathStart > end) return undefined;
  const type = bytes[start + OpHeader.TYPE] as number;
  const flags = bytes[start + OpHeader.FLAGS] as number;
  const arg = readU64(bytes, start + OpHeader.ARG);
  const dataPosition = pathStart + bytes.readUInt16LE(start + OpHeader.PATH_BYTES);
  const dataEnd = dataPosition + bytes.readUInt32LE(start + OpHeader.DATA_BYTES);
  if (dataEnd > end || !isOpType(type) || Number.isNaN(arg)) return undefined;
  if (flags !== OpFlag.NONE && flags !== allowedFlag(type)) return undefined;
  const path = bytes.toString('utf8', pathStart, dataPosition);
  if (!isMountPath(path) || (path === '' && type !== OpType.DIRECTORY_META)) return undefined;
  return { op: { type, flags, path, arg, data: bytes.subarray(dataPosition, dataEnd) }, dataPosition };
}

function isOpType(value: number): value is OpType {
  return value >= OpType.PUT && value <= OpType.NODE;
}

function isMountPath(path: string): boolean {
  return !path.startsWith('/') && !path.endsWith('/') && !path.includes('//') && !path.includes('\0');
}
