/** The ledger's file is written anew, also while it is in use, where much of it is outdated. */
import fs from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { syncDirectorySync } from '../../lib/durable-files.ts';
import { fileOperations } from '../../lib/file-operations.ts';
import { fieldsOf, LEDGER_VERSION, type LedgerRecord, lengthLine, lineOf } from './format.ts';
import type { Attempt, ObjectEntry } from './object-entry.ts';
import type { LedgerState } from './state.ts';

export const LEDGER_FILE_MODE = 0o600;
/** The file may have so many times as many lines as what it says needs, and these: those that came since it was written are read slowly. */
const LINES_FACTOR = 1.25;
const SPARE_LINES = 1000;
/** Of the file that is written in one go. */
const CHUNK_LENGTH = 1 << 16;

/** Much of it is outdated. */
export function isWordy(state: LedgerState): boolean {
  const { records, entryCount, serving, epochs, attempts } = state;
  return records > spared(entryCount + serving.size + epochs.size + attempts.size);
}

/** A file that needs so many lines may have so many before it is written anew. */
export function spared(lines: number): number {
  return LINES_FACTOR * lines + SPARE_LINES;
}

function firstLine({ id, bucket }: LedgerState): string {
  return lineOf(['ledger', LEDGER_VERSION, id, bucket]);
}

function* recordsOf(state: LedgerState): Generator<LedgerRecord> {
  if (state.wasListed) yield ['listed', true];
  yield ['listed', state.listed];
  for (const [session, epoch] of state.epochs)
    if (state.sessions.has(session)) yield ['epoch', session, epoch];
  for (const session of state.serving) yield ['serving', session];
  // Of those that are known without a file one may be made meanwhile, in a session that was written before.
  const told = new Set<string>();
  for (const session of state.sessions.values())
    for (const entry of inOrder(session.copies)) {
      const attempts = state.attempts.get(entry.name) ?? [];
      if (attempts.length > 0) told.add(entry.name);
      yield* recordsOfEntry(entry, attempts);
    }
  for (const [name, attempts] of state.attempts)
    if (!told.has(name)) yield* recordsOfAttempts(name, attempts);
}

/** Of their names: what comes so is read fast (SettledLines). */
function inOrder(entries: Iterable<ObjectEntry>): ObjectEntry[] {
  return [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function* recordsOfEntry(entry: ObjectEntry, attempts: readonly Attempt[]): Generator<LedgerRecord> {
  const { name, local, remote } = entry;
  if (remote !== undefined) {
    const kind = local === 'same' || local === 'absent' ? local : 'stored';
    yield [kind, name, ...fieldsOf(remote)];
  }
  // Also of a deleted file whose upload may have been stored: nothing but its entry says so.
  if (local === 'changed' || (remote === undefined && local !== 'absent'))
    yield ['changed', name, entry.dirtySinceMs];
  for (const move of entry.movedBy) yield ['changed', name, move];
  yield* recordsOfAttempts(name, attempts);
  if (local !== 'deleted') return;
  yield ['deleted', name, entry.dirtySinceMs];
  if (entry.deletedBy !== undefined) yield ['deleted', name, entry.deletedBy];
}

function* recordsOfAttempts(name: string, attempts: readonly Attempt[]): Generator<LedgerRecord> {
  for (const { id, ifGeneration, crc32c, atMs } of attempts)
    yield ['attempt', name, id, ifGeneration, crc32c, atMs];
}

/** The state as bytes of the file, so many at a time that each takes a moment only. */
function* chunksOf(state: LedgerState): Generator<{ bytes: Buffer; lines: number }> {
  let text = firstLine(state) + lengthLine(0);
  let lines = 2;
  for (const record of recordsOf(state)) {
    text += lineOf(record);
    lines++;
    if (text.length < CHUNK_LENGTH) continue;
    yield { bytes: Buffer.from(text), lines };
    text = '';
    lines = 0;
  }
  yield { bytes: Buffer.from(text), lines };
}

/**
 * Notes in the file itself, in place, how much of it is on stable storage. Not synced: an older length is true as well. `fd` must
 * not append. Best effort: at worst a file that is cut later is not noticed.
 */
export function noteLength(fd: number, state: LedgerState, durable: number): void {
  try {
    fs.writevSync(fd, [Buffer.from(lengthLine(durable))], Buffer.byteLength(firstLine(state)));
  } catch {
    // See above.
  }
}

export function writeAllSync(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += fs.writeSync(fd, bytes, at);
}

/** The file holds this, and its name, on stable storage on return. */
export function rewriteLedger(path: string, state: LedgerState): void {
  const fd = fs.openSync(`${path}.new`, 'w', LEDGER_FILE_MODE);
  state.records = 0;
  let size = 0;
  try {
    for (const { bytes, lines } of chunksOf(state)) {
      writeAllSync(fd, bytes);
      state.records += lines;
      size += bytes.length;
    }
    // True as soon as the file has its name.
    noteLength(fd, state, size);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(`${path}.new`, path);
  syncName(path);
}

/** Lines that are appended after `rewriteInUse` must not hang on a name that a power cut takes. Throws system errors. */
export function syncName(path: string): void {
  syncDirectorySync(dirname(path));
}

export interface RewrittenLedger {
  fd: number;
  /** Of the same file, for `noteLength`. */
  lengthFd: number;
  size: number;
  lines: number;
}

/**
 * Writes a file that is in use anew, while records go on being applied and appended: `appendedSince` takes out those of
 * them that it has not taken out before. Every line says what is from then on, so those may be repeated after a snapshot that
 * has seen some of them. `use` gets the descriptors from then on, once all of it is durable, but for its name (`syncName`): it must
 * not throw, since there is no way back. It is not called where `isOver` says so first. Rejects with system errors; then the file is
 * as it was.
 */
export async function rewriteInUse(
  path: string,
  state: LedgerState,
  appendedSince: () => { bytes: Buffer; lines: number },
  isOver: () => boolean,
  use: (written: RewrittenLedger) => void,
): Promise<void> {
  const flags = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_TRUNC | fs.constants.O_APPEND;
  const fd = fs.openSync(`${path}.new`, flags, LEDGER_FILE_MODE);
  const written: RewrittenLedger = { fd, lengthFd: -1, size: 0, lines: 0 };
  const write = ({ bytes, lines }: { bytes: Buffer; lines: number }) => {
    writeAllSync(fd, bytes);
    written.size += bytes.length;
    written.lines += lines;
  };
  try {
    written.lengthFd = fs.openSync(`${path}.new`, fs.constants.O_WRONLY);
    for (const chunk of chunksOf(state)) {
      write(chunk);
      await nextTurn();
      if (isOver()) return giveUp(path, written);
    }
    write(appendedSince());
    await fileOperations.fdatasync(fd);
    if (isOver()) return giveUp(path, written);
    // Nothing is appended to the file before between these lines.
    write(appendedSince());
    noteLength(written.lengthFd, state, written.size);
    fs.fdatasyncSync(fd);
    fs.renameSync(`${path}.new`, path);
  } catch (error) {
    giveUp(path, written);
    throw error;
  }
  use(written);
}

function giveUp(path: string, { fd, lengthFd }: RewrittenLedger): void {
  fs.closeSync(fd);
  if (lengthFd >= 0) fs.closeSync(lengthFd);
  try {
    fs.unlinkSync(`${path}.new`);
  } catch {
    // It is overwritten the next time.
  }
}
