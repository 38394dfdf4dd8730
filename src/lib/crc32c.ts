/** CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of Cloud Storage, of ledgers, and of older journals. */
import { crcTables, slicedCrc } from './sliced-crc.ts';

const tables = crcTables(0x82f63b78);

/**
 * The checksum of bytes `start` to `end` (exclusive), as an unsigned 32-bit number. Incremental: pass the checksum of
 * what came before as `previous`. Throws RangeError when the range does not lie in `bytes`.
 */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length, previous = 0): number {
  return slicedCrc(tables, bytes, start, end, previous);
}

/** As object stores write it: base64 of its four bytes, the highest first. */
export function encodeCrc32c(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}
