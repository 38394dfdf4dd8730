/**
 * A time as u64 nanoseconds since the epoch, little-endian, without BigInt: a seal is on the write path. Every
 * intermediate value stays below 2^53, where JS numbers are exact.
 */
const NSEC_PER_SEC = 1e9;
const WORD = 2 ** 32;
const HALF_WORD = 2 ** 16;

/** The last whole second that 64 bits of nanoseconds hold, in the year 2554. */
export const TIMESTAMP_SEC_MAX = 18446744072;

/** Times before 1970 become 0, times after 2554 the last second that fits. Throws RangeError for nsec outside 0..999999999. */
export function writeTimestamp(out: Buffer, offset: number, sec: number, nsec: number): void {
  if (!(nsec >= 0 && nsec < NSEC_PER_SEC)) throw new RangeError('nanoseconds are outside 0..999999999');
  if (!(sec >= 0)) {
    writeWords(out, offset, 0, 0);
    return;
  }
  const whole = Math.min(Math.trunc(sec), TIMESTAMP_SEC_MAX);
  const upper = Math.floor(whole / HALF_WORD) * NSEC_PER_SEC;
  const lower = (whole % HALF_WORD) * NSEC_PER_SEC + Math.trunc(nsec);
  const low = (upper % HALF_WORD) * HALF_WORD + (lower % WORD);
  const high = Math.floor(upper / HALF_WORD) + Math.floor(lower / WORD) + Math.floor(low / WORD);
  writeWords(out, offset, low % WORD, high);
}

export function readTimestamp(buffer: Buffer, offset: number): { sec: number; nsec: number } {
  const low = buffer.readUInt32LE(offset);
  const high = buffer.readUInt32LE(offset + 4);
  const middle = (high % NSEC_PER_SEC) * HALF_WORD + Math.floor(low / HALF_WORD);
  const rest = (middle % NSEC_PER_SEC) * HALF_WORD + (low % HALF_WORD);
  const sec =
    Math.floor(high / NSEC_PER_SEC) * WORD +
    Math.floor(middle / NSEC_PER_SEC) * HALF_WORD +
    Math.floor(rest / NSEC_PER_SEC);
  return { sec, nsec: rest % NSEC_PER_SEC };
}

function writeWords(out: Buffer, offset: number, low: number, high: number): void {
  out.writeUInt32LE(low, offset);
  out.writeUInt32LE(high, offset + 4);
}
