/** A row as a cell of a page has it: what lies in the cell itself, and how long its columns are. */
import { SqliteError } from './format.ts';

const SIZES = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0];

/** Of a column with that serial type. Throws SqliteError. */
export function columnBytes(type: number): number {
  if (type >= 12) return Math.floor((type - 12) / 2);
  const bytes = SIZES[type];
  if (bytes === undefined) throw new SqliteError(`a column has the type ${type}`);
  return bytes;
}

/** Of a row with so many bytes those that lie in its cell; the others lie on overflow pages. `usable`: of a page. */
export function localBytes(bytes: number, usable: number, isIndex = false): number {
  const most = isIndex ? Math.floor(((usable - 12) * 64) / 255) - 23 : usable - 35;
  if (bytes <= most) return bytes;
  const least = Math.floor(((usable - 12) * 32) / 255) - 23;
  const wanted = least + ((bytes - least) % (usable - 4));
  return wanted <= most ? wanted : least;
}

/** Reads on from `at`. Throws SqliteError at `end`. */
export class CellReader {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.at = at;
    this.#end = end;
  }

  /** Without its sign; what is larger than a safe integer is no length, and no type. */
  number(): number {
    let value = 0;
    for (let index = 0; index < 9; index++) {
      if (this.at >= this.#end) throw new SqliteError('a number ends outside of its page');
      const byte = this.#bytes[this.at++] as number;
      value = index === 8 ? value * 256 + byte : value * 128 + (byte & 0x7f);
      if (index === 8 || byte < 0x80) break;
    }
    return value;
  }

  take(bytes: number): Uint8Array {
    if (this.at + bytes > this.#end) throw new SqliteError('a row ends outside of its page');
    this.at += bytes;
    return this.#bytes.subarray(this.at - bytes, this.at);
  }
}
