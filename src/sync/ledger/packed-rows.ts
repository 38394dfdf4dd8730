/**
 * The rows of a session at rest, one after another in one string, a character a byte: some 45 bytes a row, where its objects take ten
 * times as much. A row is what ObjectEntry says of an object that waits for nothing.
 */
import type { LocalState, ObjectEntry, RemoteVersion } from './object-entry.ts';

/** In the order of their numbers. What is deleted waits, and is not packed. */
const LOCAL_STATES: readonly LocalState[] = ['same', 'changed', 'absent'];
const LOCAL_BITS = 3;
const SHADOWED = 4;
const REFRESH = 8;
const REMOTE = 16;
const NUMBERED = 32;
const COUNTED = 64;
const DATED = 128;

const FIRST_CAPACITY = 1 << 16;
/** The most that one call below writes. */
const NUMBER_BYTES_MAX = 9;
const FULL_BYTE = 128;
/** So much, and more, does not fit into four bytes. */
const FOUR_BYTES = 2 ** 28;
/** Twice as much is still exact. */
const EXACT_TIME_MAX = 2 ** 52;
const NO_EXACT_TIME = 1;

/** What is packed of an entry, but for its name. */
export type Row = Omit<ObjectEntry, 'name' | 'session' | 'siblings' | 'movedBy' | 'deletedBy'>;

export interface UnpackedRow extends Row {
  /** After the session's folder. */
  readonly rest: string;
}

export interface Range {
  start: number;
  end: number;
}

/** Of an object that the bucket has and that nothing happened to, as it lies in `bytes`. */
export interface SettledRow {
  local: 'same' | 'absent';
  bytes: Buffer;
  /** After the session's folder; ASCII, as the generation. */
  name: Range;
  /** `number`: where it is one that `generationNumber` knows. */
  generation: Range & { number: number | undefined };
  crc32c: number;
  size: number;
  updatedMs: number;
}

/** A generation that is a plain number, as Google's are, is kept as one. */
function generationNumber(generation: string): number | undefined {
  const value = Number(generation);
  return value >= 0 && Number.isSafeInteger(value) && String(value) === generation ? value : undefined;
}

export class RowWriter {
  #bytes = Buffer.allocUnsafeSlow(FIRST_CAPACITY);
  #length = 0;

  /** `rest`: of its name, after its session's folder. */
  add(row: Row, rest: string): void {
    const { remote } = row;
    const generation = remote && generationNumber(remote.generation);
    const isCounted = row.change + row.deletedChange + row.movedChange > 0;
    const isDated = row.dirtySinceMs !== impliedSince(remote);
    this.#reserve(1);
    this.#bytes[this.#length++] =
      LOCAL_STATES.indexOf(row.local) |
      (row.shadowed ? SHADOWED : 0) |
      (row.refresh ? REFRESH : 0) |
      (remote ? REMOTE : 0) |
      (generation === undefined ? 0 : NUMBERED) |
      (isCounted ? COUNTED : 0) |
      (isDated ? DATED : 0);
    this.#text(rest);
    if (remote !== undefined) {
      if (generation === undefined) this.#text(remote.generation);
      else this.#number(generation);
      this.#version(remote.crc32c, remote.size, remote.updatedMs);
    }
    if (isCounted) for (const count of [row.change, row.deletedChange, row.movedChange]) this.#number(count);
    if (isDated) this.#time(row.dirtySinceMs);
  }

  /** As `add` of an object that the bucket has and that nothing happened to. */
  addSettled({ local, bytes, name, generation, crc32c, size, updatedMs }: SettledRow): void {
    const number = generation.number;
    this.#reserve(1);
    this.#bytes[this.#length++] =
      LOCAL_STATES.indexOf(local) | REMOTE | (number === undefined ? 0 : NUMBERED);
    this.#ascii(bytes, name);
    if (number === undefined) this.#ascii(bytes, generation);
    else this.#number(number);
    this.#version(crc32c, size, updatedMs);
  }

  /** What was added since the last time. */
  take(): string {
    const packed = this.#bytes.toString('latin1', 0, this.#length);
    this.#length = 0;
    return packed;
  }

