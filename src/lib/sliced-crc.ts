/** 32-bit cyclic checksums of any polynomial. Slice-by-8: eight tables let the loop take eight bytes a turn. */
const SLICES = 8;

/** `polynomial`: reflected. Table s lies at s * 256 and tells what a byte does to the checksum when s more bytes follow it in the same turn. */
export function crcTables(polynomial: number): Int32Array {
  const table = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    table[byte] = crc;
  }
  for (let index = 256; index < table.length; index++) {
    const previous = table[index - 256] as number;
    table[index] = (previous >>> 8) ^ (table[previous & 0xff] as number);
  }
  return table;
}

/** Of bytes `start` to `end` (exclusive); `previous`: of what came before. Throws RangeError when the range does not lie in `bytes`. */
export function slicedCrc(
  t: Int32Array,
  bytes: Uint8Array,
  start: number,
  end: number,
  previous: number,
): number {
  if (!(start >= 0 && start <= end && end <= bytes.length)) {
    throw new RangeError(`checksum of bytes ${start} to ${end} of ${bytes.length}`);
  }
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
