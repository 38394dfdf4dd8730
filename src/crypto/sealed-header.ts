/** The header of a sealed file, version 1: named offsets, written and read field by field. docs/file-format.md has the table. */
import { ciphertextSize, IV_SIZE, TAG_SIZE } from './aead.ts';
import type { DerivedKey } from './keyring.ts';
import { SealError } from './seal-error.ts';
import { readTimestamp, writeTimestamp } from './timestamp.ts';

/** 'SFS1' read as a little-endian word. */
const MAGIC = 0x31534653;
const SUITE_A256CBC_HS512 = 1;
/** XAES-256-GCM, of pieces in the journal. No file in a cache or bucket has it. */
export const PIECE_SUITE = 2;

const Offset = {
  magic: 0,
  /** The suite's byte and three zero bytes, one word. */
  suite: 4,
  keyId: 8,
  plainLength: 16,
  mtime: 24,
  mode: 32,
  uid: 36,
  gid: 40,
  zero: 44,
  iv: 48,
  ciphertext: 64,
} as const;

export const KEY_ID_OFFSET = Offset.keyId;
export const IV_OFFSET = Offset.iv;
export const HEADER_SIZE = Offset.iv + IV_SIZE;
/** What of the header is associated data: all but the IV, which the tag covers as such. */
export const ASSOCIATED_SIZE = Offset.iv;
/** A uid or gid that stands for the owner of the mount that the file is restored to. */
export const OWNER = 0xffffffff;
/** 1 GiB: one file is sealed and opened whole, in memory. */
export const PLAIN_LENGTH_MAX = 2 ** 30;

const SEALED_SIZE_MIN = HEADER_SIZE + ciphertextSize(0) + TAG_SIZE;

/** What a sealed file says about its plaintext besides the content. Integers; all u32 except mtimeSec. */
export interface SealedMeta {
  mode: number;
  /** A numeric user, or OWNER. */
  uid: number;
  /** A numeric group, or OWNER. */
  gid: number;
  /** Seconds since the epoch; stored as 0 when before it. */
  mtimeSec: number;
  mtimeNsec: number;
}

export interface SealedHeader {
  meta: SealedMeta;
  /** Bytes. */
  plainLength: number;
  /** 16 hex digits. */
  keyId: string;
}

/** The size in bytes of the sealed file of a plaintext of `plainLength` bytes. */
export function sealedSize(plainLength: number): number {
  return HEADER_SIZE + ciphertextSize(plainLength) + TAG_SIZE;
}

/** Everything before the IV. Throws RangeError for a mode or owner that is not a u32. */
export function writeHeader(
  out: Buffer,
  offset: number,
  key: DerivedKey,
  meta: SealedMeta,
  plainLength: number,
  suite = SUITE_A256CBC_HS512,
): void {
  out.writeUInt32LE(MAGIC, offset + Offset.magic);
  out.writeUInt32LE(suite, offset + Offset.suite);
  out.writeUInt32LE(key.idLow, offset + Offset.keyId);
  out.writeUInt32LE(key.idHigh, offset + Offset.keyId + 4);
  out.writeUInt32LE(plainLength, offset + Offset.plainLength);
  out.writeUInt32LE(0, offset + Offset.plainLength + 4);
  writeTimestamp(out, offset + Offset.mtime, meta.mtimeSec, meta.mtimeNsec);
  out.writeUInt32LE(meta.mode, offset + Offset.mode);
  out.writeUInt32LE(meta.uid, offset + Offset.uid);
  out.writeUInt32LE(meta.gid, offset + Offset.gid);
  out.writeUInt32LE(0, offset + Offset.zero);
}

/**
 * Reads a header that is not authenticated: enough to answer a stat, not to trust. `header` holds at least the first
 * HEADER_SIZE bytes of a file of `fileSize` bytes. Every field is checked; throws SealError.
 */
export function readHeader(header: Buffer, fileSize: number): SealedHeader {
  return {
    plainLength: checkedPlainLength(header, fileSize),
    keyId: header.toString('hex', Offset.keyId, Offset.plainLength),
    meta: readMeta(header),
  };
}

/** The plaintext's length in bytes, once magic, suite, zeros and both lengths are as they must be; else SealError. */
export function checkedPlainLength(header: Buffer, fileSize: number): number {
  if (header.length >= 4 && header.readUInt32LE(Offset.magic) !== MAGIC) throw new SealError('not-sealed');
  if (header.length < HEADER_SIZE || fileSize < SEALED_SIZE_MIN) throw new SealError('truncated');
  requireSuite(header.readUInt32LE(Offset.suite));
  if (header.readUInt32LE(Offset.zero) !== 0) throw new SealError('not-sealed');
  const plainLength = readPlainLength(header);
  const expected = sealedSize(plainLength);
  if (fileSize !== expected) throw new SealError(fileSize < expected ? 'truncated' : 'length-mismatch');
  return plainLength;
}

/** What a header that is there whole says of the length of its plaintext. Throws SealError beyond PLAIN_LENGTH_MAX. */
export function readPlainLength(header: Buffer): number {
  const plainLength = header.readUInt32LE(Offset.plainLength);
  const beyond = header.readUInt32LE(Offset.plainLength + 4);
  if (beyond !== 0 || plainLength > PLAIN_LENGTH_MAX) throw new SealError('length-mismatch');
  return plainLength;
}

/** undefined: no sealed file of any version begins like this. */
export function suiteOf(sealed: Buffer): number | undefined {
  const isSealed = sealed.length >= Offset.keyId && sealed.readUInt32LE(Offset.magic) === MAGIC;
  return isSealed ? sealed.readUInt32LE(Offset.suite) : undefined;
}

function requireSuite(word: number): void {
  if ((word & 0xff) !== SUITE_A256CBC_HS512) throw new SealError('unknown-suite');
  if (word !== SUITE_A256CBC_HS512) throw new SealError('not-sealed');
}

export function readMeta(header: Buffer): SealedMeta {
  const { sec, nsec } = readTimestamp(header, Offset.mtime);
  return {
    mode: header.readUInt32LE(Offset.mode),
    uid: header.readUInt32LE(Offset.uid),
    gid: header.readUInt32LE(Offset.gid),
    mtimeSec: sec,
    mtimeNsec: nsec,
  };
}
