/**
 * A database in one file, read without SQLite: the rows of its tables, and whether its pages make a whole: each belongs to one tree, to
 * the free list or to a long row, and to nothing else. What SQLite's integrity_check does beyond that, such as the order of an
 * index, is not looked at. https://sqlite.org/fileformat2.html has the format.
 */
import { TextDecoder } from 'node:util';
import { CellReader, columnBytes, localBytes } from './cell.ts';
import { pageSizeOf, SqliteError, viewOf } from './format.ts';

export type Value = null | number | bigint | string | Uint8Array;

const HEADER_BYTES = 100;
const LOCK_BYTE = 2 ** 30;
/** A tree of 2^31 pages is not half as deep. */
const DEPTH_MAX = 40;
const [INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE] = [2, 5, 10, 13];
const ENCODINGS = ['utf-8', 'utf-8', 'utf-16le', 'utf-16be'];

interface Entry {
  readonly type: string;
  readonly name: string;
  /** 0: it has no pages. */
  readonly root: number;
}

export class DatabaseImage {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #pageSize: number;
  /** Of a page, without what other programs reserve at its end. */
  readonly #usable: number;
  readonly #pages: number;
  readonly #text: TextDecoder;
  /** Pages that something was found to use. */
  #used = new Set<number>();

  /** Throws SqliteError, as everything here does, for what is damaged. */
  constructor(bytes: Uint8Array) {
    const pageSize = pageSizeOf(bytes);
    if (pageSize === undefined || bytes.length < HEADER_BYTES) throw new SqliteError('its header is damaged');
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#pageSize = pageSize;
    this.#usable = pageSize - (bytes[20] ?? 0);
    const noted = this.#view.getUint32(24) === this.#view.getUint32(92) ? this.#view.getUint32(28) : 0;
    this.#pages = noted === 0 ? Math.floor(bytes.length / pageSize) : noted;
    if (this.#usable < 480 || this.#pages * pageSize > bytes.length)
      throw new SqliteError('it is shorter than its header says');
    this.#text = new TextDecoder(ENCODINGS[this.#view.getUint32(56)] ?? 'utf-8');
  }

  /** Throws SqliteError that says what is wrong first. */
  check(): void {
    this.#used = new Set();
    const entries = this.#entries();
    for (const { root } of entries) if (root > 0) for (const _ of this.#payloads(root)) void _;
    this.#useFreePages();
    this.#usePointerMaps();
    const unused = this.#pages - this.#used.size;
    if (unused > 0) throw new SqliteError(`${unused} of its ${this.#pages} pages belong to nothing`);
  }

  /** Of a table that is no WITHOUT ROWID one; undefined: there is none. */
  rows(table: string): Value[][] | undefined {
    this.#used = new Set();
    const root = this.#entries().find(({ type, name }) => type === 'table' && name === table)?.root;
    if (root === undefined) return undefined;
    return [...this.#payloads(root)].map((payload) => this.#record(payload));
  }

  #entries(): Entry[] {
    return [...this.#payloads(1)].map((payload) => {
      const [type, name, , root] = this.#record(payload);
      if (typeof type !== 'string' || typeof name !== 'string')
        throw new SqliteError('its schema is damaged');
      return { type, name, root: typeof root === 'number' ? root : 0 };
    });
  }

  #use(page: number): number {
    if (!(page >= 1 && page <= this.#pages)) throw new SqliteError(`page ${page} is not in the file`);
    if (this.#used.has(page)) throw new SqliteError(`page ${page} is used twice`);
    this.#used.add(page);
    return (page - 1) * this.#pageSize;
  }

  /** Of the tree at `root`, in its order. */
  *#payloads(root: number, depth = 0): Generator<Uint8Array> {
    const start = this.#use(root);
    const at = root === 1 ? HEADER_BYTES : start;
    const type = this.#bytes[at] ?? 0;
    const isInterior = type === INTERIOR_INDEX || type === INTERIOR_TABLE;
    const isIndex = type === INTERIOR_INDEX || type === LEAF_INDEX;
    if (depth > DEPTH_MAX || !(isInterior || isIndex || type === LEAF_TABLE))
      throw new SqliteError(`page ${root} is no page of a tree`);
    const count = this.#view.getUint16(at + 3);
    const pointers = at + (isInterior ? 12 : 8);
    if (pointers + 2 * count > start + this.#usable) throw new SqliteError(`page ${root} is damaged`);
    // Cells lie beside each other: one that thousands of places name would be read thousands of times.
    const room = { left: this.#usable };
    for (let cell = 0; cell < count; cell++) {
      const place = start + this.#view.getUint16(pointers + 2 * cell);
      if (place < pointers + 2 * count || place + 4 > start + this.#usable)
        throw new SqliteError(`page ${root} is damaged`);
      if (isInterior) yield* this.#payloads(this.#view.getUint32(place), depth + 1);
      if (type !== INTERIOR_TABLE)
        yield this.#payload(place + (isInterior ? 4 : 0), isIndex, start + this.#usable, room);
    }
    if (isInterior) yield* this.#payloads(this.#view.getUint32(at + 8), depth + 1);
  }

  /** `room`: what the cells of the page may still take. */
  #payload(at: number, isIndex: boolean, end: number, room: { left: number }): Uint8Array {
    const cell = new CellReader(this.#bytes, at, end);
    const size = cell.number();
    if (!isIndex) cell.number();
    if (size > this.#bytes.length) throw new SqliteError('a row is longer than the database');
    const local = cell.take(localBytes(size, this.#usable, isIndex));
    room.left -= local.length;
    if (room.left < 0) throw new SqliteError('cells of a page overlap');
    return local.length === size ? local : this.#overflowing(local, viewOf(cell.take(4)).getUint32(0), size);
  }

  #overflowing(local: Uint8Array, first: number, size: number): Uint8Array {
    const payload = new Uint8Array(size);
    payload.set(local);
    let next = first;
    for (let done = local.length; done < size; ) {
      const page = this.#use(next);
      next = this.#view.getUint32(page);
      const length = Math.min(size - done, this.#usable - 4);
      payload.set(this.#bytes.subarray(page + 4, page + 4 + length), done);
      done += length;
    }
    return payload;
  }

  #useFreePages(): void {
    let left = this.#view.getUint32(36);
    for (let trunk = this.#view.getUint32(32); trunk !== 0; left--) {
      const page = this.#use(trunk);
      const leaves = this.#view.getUint32(page + 4);
      if (leaves > this.#usable / 4 - 2) throw new SqliteError('its list of free pages is damaged');
      for (let leaf = 0; leaf < leaves; leaf++, left--) this.#use(this.#view.getUint32(page + 8 + 4 * leaf));
      trunk = this.#view.getUint32(page);
    }
    if (left !== 0) throw new SqliteError('its list of free pages has another length than its header says');
  }

  /** Of a database that shrinks by itself; and the page that locks lie on. */
  #usePointerMaps(): void {
    const distance = Math.floor(this.#usable / 5) + 1;
    const lockPage = LOCK_BYTE / this.#pageSize + 1;
    if (lockPage <= this.#pages) this.#use(lockPage);
    if (this.#view.getUint32(52) === 0) return;
    for (let page = 2; page <= this.#pages; page += distance) this.#use(page === lockPage ? page + 1 : page);
  }

  #record(payload: Uint8Array): Value[] {
    const view = viewOf(payload);
    const header = new CellReader(payload, 0, payload.length);
    const headerSize = header.number();
    const values: Value[] = [];
    for (let at = headerSize; header.at < headerSize; ) {
      const type = header.number();
      const size = columnBytes(type);
      if (at + size > payload.length) throw new SqliteError('a row is damaged');
      values.push(this.#value(type, view, at, size));
      at += size;
    }
    return values;
  }

  #value(type: number, view: DataView, at: number, size: number): Value {
    if (type === 0) return null;
    if (type === 8 || type === 9) return type - 8;
    if (type === 7) return view.getFloat64(at);
    if (type < 7) return integer(view, at, size);
    const bytes = new Uint8Array(view.buffer, view.byteOffset + at, size);
    return type % 2 === 0 ? bytes : this.#text.decode(bytes);
  }
}

function integer(view: DataView, at: number, size: number): number | bigint {
  if (size === 8) return view.getBigInt64(at);
  let value = view.getInt8(at);
  for (let n = 1; n < size; n++) value = value * 256 + view.getUint8(at + n);
  return value;
}
