/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of the journal. Slice-by-8: eight tables let the loop take
 * eight bytes a turn.
 */
const POLYNOMIAL_REFLECTED = 0x82f63b78;
const SLICES = 8;

/** Table s lies at s * 256 and tells what a byte does to the checksum when s more bytes follow it in the same turn. */
const tables = buildTables();

function buildTables(): Int32Array {
  const table = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL_REFLECTED : crc >>> 1;
    table[byte] = crc;
  }
  for (let index = 256; index < table.length; index++) {
    const previous = table[index - 256] as number;
    table[index] = (previous >>> 8) ^ (table[previous & 0xff] as number);
  }
  return table;
}

/**
 * The checksum of bytes `start` to `end` (exclusive), as an unsigned 32-bit number. Incremental: pass the checksum of
 * what came before as `previous`. Throws RangeError when the range does not lie in `bytes`.
 */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length, previous = 0): number {
  if (!(start >= 0 && start <= end && end <= bytes.length)) {
    throw new RangeError(`crc32c of bytes ${start} to ${end} of ${bytes.length}`);
  }
  const t = tables;
  let crc = ~previous;
  let at = start;
  for (const last = end - 7; at < last; at += 8) {
    const low =
      crc ^
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24));
    crc =
      (t[1792 + (low & 0xff)] as number) ^
      (t[1536 + ((low >>> 8) & 0xff)] as number) ^
      (t[1280 + ((low >>> 16) & 0xff)] as number) ^
      (t[1024 + (low >>> 24)] as number) ^
      (t[768 + (bytes[at + 4] as number)] as number) ^
      (t[512 + (bytes[at + 5] as number)] as number) ^
      (t[256 + (bytes[at + 6] as number)] as number) ^
      (t[bytes[at + 7] as number] as number);
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ (t[(crc ^ (bytes[at] as number)) & 0xff] as number);
  return ~crc >>> 0;
}

/** As object stores write it: base64 of its four bytes, the highest first. */
export function encodeCrc32c(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}
