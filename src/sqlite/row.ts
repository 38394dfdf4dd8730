/**
 * Finds one row by its key, page by page, in a table whose first two columns are the key and the value. Nothing that the file says
 * is believed: each number is compared with what is there, and each page is read once at most.
 */
import { CellReader, columnBytes, localBytes } from './cell.ts';
import { isDatabase, pageSizeOf, SqliteError, viewOf } from './format.ts';
import type { Pages } from './pages.ts';

/** Tables with rows of this kind are small: what is larger is not searched. */
const PAGES_MAX = 2_000;
const CELLS_MAX = 100_000;
const DEPTH_MAX = 20;
const VALUE_BYTES_MAX = 4 * 1024 * 1024;
/** SQLite reserves no more of the smallest page. */
const USABLE_BYTES_MIN = 480;
const DATABASE_HEADER_BYTES = 100;
const SCHEMA_ROOT = 1;
/** Encodings below are UTF-8. */
const UTF16LE = 2;
const UTF16BE = 3;
const LEAF = 0x0d;
const INTERIOR = 0x05;

export interface FoundRow {
  /** As UTF-8 where it is text; undefined: there is no such row or table, or the row has neither text nor bytes. */
  readonly value: Buffer | undefined;
  /** Why nothing is known of the row: this is no database, a damaged one, or a table that is stored in another way (WITHOUT ROWID). */
  readonly error: SqliteError | undefined;
  /** While these are as they are, another search finds the same. */
  readonly pages: ReadonlySet<number>;
  /** Pages and cells that were looked at. */
  readonly steps: number;
}

/** A database without any page is one without tables. */
export function findRow(pages: Pages, table: string, key: string): FoundRow {
  const search = new Search(pages);
  try {
    const root = search.rootOf(table);
    const value = root === undefined ? undefined : search.valueOf(root, key);
    return { value, error: undefined, pages: search.seen, steps: search.steps };
  } catch (error) {
    if (!(error instanceof SqliteError)) throw error;
    return { value: undefined, error, pages: search.seen, steps: search.steps };
  }
}

type Column = { bytes: Uint8Array; isText: boolean } | { number: number } | undefined;

/** The payload of a row as far as it lies on the leaf, and where the rest does. */
interface Payload {
  readonly bytes: number;
  readonly local: Uint8Array;
  /** The first overflow page; 0: there is none. */
  readonly next: number;
}

class Search {
  readonly seen = new Set<number>();
  readonly #pages: Pages;
  #usableBytes = 0;
  #encoding = 0;
  #cells = 0;

  constructor(pages: Pages) {
    this.#pages = pages;
  }

  get steps(): number {
    return this.seen.size + this.#cells;
  }

