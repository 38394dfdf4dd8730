/**
 * Most lines of a ledger say of one object more that the bucket has it, session by session and in the order of the names. They go
 * into memory packed, without becoming objects before: a start reads a million of them a second.
 */
import { folderOf } from '../../naming/object-name.ts';
import { sessionOf } from '../../naming/session-path.ts';
import { type Range, RowWriter, type SettledRow } from './packed-rows.ts';
import type { SettledRows } from './session-entries.ts';
import type { LedgerState } from './state.ts';

const KINDS = (['same', 'absent'] as const).map((local) => ({ local, head: Buffer.from(`["${local}","`) }));
const BETWEEN = Buffer.from('","');
const QUOTE = 0x22;
const COMMA = 0x2c;
const BRACKET = 0x5d;
const SLASH = 0x2f;
const ZERO = 0x30;
const NINE = 0x39;
const BACKSLASH = 0x5c;
const BLANK = 0x20;
const TILDE = 0x7e;
/** As many digits at a time as a small integer takes. */
const PART_MAX = 1e8;
/** Others stand in another way in the name of an object, or in a line. */
const isPlain = tableOf(/[\w.@+=,-]/);
const isFirst = tableOf(/\w/);
const BACKUP_END = Buffer.from('.bak');
/** Longer names are no object's. */
const NAME_BYTES_MAX = 1024;

interface Entered extends SettledRows {
  session: string;
  folder: Buffer;
  /** The name that came last, of so many bytes. */
  last: Buffer;
  lastLength: number;
}

