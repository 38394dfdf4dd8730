/** A process that writes SQLite databases without pause, each transaction numbered, and says how many of each are committed. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { cleanUp, type Scope } from '../../support/cleanup.ts';
import { cleanEnvironment } from '../../support/environment.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

export interface WrittenDatabase {
  path: string;
  journalMode: 'WAL' | 'DELETE' | 'TRUNCATE' | 'PERSIST';
}

interface Task {
  databases: readonly WrittenDatabase[];
  /** The number of the last transaction of each database that was committed, as 32-bit integers. */
  counters: string;
}

const ROWS = 40;
const COUNTER_BYTES = 4;
/** After each transaction: a flush still meets hundreds, and the processor has time for what runs beside. */
const PAUSE_MS = 5;

export class SqliteWriter {
  readonly #task: Task;
  readonly #process: ChildProcess;
  #isOver = false;
  #failure: Error | undefined;

  constructor(scope: Scope, databases: readonly WrittenDatabase[]) {
    this.#task = { databases, counters: join(temporaryDirectory(scope), 'counters') };
    writeFileSync(this.#task.counters, Buffer.alloc(COUNTER_BYTES * databases.length));
    this.#process = fork(import.meta.filename, [JSON.stringify(this.#task)], { env: cleanEnvironment() });
    this.#process.once('exit', (code, signal) => {
      if (!this.#isOver) this.#failure = new Error(`the writer ended with ${signal ?? code}`);
    });
    cleanUp(scope, () => this.terminate());
  }

  /** Of each database: all transactions up to this one are committed. */
  committed(): number[] {
    if (this.#failure !== undefined) throw this.#failure;
    const counters = readFileSync(this.#task.counters);
    return this.#task.databases.map((_, index) => counters.readUInt32LE(COUNTER_BYTES * index));
  }

  /** SIGKILL: it stops without closing anything, in the middle of what it does. */
  async terminate(): Promise<void> {
    this.#isOver = true;
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }
}

/** Throws unless the rows are those after some whole number of transactions; returns it. */
export function transactionsIn(rows: Record<string, unknown[]>): number {
  const last = Number((rows.creds as [string, string][] | undefined)?.[0]?.[1] ?? 0);
  const found = new Map(
    ((rows.signal_keys ?? []) as [number, number][]).map(([id, transaction]) => [id, transaction]),
  );
  // The newest transactions, each in a row of its own, and no later one.
  for (let number = last; number > Math.max(0, last - ROWS); number--) {
    const row = found.get(number % ROWS);
    if (row !== number) throw new Error(`transaction ${number} of ${last} is not there, but ${row}`);
  }
  return last;
}

function write({ databases, counters }: Task): never {
  const opened = databases.map(({ path, journalMode }) => open(path, journalMode));
  const committed = databases.map(() => 0);
  const counter = Buffer.alloc(COUNTER_BYTES);
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const fd = openSync(counters, 'r+');
  for (let round = 1; ; round++) {
    for (const [index, database] of opened.entries()) {
      const transaction = (committed[index] ?? 0) + 1;
      transact(database, transaction);
      committed[index] = transaction;
      counter.writeUInt32LE(transaction);
      writeSync(fd, counter, 0, COUNTER_BYTES, COUNTER_BYTES * index);
      if (round % 17 === index) database.pragma('wal_checkpoint(TRUNCATE)');
      if (round % 13 === index) rollBack(database);
      Atomics.wait(pause, 0, 0, PAUSE_MS);
    }
  }
}

function open(path: string, journalMode: string): Database.Database {
  const database = new Database(path);
  // Each sync waits for a disk that is busy with other tests, and none is at stake here.
  database.pragma('synchronous = OFF');
  database.pragma(`journal_mode = ${journalMode}`);
  database.pragma('wal_autocheckpoint = 30');
  // Transactions spill: the files have pages of what is not committed.
  database.pragma('cache_size = 4');
  database.exec('CREATE TABLE creds (key TEXT PRIMARY KEY, value TEXT)');
  database.exec('CREATE TABLE signal_keys (id INTEGER PRIMARY KEY, number INTEGER, value BLOB)');
  return database;
}

/** Transaction n writes row n modulo ROWS, besides the number of the last one. */
function transact(database: Database.Database, number: number): void {
  database.exec('BEGIN IMMEDIATE');
  writeRow(database, number);
  database.prepare('INSERT OR REPLACE INTO creds VALUES (?, ?)').run('last', `${number}`);
  database.exec('COMMIT');
}

function writeRow(database: Database.Database, number: number): void {
  const value = Buffer.alloc(500 + ((number * 7919) % 12_000), `${number}`);
  database.prepare('INSERT OR REPLACE INTO signal_keys VALUES (?, ?, ?)').run(number % ROWS, number, value);
}

function rollBack(database: Database.Database): void {
  database.exec('BEGIN IMMEDIATE');
  for (let number = 1_000; number < 1_010; number++) writeRow(database, number);
  database.exec('DELETE FROM signal_keys');
  database.exec('ROLLBACK');
}

if (process.argv[1] === import.meta.filename) write(JSON.parse(process.argv[2] ?? '') as Task);