  #version(crc32c: number, size: number, updatedMs: number): void {
    this.#number(crc32c);
    this.#number(size);
    this.#time(updatedMs);
  }

  /** Its length, times two and one more where it is not ASCII, and its bytes. */
  #text(text: string): void {
    this.#reserve(NUMBER_BYTES_MAX + 3 * text.length);
    const start = this.#length;
    this.#number(2 * text.length);
    const written = this.#bytes.write(text, this.#length, 'utf8');
    if (written === text.length) {
      this.#length += written;
      return;
    }
    this.#length = start;
    this.#number(4 * text.length + 1);
    this.#length += this.#bytes.write(text, this.#length, 'utf16le');
  }

  #ascii(bytes: Buffer, { start, end }: Range): void {
    this.#reserve(NUMBER_BYTES_MAX + end - start);
    this.#number(2 * (end - start));
    for (let at = start; at < end; at++) this.#bytes[this.#length++] = bytes[at] as number;
  }

  /** Whole, and not below 0: seven bits a byte, the lowest first. */
  #number(value: number): void {
    this.#reserve(NUMBER_BYTES_MAX);
    let left = value;
    // Small integers are what the engine is fast with.
    while (left >= FOUR_BYTES) {
      const rest = Math.floor(left / FOUR_BYTES);
      const four = left - rest * FOUR_BYTES;
      for (let shift = 0; shift < 28; shift += 7) this.#bytes[this.#length++] = (four >>> shift) | FULL_BYTE;
      left = rest;
    }
    for (; left >= FULL_BYTE; left >>>= 7) this.#bytes[this.#length++] = left | FULL_BYTE;
    this.#bytes[this.#length++] = left;
  }

  /** Any finite number; ms since the epoch take six bytes. */
  #time(value: number): void {
    if (Number.isInteger(value) && value >= 0 && value < EXACT_TIME_MAX) {
      this.#number(2 * value);
      return;
    }
    this.#number(NO_EXACT_TIME);
    this.#reserve(8);
    this.#length = this.#bytes.writeDoubleLE(value, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * (this.#length + more));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** `packed` as `RowWriter` made it, in that order. */
export function unpackRows(packed: string): UnpackedRow[] {
  const reader = new RowReader(packed);
  const rows: UnpackedRow[] = [];
  while (!reader.isAtEnd) rows.push(reader.next());
  return rows;
}

/** Its bytes are good until the next one is made. */
class RowReader {
  static #shared = Buffer.allocUnsafeSlow(FIRST_CAPACITY);
  readonly #bytes: Buffer;
  readonly #end: number;
  #at = 0;

  constructor(packed: string) {
    if (packed.length > RowReader.#shared.length)
      RowReader.#shared = Buffer.allocUnsafeSlow(2 * packed.length);
    this.#bytes = RowReader.#shared;
    this.#end = this.#bytes.write(packed, 'latin1');
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  next(): UnpackedRow {
    const flags = this.#byte();
    const rest = this.#text();
    const remote = flags & REMOTE ? this.#version(flags) : undefined;
    const [change, deletedChange, movedChange] =
      flags & COUNTED ? [this.#number(), this.#number(), this.#number()] : [0, 0, 0];
    return {
      rest,
      local: LOCAL_STATES[flags & LOCAL_BITS] as LocalState,
      remote,
      refresh: (flags & REFRESH) !== 0,
      shadowed: (flags & SHADOWED) !== 0,
      change,
      deletedChange,
      movedChange,
      dirtySinceMs: flags & DATED ? this.#time() : impliedSince(remote),
    };
  }

  #version(flags: number): RemoteVersion {
    const generation = flags & NUMBERED ? String(this.#number()) : this.#text();
    return { generation, crc32c: this.#number(), size: this.#number(), updatedMs: this.#time() };
  }

  #text(): string {
    const header = this.#number();
    const start = this.#at;
    this.#at += Math.floor(header / 2);
    return this.#bytes.toString(header % 2 === 0 ? 'latin1' : 'utf16le', start, this.#at);
  }

  #time(): number {
    const value = this.#number();
    if (value !== NO_EXACT_TIME) return value / 2;
    this.#at += 8;
    return this.#bytes.readDoubleLE(this.#at - 8);
  }

  #number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= FULL_BYTE) {
      const byte = this.#byte();
      if (byte < FULL_BYTE) return value + byte * scale;
      value += (byte - FULL_BYTE) * scale;
    }
  }

  #byte(): number {
    return this.#bytes[this.#at++] as number;
  }
}

/** Since when an object is as it is of which the bucket's version is all that is known. */
function impliedSince(remote: RemoteVersion | undefined): number {
  return remote === undefined ? 0 : Math.floor(remote.updatedMs);
}