export class SettledLines {
  readonly #state: LedgerState;
  readonly #writer = new RowWriter();
  /** By session that only such lines were of so far: the name that came last. */
  readonly #last = new Map<string, Buffer>();
  readonly #closed = new Set<string>();
  #entered: Entered | undefined;
  readonly #row: SettledRow = {
    local: 'same',
    bytes: Buffer.alloc(0),
    name: { start: 0, end: 0 },
    generation: { start: 0, end: 0, number: undefined },
    crc32c: 0,
    size: 0,
    updatedMs: 0,
  };
  #at = 0;

  constructor(state: LedgerState) {
    this.#state = state;
  }

  /** Takes in what the line says; it goes from `start` to `end`. False: it is another one, or of a session that is closed. */
  take(bytes: Buffer, start: number, end: number): boolean {
    const kind = KINDS.find(({ head }) => isAt(bytes, start, head));
    if (kind === undefined) return false;
    const nameStart = start + kind.head.length;
    const entered = this.#enter(bytes, nameStart, end);
    const row = this.#row;
    row.local = kind.local;
    row.bytes = bytes;
    if (entered === undefined || !this.#parse(row, nameStart + entered.folder.length, end)) return false;
    const { name } = row;
    if (!isAfter(entered, bytes, name)) return false;
    this.#writer.addSettled(row);
    entered.lastLength = name.end - name.start;
    for (let at = 0; at < entered.lastLength; at++) entered.last[at] = bytes[name.start + at] as number;
    entered.size++;
    const { totals } = entered;
    totals.objects++;
    totals.bytes += row.size;
    if (row.local === 'absent') entered.absent++;
    else totals.bytesHere += row.size;
    return true;
  }

  /** Something else is said of the session: from then on none of its lines is taken. */
  close(session: string): void {
    if (this.#entered?.session === session) this.leave();
    this.#closed.add(session);
  }

  /** What was taken is in the state. */
  leave(): void {
    const entered = this.#entered;
    if (entered === undefined) return;
    this.#entered = undefined;
    this.#last.set(entered.session, Buffer.from(entered.last.subarray(0, entered.lastLength)));
    if (entered.size === 0) return;
    this.#state.addSettled(entered.session, this.#writer.take(), entered);
  }

  /** The session whose folder the name lies in, of that which it shares with the name before. */
  #enter(bytes: Buffer, nameStart: number, end: number): Entered | undefined {
    if (this.#entered !== undefined && isAt(bytes, nameStart, this.#entered.folder)) return this.#entered;
    this.leave();
    const nameEnd = bytes.indexOf(QUOTE, nameStart);
    const slash = nameEnd > end ? -1 : bytes.lastIndexOf(SLASH, nameEnd);
    if (slash < nameStart) return undefined;
    const name = bytes.toString('latin1', nameStart, nameEnd);
    const session = sessionOf(name);
    const folder = bytes.toString('latin1', nameStart, slash + 1);
    if (!session || this.#closed.has(session) || folder !== folderOf(session)) return undefined;
    const last = Buffer.alloc(NAME_BYTES_MAX);
    const lastLength = this.#last.get(session)?.copy(last) ?? 0;
    const totals = { objects: 0, bytes: 0, bytesHere: 0 };
    this.#entered = {
      session,
      folder: Buffer.from(folder, 'latin1'),
      last,
      lastLength,
      size: 0,
      absent: 0,
      totals,
    };
    return this.#entered;
  }

  /** From the name after its folder to the end of the line, which is written in one way only. */
  #parse(row: SettledRow, nameStart: number, end: number): boolean {
    const { bytes, name, generation } = row;
    name.start = nameStart;
    name.end = this.#endOfName(bytes, nameStart);
    if (name.end === nameStart || !isAt(bytes, name.end, BETWEEN)) return false;
    generation.start = name.end + BETWEEN.length;
    generation.end = endOfText(bytes, generation.start);
    generation.number = this.#number(bytes, generation.start, QUOTE);
    this.#at = generation.end + 1;
    if (bytes[generation.end] !== QUOTE || bytes[this.#at] !== COMMA) return false;
    const crc32c = this.#number(bytes, this.#at + 1, COMMA);
    const size = crc32c === undefined ? undefined : this.#number(bytes, this.#at + 1, COMMA);
    const updatedMs = size === undefined ? undefined : this.#number(bytes, this.#at + 1, BRACKET);
    if (crc32c === undefined || size === undefined || updatedMs === undefined) return false;
    row.crc32c = crc32c;
    row.size = size;
    row.updatedMs = updatedMs;
    return this.#at + 1 === end;
  }

  /** Where it is none of these, the start: a name is not empty. */
  #endOfName(bytes: Buffer, start: number): number {
    if (!isFirst[bytes[start] as number]) return start;
    let at = start + 1;
    while (isPlain[bytes[at] as number]) at++;
    // It is stored, or not, by what else there is.
    return at - start > NAME_BYTES_MAX || isAt(bytes, at - BACKUP_END.length, BACKUP_END) ? start : at;
  }

  /** A whole number as JSON writes it, up to `terminator`, which `#at` is then at; undefined: none that is exact. */
  #number(bytes: Buffer, start: number, terminator: number): number | undefined {
    let value = 0;
    let at = start;
    let digit = bytes[at] as number;
    // Small integers are what the engine is fast with.
    while (digit >= ZERO && digit <= NINE) {
      let part = 0;
      let scale = 1;
      for (; digit >= ZERO && digit <= NINE && scale < PART_MAX; digit = bytes[++at] as number) {
        part = 10 * part + digit - ZERO;
        scale *= 10;
      }
      value = value * scale + part;
    }
    const isCanonical = at > start && (bytes[start] !== ZERO || at === start + 1);
    if (!isCanonical || !Number.isSafeInteger(value) || bytes[at] !== terminator) return undefined;
    this.#at = at;
    return value;
  }
}

/** In the order of bytes, in which names are written. */
function isAfter({ last, lastLength }: Entered, bytes: Buffer, { start, end }: Range): boolean {
  const length = Math.min(lastLength, end - start);
  for (let index = 0; index < length; index++) {
    const difference = (bytes[start + index] as number) - (last[index] as number);
    if (difference !== 0) return difference > 0;
  }
  return end - start > lastLength;
}

function endOfText(bytes: Buffer, start: number): number {
  let at = start;
  for (let byte = bytes[at] as number; byte >= BLANK && byte <= TILDE; byte = bytes[++at] as number)
    if (byte === QUOTE || byte === BACKSLASH) break;
  return at;
}

function isAt(bytes: Buffer, at: number, expected: Buffer): boolean {
  for (let index = 0; index < expected.length; index++)
    if (bytes[at + index] !== expected[index]) return false;
  return true;
}

function tableOf(pattern: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) =>
    Number(byte < 128 && pattern.test(String.fromCharCode(byte))),
  );
}
