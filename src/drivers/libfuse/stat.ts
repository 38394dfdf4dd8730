/** stat(2) and statvfs(2) as the native side takes them: arrays of 32-bit words, times in whole milliseconds. */
import type { Attributes, FilesystemStatistics } from '../../fs/contract.ts';

const STAT_WORDS = 18;
const STATFS_WORDS = 11;
const TWO_TO_31 = 2 ** 31;
const TWO_TO_32 = 2 ** 32;
const STAT_BLOCK_BYTES = 512;
const PREFERRED_IO_BYTES = 4096;
/** What libfuse itself says where no number is known. */
const UNKNOWN_INO = 0xffff_ffff;
const WORD_MAX = TWO_TO_32 - 1;

export function newStat(): Uint32Array {
  return new Uint32Array(STAT_WORDS);
}

export function newStatistics(): Uint32Array {
  return new Uint32Array(STATFS_WORDS);
}

/** Order: mode, uid, gid, size (2 words), dev, nlink, ino, rdev, blksize, blocks (2), atime (2), mtime (2), ctime (2). */
export function putStat(out: Uint32Array, attributes: Attributes, size = attributes.size): Uint32Array {
  out[0] = attributes.mode;
  out[1] = attributes.uid;
  out[2] = attributes.gid;
  putU64(out, 3, size);
  out[5] = 0;
  out[6] = attributes.nlink;
  out[7] = attributes.ino;
  out[8] = 0;
  out[9] = PREFERRED_IO_BYTES;
  putU64(out, 10, Math.ceil(size / STAT_BLOCK_BYTES));
  putU64(out, 12, milliseconds(attributes.atimeSec, attributes.atimeNsec));
  putU64(out, 14, milliseconds(attributes.mtimeSec, attributes.mtimeNsec));
  putU64(out, 16, milliseconds(attributes.ctimeSec, attributes.ctimeNsec));
  return out;
}

/** What a listing says of a child: what it is, and its number, without which getdents(2) leaves it out. */
export function typeOnly(type: number, ino: number): Uint32Array {
  const out = newStat();
  out[0] = type;
  out[7] = ino === 0 ? UNKNOWN_INO : ino;
  return out;
}

export function putStatistics(out: Uint32Array, statistics: FilesystemStatistics): Uint32Array {
  const { blockSize, blocks, blocksFree, blocksAvailable, files, filesFree, nameLengthMax } = statistics;
  const words = [blockSize, blockSize, blocks, blocksFree, blocksAvailable, files, filesFree, filesFree];
  for (const [index, value] of words.entries()) out[index] = Math.min(value, WORD_MAX);
  out[10] = nameLengthMax;
  return out;
}

/** Not negative: before 1970 there is nothing. */
function milliseconds(sec: number, nsec: number): number {
  return Math.max(0, sec * 1000 + Math.floor(nsec / 1_000_000));
}

export function timeOf(ms: number): { sec: number; nsec: number } {
  const sec = Math.floor(ms / 1000);
  return { sec, nsec: (ms - sec * 1000) * 1_000_000 };
}

export function u64(low: number, high: number): number {
  return high * TWO_TO_32 + low;
}

/** Times before 1970 are negative. */
export function i64(low: number, high: number): number {
  return u64(low, high < TWO_TO_31 ? high : high - TWO_TO_32);
}

function putU64(out: Uint32Array, at: number, value: number): void {
  out[at] = value % TWO_TO_32;
  out[at + 1] = Math.floor(value / TWO_TO_32);
}
