/** A thread that writes SQLite databases without pause, each transaction numbered, and says how many of each are committed. */
import { parentPort, Worker, workerData } from 'node:worker_threads';
import Database from 'libsql';

export interface WrittenDatabase {
  path: string;
  journalMode: 'WAL' | 'DELETE' | 'TRUNCATE' | 'PERSIST';
}

interface Task {
  databases: readonly WrittenDatabase[];
  /** The number of the last transaction of each database that was committed; behind them 1: stop. */
  counters: Int32Array;
}

const ROWS = 40;

export class SqliteWriter {
  readonly #counters: Int32Array;
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  #failure: unknown;

  constructor(databases: readonly WrittenDatabase[]) {
    this.#counters = new Int32Array(new SharedArrayBuffer(4 * (databases.length + 1)));
    const task: Task = { databases, counters: this.#counters };
    this.#worker = new Worker(import.meta.filename, { workerData: task });
    this.#ended = new Promise((resolve, reject) => {
      this.#worker.once('error', reject);
      this.#worker.once('message', () => resolve());
    });
    this.#ended.catch((error: unknown) => {
      this.#failure = error;
    });
  }

  /** Of each database: all transactions up to this one are committed. */
  committed(): number[] {
    if (this.#failure !== undefined) throw this.#failure;
    return [...this.#counters.subarray(0, -1)].map((_, index) => Atomics.load(this.#counters, index));
  }

  /** Resolves when all databases are closed. */
  stop(): Promise<void> {
    Atomics.store(this.#counters, this.#counters.length - 1, 1);
    return this.#ended;
  }

  /** It stops without closing anything, in the middle of what it does. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
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

function write({ databases, counters }: Task): void {
  const opened = databases.map(({ path, journalMode }) => open(path, journalMode));
  for (let round = 1; Atomics.load(counters, databases.length) === 0; round++) {
    for (const [index, database] of opened.entries()) {
      const transaction = Atomics.load(counters, index) + 1;
      transact(database, transaction);
      Atomics.store(counters, index, transaction);
      if (round % 17 === index) database.pragma('wal_checkpoint(TRUNCATE)');
      if (round % 13 === index) rollBack(database);
    }
  }
  for (const database of opened) database.close();
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

if (parentPort !== null) {
  write(workerData as Task);
  parentPort.postMessage('ended');
}
