/** The rollback journal: pages as they were before the transaction that is under way. */
import { isPageSize, isPowerOfTwo, pageSizeOf, resized, viewOf } from './format.ts';
import type { PagePositions } from './pages.ts';

const MAGIC = Buffer.from('d9d505f920a163d7', 'hex');
const MAGIC_START = 0xd9d505f9;
const MAGIC_END = 0x20a163d7;
const HEADER_FIELDS_BYTES = 28;
const SECTOR_BYTES_MIN = 32;
const SECTOR_BYTES_MAX = 65_536;
/** As many records as the file has room for: the header was written without a sync. */
const UNCOUNTED = 0xffffffff;
/** The page that locks lie on is never written. */
const LOCKED_BYTE = 0x40000000;
/** Every so many bytes of a page, from its end, count for its checksum. */
const CHECKSUM_STEP = 200;
const NUMBER_BYTES = 4;
const CHECKSUM_BYTES = 4;
const SUPER_TRAILER_BYTES = 16;
/** What is longer is no path. */
const SUPER_NAME_BYTES_MAX = 4_096;

interface Header {
  readonly records: number;
  readonly nonce: number;
  readonly databasePages: number;
  readonly sectorBytes: number;
  readonly pageBytes: number;
}

/**
 * Takes back the transaction that the journal belongs to, as SQLite does with the journal of a process that was killed. May change
 * `database`. Throws SqliteError where that takes more than `maxBytes`.
 */
export function rollBack(database: Uint8Array, journal: Uint8Array, maxBytes: number): Uint8Array {
  const before = pagesBefore(database, journal);
  if (before === undefined) return database;
  const { pageBytes, databasePages, positions } = before;
  const rolledBack = resized(database, databasePages * pageBytes, maxBytes);
  for (const [number, position] of positions)
    rolledBack.set(journal.subarray(position, position + pageBytes), (number - 1) * pageBytes);
  return rolledBack;
}

/** What the transaction changes: the pages before it, where they lie in the journal. */
export interface PagesBefore {
  readonly pageBytes: number;
  readonly databasePages: number;
  readonly positions: PagePositions;
}

/** Undefined: no transaction is under way, or it has changed nothing yet. */
export function pagesBefore(database: Uint8Array, journal: Uint8Array): PagesBefore | undefined {
  const view = viewOf(journal);
  const first = readHeader(view, 0);
  if (first === undefined) return undefined;
  const sizes = sizesIn(journal, database);
  if (sizes === undefined) return undefined;
  const { sectorBytes, pageBytes } = sizes;
  const { databasePages } = first;
  const positions = new Map<number, number>();
  const found = { pageBytes, databasePages, positions };
  for (let at = 0; ; ) {
    const header = readHeader(view, at);
    if (header === undefined || at + sectorBytes > journal.length) return found;
    const end = readRecords(found, view, at + sectorBytes, header);
    if (end === undefined) return found;
    at = Math.ceil(end / sectorBytes) * sectorBytes;
  }
}

/** The records behind one header. Returns where they end; undefined: none of the rest counts. */
function readRecords(
  { positions, pageBytes, databasePages }: PagesBefore & { positions: Map<number, number> },
  view: DataView,
  start: number,
  { records, nonce }: Pick<Header, 'records' | 'nonce'>,
): number | undefined {
  const recordBytes = NUMBER_BYTES + pageBytes + CHECKSUM_BYTES;
  const room = Math.floor((view.byteLength - start) / recordBytes);
  const lockedPage = LOCKED_BYTE / pageBytes + 1;
  let at = start;
  for (let left = records === UNCOUNTED ? room : records; left > 0; left--, at += recordBytes) {
    if (at + recordBytes > view.byteLength) return undefined;
    const number = view.getUint32(at);
    if (number === 0 || number === lockedPage) return undefined;
    if (number > databasePages) continue;
    const sum = checksumOf(view, at + NUMBER_BYTES, pageBytes, nonce);
    if (view.getUint32(at + NUMBER_BYTES + pageBytes) !== sum) return undefined;
    positions.set(number, at + NUMBER_BYTES);
  }
  return at;
}

function checksumOf(view: DataView, start: number, pageBytes: number, nonce: number): number {
  let sum = nonce;
  for (let at = pageBytes - CHECKSUM_STEP; at > 0; at -= CHECKSUM_STEP) sum += view.getUint8(start + at);
  return sum >>> 0;
}

/** The file begins as a journal does whose transaction is not over. */
export function isJournal(content: Uint8Array): boolean {
  return content.length >= MAGIC.length && MAGIC.equals(content.subarray(0, MAGIC.length));
}

/** Costs little: a journal may have millions of headers. */
function readHeader(
  view: DataView,
  at: number,
): Pick<Header, 'records' | 'nonce' | 'databasePages'> | undefined {
  if (at + HEADER_FIELDS_BYTES > view.byteLength) return undefined;
  if (view.getUint32(at) !== MAGIC_START || view.getUint32(at + 4) !== MAGIC_END) return undefined;
  return {
    records: view.getUint32(at + 8),
    nonce: view.getUint32(at + 12),
    databasePages: view.getUint32(at + 16),
  };
}

/** Only the first header counts. Undefined: they were not written whole, so nothing was changed yet. */
function sizesIn(
  journal: Uint8Array,
  database: Uint8Array,
): Pick<Header, 'sectorBytes' | 'pageBytes'> | undefined {
  const view = viewOf(journal);
  const sectorBytes = view.getUint32(20);
  const pageBytes = view.getUint32(24) || (pageSizeOf(database) ?? 0);
  const isSector =
    sectorBytes >= SECTOR_BYTES_MIN && sectorBytes <= SECTOR_BYTES_MAX && isPowerOfTwo(sectorBytes);
  if (!isSector || !isPageSize(pageBytes) || journal.length < sectorBytes) return undefined;
  return { sectorBytes, pageBytes };
}

/**
 * The file that has to be there for the journal to count, where one transaction changes several databases; undefined: none. SQLite
 * deletes that file when all of them are committed.
 */
export function superJournalOf(journal: Uint8Array): string | undefined {
  if (journal.length < SUPER_TRAILER_BYTES) return undefined;
  const trailer = journal.length - SUPER_TRAILER_BYTES;
  const view = viewOf(journal);
  const length = view.getUint32(trailer);
  if (
    length === 0 ||
    length > Math.min(trailer, SUPER_NAME_BYTES_MAX) ||
    !MAGIC.equals(journal.subarray(trailer + 8))
  )
    return undefined;
  const name = journal.subarray(trailer - length, trailer);
  let sum = view.getInt32(trailer + 4);
  // SQLite's char is signed.
  for (const byte of name) sum = (sum - ((byte << 24) >> 24)) | 0;
  return sum === 0 ? Buffer.from(name).toString('utf8') : undefined;
}
