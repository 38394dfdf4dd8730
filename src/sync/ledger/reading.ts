/** The ledger's file is read in chunks, and comes into memory packed: what is in use becomes objects when it is used. */
import fs from 'node:fs';
import { openCacheFile } from '../../lib/cache-file.ts';
import { type Line, linesOf } from '../../lib/lines.ts';
import { codeOf } from '../../lib/system-error.ts';
import { sessionOf } from '../../naming/session-path.ts';
import { hasItsChecksum, type LedgerRecord, objectOf, parseText, TEXT_AT } from './format.ts';
import { SettledLines } from './settled-lines.ts';
import { isMove, LedgerState } from './state.ts';

/** A line names one object, of at most 1024 bytes; what is longer is none of ours. */
const LINE_BYTES_MAX = 1 << 16;
const HINT = 'Remove it: what the cache holds is then compared with the bucket.';
/** In memory as objects until they are applied: so many at least, more where they are of many sessions, and not more than the last. */
const RECORDS = { atLeast: 1 << 14, ofEach: 64, atMost: 1 << 17 };

export interface ReadLedger {
  state: LedgerState;
  /** A line of what was durable is none, or the file is shorter than that. */
  damaged: boolean;
  /** A power cut left half a line, or none, behind what was durable. It counts for nothing, as what follows it does. */
  torn: boolean;
}

/** Undefined: there is none, or none that says whose it is. Memory is bounded by what it says, not by its length. */
export function readLedger(path: string): ReadLedger | undefined {
  let fd: number;
  try {
    fd = openCacheFile(path, HINT);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const reading = new Reading();
    let damaged = false;
    let torn = false;
    for (const line of linesOf(fd, LINE_BYTES_MAX)) {
      if (line.what === 'whole' && reading.add(line)) continue;
      torn = !damaged && line.position >= reading.durableLength;
      if (torn) break;
      damaged = true;
    }
    const state = reading.end();
    // A power cut takes what was not durable; anything else that takes the end leaves whole lines, too.
    if (fs.fstatSync(fd).size < (state.durableLength ?? 0)) damaged = true;
    return state.id === '' ? undefined : { state, damaged, torn };
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Lines come in the order in which they were noted, which hops between sessions. So those that are no SettledLines are
 * gathered by session, and a session is unpacked once for many of them. What is said of one session is not changed by
 * what is said of another, but for moves from one to another, which come in their order.
 */
class Reading {
  readonly #state = new LedgerState();
  readonly #settled = new SettledLines(this.#state);
  readonly #gathered = new Map<string, LedgerRecord[]>();
  #gatheredCount = 0;

  /** So much of the file at least; 0 stands for not known. */
  get durableLength(): number {
    return this.#state.durableLength || Number.POSITIVE_INFINITY;
  }

  /** False: it is no line of a ledger. */
  add({ bytes, start, end }: Readonly<Line>): boolean {
    if (!hasItsChecksum(bytes, start, end)) return false;
    if (!this.#settled.take(bytes, start + TEXT_AT, end)) {
      const record = parseText(bytes.toString('utf8', start + TEXT_AT, end));
      if (record === undefined) return false;
      this.#state.records++;
      this.#gather(record);
    } else this.#state.records++;
    return true;
  }

  end(): LedgerState {
    this.#settled.leave();
    this.#apply();
    return this.#state;
  }

  #gather(record: LedgerRecord): void {
    const object = objectOf(record);
    const session = object === undefined ? undefined : sessionOf(object);
    if (session === undefined) this.#applyGlobal(record);
    else this.#gatherOf(session, record);
  }

  /** What becomes of a deletion depends on whether the bucket, or its session, was compared before. */
  #applyGlobal(record: LedgerRecord): void {
    if (record[0] === 'listed') this.#apply();
    if (record[0] === 'epoch' && this.#gathered.get(record[1])?.push(record) !== undefined) return;
    this.#state.applyCounted(record);
  }

  #gatherOf(session: string, record: LedgerRecord): void {
    this.#settled.close(session);
    if (isOfMove(record)) {
      this.#apply();
      this.#applyTo(session, [record]);
      return;
    }
    const records = this.#gathered.get(session);
    if (records === undefined) this.#gathered.set(session, [record]);
    else records.push(record);
    const { atLeast, ofEach, atMost } = RECORDS;
    const limit = Math.min(Math.max(atLeast, ofEach * this.#gathered.size), atMost);
    if (++this.#gatheredCount >= limit) this.#apply();
  }

  #apply(): void {
    for (const [session, records] of this.#gathered) this.#applyTo(session, records);
    this.#gathered.clear();
    this.#gatheredCount = 0;
  }

  #applyTo(session: string, records: readonly LedgerRecord[]): void {
    for (const record of records) this.#state.applyCounted(record);
    this.#state.rest(session, false);
  }
}

function isOfMove(record: LedgerRecord): boolean {
  return (record[0] === 'changed' || record[0] === 'deleted') && isMove(record[2]);
}
