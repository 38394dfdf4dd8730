/** Goes through the states of a database that its write-ahead log tells of. */
import type { Errno } from '../../lib/errno.ts';
import { type Pages, pagesOver } from '../../sqlite/pages.ts';
import type { Transaction } from '../../sqlite/write-ahead-log.ts';
import { type Row, rowIn, touches, type Watch } from './database-rows.ts';

/** What one call may take (see Row): a file may have a hundred thousand transactions, and all calls of the mount wait. */
const STEPS_MAX = 100_000;
/** For what a state that loses a registration takes: the database before it is folded, sealed and written. */
const STEPS_PER_LOSS = 25_000;

export interface LogStates {
  /** Advanced over each transaction that was looked at. */
  readonly watch: Watch;
  /** The state of `watch`, whatever that is at the time. */
  readonly before: Pages;
  readonly log: Uint8Array;
}

export interface StateVisitor {
  /** No registration was lost up to this state. */
  steady(row: Row): void;
  /** Before `watch` is advanced. An error: the state cannot be passed. */
  follow(before: Row, after: Row): 0 | Errno;
}

/**
 * Each state that loses a registration is visited, however many lie between: many at once where the last of them goes on, else the
 * halves of them. Where that would take too long, what is left counts as one transaction, of which the last state is seen.
 */
export function visitStates(
  states: LogStates,
  transactions: readonly Transaction[],
  { steady, follow }: StateVisitor,
): 0 | Errno {
  const { watch } = states;
  const left = transactions.length === 0 ? [] : [transactions];
  watch.row ??= rowIn(states.before);
  let { row } = watch;
  let steps = STEPS_MAX;
  for (let some = left.pop(); some !== undefined; some = left.pop()) {
    const isRest = steps <= 0;
    if (isRest) some = [...some, ...left.splice(0).reverse().flat()];
    const after = rowAfter(states, row, some);
    if (after !== row) steps -= after.steps;
    if (isSteady(row, after)) steady(after);
    else if (some.length > 1 && !isRest) {
      const half = some.length >> 1;
      left.push(some.slice(half), some.slice(0, half));
      continue;
    } else {
      const failed = follow(row, after);
      if (failed !== 0) return failed;
      if (row.registration.kind === 'registered' && after.isKnown) steps -= STEPS_PER_LOSS;
    }
    advance(watch, some, after);
    row = after;
  }
  return 0;
}

function rowAfter({ before, log }: LogStates, row: Row, transactions: readonly Transaction[]): Row {
  if (!transactions.some(({ pages }) => touches(row, pages))) return row;
  return rowIn(pagesOver(before, log, pagesIn(transactions)), row.registration);
}

/** None of the states between can have lost a registration: they left the row alone, or it goes on. */
function isSteady(before: Row, after: Row): boolean {
  if (after === before) return true;
  return (
    before.registration.kind === 'registered' && after.isKnown && after.registration === before.registration
  );
}

function pagesIn(transactions: readonly Transaction[]): Map<number, number> {
  const all = new Map<number, number>();
  for (const { pages } of transactions) for (const [page, position] of pages) all.set(page, position);
  return all;
}

function advance(watch: Watch, transactions: readonly Transaction[], row: Row): void {
  for (const { pages, end } of transactions) {
    for (const [page, position] of pages) watch.pages.set(page, position);
    watch.position = end;
  }
  watch.row = row;
}
