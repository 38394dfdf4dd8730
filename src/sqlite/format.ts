/** What SQLite's three kinds of files have in common; https://sqlite.org/fileformat2.html has the tables. Integers are big-endian. */

const MAGIC = Buffer.from('SQLite format 3\0', 'latin1');

export const PAGE_BYTES_MIN = 512;
export const PAGE_BYTES_MAX = 65_536;

/** What a file says cannot be carried out within the limits of this machine, or is of a version that is not known. */
export class SqliteError extends Error {}

export function isDatabase(content: Uint8Array): boolean {
  return content.length >= MAGIC.length && MAGIC.equals(content.subarray(0, MAGIC.length));
}

export function isPageSize(bytes: number): boolean {
  return bytes >= PAGE_BYTES_MIN && bytes <= PAGE_BYTES_MAX && isPowerOfTwo(bytes);
}

export function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

/** Of a database; undefined: its header does not say a valid one. */
export function pageSizeOf(database: Uint8Array): number | undefined {
  if (database.length < 18) return undefined;
  const stored = viewOf(database).getUint16(16);
  const bytes = stored === 1 ? PAGE_BYTES_MAX : stored;
  return isPageSize(bytes) ? bytes : undefined;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Cuts the content to so many bytes, or fills it up with zeros. Throws SqliteError beyond `maxBytes`. */
export function resized(content: Uint8Array, bytes: number, maxBytes: number): Uint8Array {
  if (bytes > maxBytes) throw new SqliteError(`the database is to have ${bytes} bytes`);
  if (bytes <= content.length) return content.subarray(0, bytes);
  const grown = new Uint8Array(bytes);
  grown.set(content);
  return grown;
}
