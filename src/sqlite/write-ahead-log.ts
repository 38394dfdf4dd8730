/** The write-ahead log: pages that transactions wrote and that are not, or not known to be, in the database yet. */
import { isPageSize, resized, SqliteError, viewOf } from './format.ts';
import { isSamePage, type PagePositions, type Pages, pagesOf } from './pages.ts';

/** Where the first transaction begins. */
export const LOG_START = 32;
const HEADER_BYTES = LOG_START;
const FRAME_HEADER_BYTES = 24;
/** The lowest bit says in which order the checksums take the bytes. */
const MAGIC = 0x377f0682;
const VERSION = 3_007_000;

interface CommittedFrames {
  readonly pageBytes: number;
  /** Where in the log the newest committed content of each page begins, by the page's number. */
  readonly pages: ReadonlyMap<number, number>;
  /** Pages of the database after the last commit. */
  readonly databasePages: number;
}

/**
 * Writes every committed page of the log into the database, as SQLite's checkpoint does, also where a checkpoint has done so with
 * some of them. May change `database`. Throws SqliteError where that takes more than `maxBytes`, or the log has an unknown version.
 */
export function foldLog(database: Uint8Array, log: Uint8Array, maxBytes: number): Uint8Array {
  const committed = committedFrames(log);
  if (committed === undefined) return database;
  const { pageBytes, pages, databasePages } = committed;
  const folded = resized(database, databasePages * pageBytes, maxBytes);
  for (const [number, position] of pages)
    if (number <= databasePages)
      folded.set(log.subarray(position, position + pageBytes), (number - 1) * pageBytes);
  return folded;
}

/** Undefined: the log has no complete transaction. What follows the first frame that does not fit is from an earlier use of the file. */
function committedFrames(log: Uint8Array): CommittedFrames | undefined {
  const header = readHeader(log);
  if (header === undefined) return undefined;
  const { pageBytes, checksum } = header;
  const view = viewOf(log);
  const fits = (at: number) => {
    checksum.add(view, at, 8);
    checksum.add(view, at + FRAME_HEADER_BYTES, pageBytes);
    return checksum.is(view, at + 16);
  };
  return together(pageBytes, transactionsOf(log, header, HEADER_BYTES, fits));
}

/** Undefined: there are none. */
function together(pageBytes: number, transactions: Iterable<Transaction>): CommittedFrames | undefined {
  const pages = new Map<number, number>();
  let databasePages = 0;
  for (const transaction of transactions) {
    for (const [page, position] of transaction.pages) pages.set(page, position);
    databasePages = transaction.databasePages;
  }
  return databasePages === 0 ? undefined : { pageBytes, pages, databasePages };
}

/**
 * Whether the database has everything already that its log may have committed, as after the checkpoint of SQLite's last close. Costs
 * no more than the log is long, and no checksum. Throws SqliteError where the log has an unknown version.
 */
export function isCheckpointed(database: Uint8Array, log: Uint8Array): boolean {
  const header = readLogHeader(log);
  const committed = header && together(header.pageBytes, transactionsOf(log, header));
  if (committed === undefined) return true;
  const { pageBytes, pages, databasePages } = committed;
  if (database.length !== databasePages * pageBytes) return false;
  const below = pagesOf(database, pageBytes);
  const isIn = ([number, position]: [number, number]) =>
    number > databasePages || isSamePage(below.page(number), log.subarray(position, position + pageBytes));
  return [...pages].every(isIn);
}

export interface LogHeader {
  readonly pageBytes: number;
  /** Another one is another use of the file. */
  readonly salt: readonly [number, number];
}

/** Undefined: there is no log yet, or none of SQLite. Throws SqliteError for an unknown version. */
export function readLogHeader(log: Uint8Array): LogHeader | undefined {
  return readHeader(log);
}

/** What one transaction wrote. */
export interface Transaction {
  /** Where it ends in the log, and the next one begins. */
  readonly end: number;
  readonly pages: PagePositions;
  /** Pages of the database after it. */
  readonly databasePages: number;
}

/**
 * The committed transactions from there on, as their writers left them: without `fits`, which says so of each frame, no checksum is
 * computed, which is what takes time. So only that is certain which `foldLog` finds too.
 */
export function* transactionsOf(
  log: Uint8Array,
  { pageBytes, salt }: LogHeader,
  from = HEADER_BYTES,
  fits: (frame: number) => boolean = () => true,
): Generator<Transaction> {
  const view = viewOf(log);
  const frameBytes = FRAME_HEADER_BYTES + pageBytes;
  let pages = new Map<number, number>();
  for (let at = from; at + frameBytes <= log.length; at += frameBytes) {
    const number = view.getUint32(at);
    if (number === 0 || view.getUint32(at + 8) !== salt[0] || view.getUint32(at + 12) !== salt[1]) return;
    if (!fits(at)) return;
    pages.set(number, at + FRAME_HEADER_BYTES);
    const databasePages = view.getUint32(at + 4);
    if (databasePages === 0) continue;
    yield { end: at + frameBytes, pages, databasePages };
    pages = new Map();
  }
}

/**
 * The end of the last transaction that a checkpoint has, or may have, written pages of into the database: what the log says of
 * earlier ones does not fit to it any more.
 */
export function checkpointedEnd(database: Pages, log: Uint8Array, header: LogHeader): number {
  let end = LOG_START;
  for (const transaction of transactionsOf(log, header)) {
    const isIn = ([number, position]: [number, number]) =>
      isSamePage(database.page(number), log.subarray(position, position + header.pageBytes));
    if ([...transaction.pages].some(isIn)) end = transaction.end;
  }
  return end;
}

function readHeader(log: Uint8Array): (LogHeader & { checksum: Checksum }) | undefined {
  if (log.length < HEADER_BYTES) return undefined;
  const view = viewOf(log);
  const magic = view.getUint32(0);
  const pageBytes = view.getUint32(8);
  if ((magic & ~1) !== MAGIC || !isPageSize(pageBytes)) return undefined;
  const checksum = new Checksum((magic & 1) === 0);
  checksum.add(view, 0, 24);
  if (!checksum.is(view, 24)) return undefined;
  const version = view.getUint32(4);
  if (version !== VERSION) throw new SqliteError(`the write-ahead log has version ${version}`);
  return { pageBytes, salt: [view.getUint32(16), view.getUint32(20)], checksum };
}

/** Over the header and all frames so far. */
class Checksum {
  readonly #isLittleEndian: boolean;
  #first = 0;
  #second = 0;

  constructor(isLittleEndian: boolean) {
    this.#isLittleEndian = isLittleEndian;
  }

  /** `length`: a multiple of 8. */
  add(view: DataView, start: number, length: number): void {
    const isLittleEndian = this.#isLittleEndian;
    let first = this.#first;
    let second = this.#second;
    for (let at = start; at < start + length; at += 8) {
      first = (first + view.getUint32(at, isLittleEndian) + second) | 0;
      second = (second + view.getUint32(at + 4, isLittleEndian) + first) | 0;
    }
    this.#first = first;
    this.#second = second;
  }

  is(view: DataView, at: number): boolean {
    return view.getInt32(at) === this.#first && view.getInt32(at + 4) === this.#second;
  }
}