  /** SQLite's names do not differ by case. */
  rootOf(table: string): number | undefined {
    const first = this.#pages.page(SCHEMA_ROOT);
    if (first === undefined) {
      this.seen.add(SCHEMA_ROOT);
      return undefined;
    }
    this.#readHeader(first);
    for (const payload of this.#rows(SCHEMA_ROOT)) {
      const [type, name, , root] = this.#columns(payload, 4);
      if (this.#text(type) !== 'table' || this.#text(name)?.toLowerCase() !== table) continue;
      if (root === undefined || !('number' in root)) throw new SqliteError('a table has no root page');
      return root.number;
    }
    return undefined;
  }

  #readHeader(first: Uint8Array): void {
    if (!isDatabase(first) || pageSizeOf(first) !== this.#pages.pageBytes)
      throw new SqliteError('the first page is none of a database with pages of this size');
    const view = viewOf(first);
    this.#usableBytes = this.#pages.pageBytes - view.getUint8(20);
    this.#encoding = view.getUint32(56);
    if (this.#usableBytes < USABLE_BYTES_MIN) throw new SqliteError('too much of each page is reserved');
  }

  valueOf(root: number, key: string): Buffer | undefined {
    for (const payload of this.#rows(root)) {
      if (this.#text(this.#columns(payload, 1)[0]) !== key) continue;
      const value = this.#columns(payload, 2)[1];
      if (value === undefined || 'number' in value) return undefined;
      const isUtf8 = !value.isText || this.#encoding < UTF16LE;
      return Buffer.from(isUtf8 ? value.bytes : (this.#text(value) ?? ''));
    }
    return undefined;
  }

  *#rows(root: number, depth = 0): Generator<Payload> {
    const page = this.#read(root);
    const start = root === SCHEMA_ROOT ? DATABASE_HEADER_BYTES : 0;
    const view = viewOf(page);
    const type = view.getUint8(start);
    if (type !== LEAF && type !== INTERIOR) throw new SqliteError(`page ${root} is none of a table`);
    if (depth > DEPTH_MAX) throw new SqliteError('the table is too deep');
    const cells = view.getUint16(start + 3);
    const pointers = start + (type === LEAF ? 8 : 12);
    if (pointers + 2 * cells > this.#usableBytes) throw new SqliteError(`page ${root} has too many cells`);
    // Cells lie beside each other: one that thousands of places name would be read thousands of times.
    let room = this.#usableBytes;
    this.#cells += cells;
    if (this.#cells > CELLS_MAX) throw new SqliteError('the table has too many rows');
    for (let cell = 0; cell < cells; cell++) {
      const at = view.getUint16(pointers + 2 * cell);
      if (at + 4 > this.#usableBytes) throw new SqliteError(`page ${root} has a cell outside of it`);
      if (type === INTERIOR) yield* this.#rows(view.getUint32(at), depth + 1);
      else {
        const payload = this.#payload(page, at);
        room -= payload.local.length;
        if (room < 0) throw new SqliteError(`page ${root} has cells that overlap`);
        yield payload;
      }
    }
    if (type === INTERIOR) yield* this.#rows(view.getUint32(start + 8), depth + 1);
  }

  #read(number: number): Uint8Array {
    if (this.seen.has(number)) throw new SqliteError(`page ${number} is there twice`);
    if (this.seen.size >= PAGES_MAX) throw new SqliteError('the table is too large');
    this.seen.add(number);
    const page = this.#pages.page(number);
    if (page === undefined) throw new SqliteError(`there is no page ${number}`);
    return page;
  }

  #payload(page: Uint8Array, at: number): Payload {
    const cell = new CellReader(page, at, this.#usableBytes);
    const bytes = cell.number();
    cell.number();
    const local = cell.take(localBytes(bytes, this.#usableBytes));
    return { bytes, local, next: local.length === bytes ? 0 : viewOf(cell.take(4)).getUint32(0) };
  }

  /** The first ones; what lies on overflow pages is read only where one of them does. */
  #columns(payload: Payload, count: number): Column[] {
    const header = new CellReader(payload.local, 0, payload.local.length);
    const headerBytes = header.number();
    if (headerBytes > payload.local.length) throw new SqliteError('the header of a row is too long');
    const types: number[] = [];
    while (types.length < count && header.at < headerBytes) types.push(header.number());
    const ends: number[] = [];
    for (const type of types) ends.push((ends.at(-1) ?? headerBytes) + columnBytes(type));
    const end = ends.at(-1) ?? headerBytes;
    if (end > payload.bytes) throw new SqliteError('a column reaches beyond its row');
    const content = end <= payload.local.length ? payload.local : this.#whole(payload, end);
    return types.map((type, index) =>
      this.#column(type, content.subarray(ends[index - 1] ?? headerBytes, ends[index])),
    );
  }

  /** Up to `end`. */
  #whole({ local, next }: Payload, end: number): Uint8Array {
    if (end > VALUE_BYTES_MAX) throw new SqliteError('a row is too large');
    const whole = new Uint8Array(end);
    whole.set(local);
    let number = next;
    for (let at = local.length; at < end; ) {
      const page = this.#read(number);
      const piece = page.subarray(4, Math.min(this.#usableBytes, 4 + end - at));
      whole.set(piece, at);
      at += piece.length;
      number = viewOf(page).getUint32(0);
    }
    return whole;
  }

  #column(type: number, content: Uint8Array): Column {
    if (type >= 12) return { bytes: content, isText: type % 2 === 1 };
    if (type === 8 || type === 9) return { number: type - 8 };
    if (type === 0 || type === 7) return undefined;
    // A page's number is not negative, and no other number is asked for.
    return { number: content.reduce((sum, byte) => sum * 256 + byte, 0) };
  }

  #text(column: Column): string | undefined {
    if (column === undefined || 'number' in column || !column.isText) return undefined;
    const { buffer, byteOffset, length } = column.bytes;
    const bytes = Buffer.from(buffer, byteOffset, length);
    if (this.#encoding === UTF16LE) return bytes.toString('utf16le');
    if (this.#encoding !== UTF16BE) return bytes.toString('utf8');
    const swapped = Buffer.from(bytes.subarray(0, length & ~1));
    return swapped.swap16().toString('utf16le');
  }
}
