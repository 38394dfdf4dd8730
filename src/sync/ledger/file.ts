/** The ledger's file: read at the start, and written anew where most of it is outdated. */

import fs from 'node:fs';
import { dirname } from 'node:path';
import { codeOf } from '../../lib/system-error.ts';
import { fieldsOf, LEDGER_VERSION, type LedgerRecord, lineOf, parseLine } from './format.ts';
import { LedgerState } from './state.ts';

export const LEDGER_FILE_MODE = 0o600;
/** Written anew at the start when it has more than twice as many lines as entries, and these. */
const SPARE_LINES = 1000;

/** Most of it is outdated. */
export function isWordy(state: LedgerState): boolean {
  let entries = 0;
  for (const _ of state.entries()) entries++;
  return state.records > 2 * entries + SPARE_LINES;
}

/** Undefined: there is none, or none that says whose it is. */
export function readLedger(path: string): { state: LedgerState; damaged: boolean } | undefined {
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  const lines = text.split('\n');
  const torn = lines.pop() !== '';
  const state = new LedgerState();
  let damaged = torn;
  for (const line of lines) {
    const record = parseLine(line);
    if (record === undefined) damaged = true;
    else state.apply(record);
  }
  return state.id === '' ? undefined : { state, damaged };
}

function* recordsOf(state: LedgerState): Generator<LedgerRecord> {
  yield ['ledger', LEDGER_VERSION, state.id, state.bucket];
  if (state.wasListed) yield ['listed', true];
  yield ['listed', state.listed];
  for (const [session, epoch] of state.epochs)
    if (state.sessions.has(session)) yield ['epoch', session, epoch];
  for (const session of state.serving) yield ['serving', session];
  for (const entry of state.entries()) {
    const { name, local, remote, attempted } = entry;
    if (remote !== undefined) {
      const kind = local === 'same' || local === 'absent' ? local : 'stored';
      yield [kind, name, ...fieldsOf(remote)];
    }
    // Also of a deleted file whose upload may have been stored: nothing but its entry says so.
    if (local === 'changed' || (remote === undefined && local !== 'absent'))
      yield ['changed', name, entry.dirtySinceMs];
    if (attempted) yield ['attempt', name];
    if (local === 'deleted') yield ['deleted', name, entry.dirtySinceMs];
  }
}

/** The file holds this, and its name, on stable storage on return. */
export function rewriteLedger(path: string, state: LedgerState): void {
  const fd = fs.openSync(`${path}.new`, 'w', LEDGER_FILE_MODE);
  try {
    fs.writeFileSync(fd, [...recordsOf(state)].map(lineOf).join(''));
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(`${path}.new`, path);
  // What is appended from now on must not hang on a name that a power cut takes.
  const directory = fs.openSync(dirname(path), fs.constants.O_RDONLY);
  try {
    fs.fsyncSync(directory);
  } finally {
    fs.closeSync(directory);
  }
}
