/** The row with the credentials in the states of a database that SQLite's files tell of. */
import { findCredentials } from '../../sqlite/credentials.ts';
import { type PagePositions, type Pages, pagesOf, pagesOver } from '../../sqlite/pages.ts';
import type { PagesBefore } from '../../sqlite/rollback-journal.ts';
import { LOG_START, type LogHeader, transactionsOf } from '../../sqlite/write-ahead-log.ts';
import { goesOn, type Registration, readRegistration } from '../model/registration.ts';

/** The row in one state of a database. */
export interface Row {
  /** Undefined: there is no such row, or nothing is known of it. */
  readonly value: Buffer | undefined;
  readonly isKnown: boolean;
  /** While these are as they are, so is the row. */
  readonly pages: ReadonlySet<number>;
  /** The last one that is known. */
  readonly registration: Registration;
  /** What it takes to find it, about the same time each. */
  readonly steps: number;
}

/** What was seen of one use of a write-ahead log. */
export interface Watch {
  /** Undefined: this use begins with the next write. */
  header: LogHeader | undefined;
  /** Where the first transaction begins that was not looked at. */
  position: number;
  /** Of what was looked at. */
  readonly pages: Map<number, number>;
  /** In the state of `position`; undefined: it was not looked at yet. */
  row: Row | undefined;
  /** When it was looked at, on the monotonic clock. */
  atMs: number;
}

const STEPS_PER_ROW = 20;
const BYTES_PER_STEP = 256;
const NOT_YET = Number.NEGATIVE_INFINITY;
const NO_REGISTRATION: Registration = { kind: 'none' };

export const NO_ROW: Row = {
  value: undefined,
  isKnown: true,
  pages: new Set(),
  registration: NO_REGISTRATION,
  steps: 0,
};

/** `last`: what was known before, which counts where nothing is known of this state. */
export function rowIn(pages: Pages, last: Registration = NO_REGISTRATION): Row {
  const { value, error, pages: seen, steps: looked } = findCredentials(pages);
  const steps = STEPS_PER_ROW + looked + (value?.length ?? 0) / BYTES_PER_STEP;
  if (error !== undefined)
    return { value: undefined, isKnown: false, pages: seen, registration: last, steps };
  const isSame = last.kind === 'registered' && value !== undefined && goesOn(last, value);
  const registration = isSame ? last : value === undefined ? NO_REGISTRATION : readRegistration(value);
  return { value, isKnown: true, pages: seen, registration, steps };
}

export function touches({ pages: read }: Row, written: PagePositions): boolean {
  if (written.size < read.size) {
    for (const page of written.keys()) if (read.has(page)) return true;
    return false;
  }
  for (const page of read) if (written.has(page)) return true;
  return false;
}

export function newWatch(): Watch {
  return { header: undefined, position: LOG_START, pages: new Map(), row: undefined, atMs: NOT_YET };
}

/** From the end of the first transaction on that ends there or later. */
export function watchFrom(end: number, log: Uint8Array, header: LogHeader): Watch {
  const watch = newWatch();
  if (end === LOG_START) return watch;
  for (const transaction of transactionsOf(log, header)) {
    for (const [page, position] of transaction.pages) watch.pages.set(page, position);
    watch.position = transaction.end;
    if (transaction.end >= end) break;
  }
  return watch;
}

/** As they were before the transaction that the journal belongs to. */
export function pagesUnder(database: Uint8Array, journal: Uint8Array, before: PagesBefore): Pages {
  const { pageBytes, databasePages, positions } = before;
  return pagesOver(pagesOf(database, pageBytes, databasePages), journal, positions);
}
