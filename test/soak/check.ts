/** Compares what lies in a folder with what its session's steps come to. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { BACKUP, CREDS, contentOf, DATABASE, type SessionModel, type Step, type Value } from './model.ts';

/** What SQLite keeps beside a database. */
const COMPANION = /\.db-(wal|shm|journal)$/;
const ROWS = 40;

export interface Expectation {
  /** The bot may have died in the middle of this step. */
  readonly underWay?: Step | undefined;
  /** On a machine that has only what the bucket has: a `.bak` is kept there only while its original is missing. */
  readonly restored?: boolean;
}

/** What differs, a line each. */
export function differences(
  directory: string,
  model: SessionModel,
  { underWay, restored = false }: Expectation = {},
): string[] {
  const folder = join(directory, model.folder);
  const listed = existsSync(folder) ? readdirSync(folder).filter((name) => !COMPANION.test(name)) : [];
  const names = new Set([
    ...listed,
    ...model.files.keys(),
    ...(underWay?.changes ?? []).map(({ name }) => name),
  ]);
  const found: string[] = [];
  for (const name of names) {
    const allowed = allowedValues(model, name, underWay);
    if (restored && name === BACKUP) allowed.add(undefined);
    const difference = differs(join(folder, name), `${model.folder}/${name}`, allowed);
    if (difference !== undefined) found.push(`${model.folder}/${name}: ${difference}`);
  }
  if (model.files.has(CREDS) && underWay?.action !== 'logout' && !hasCredentials(folder))
    found.push(`${model.folder}: neither ${CREDS} nor ${BACKUP}`);
  return found;
}

function allowedValues(model: SessionModel, name: string, underWay: Step | undefined): Set<Value> {
  const allowed = new Set<Value>([model.files.get(name)]);
  const change = underWay?.changes.find((changed) => changed.name === name);
  for (const value of change ? [change.to, ...change.onTheWay] : []) allowed.add(value);
  return allowed;
}

function hasCredentials(folder: string): boolean {
  return existsSync(join(folder, CREDS)) || existsSync(join(folder, BACKUP));
}

function differs(file: string, path: string, allowed: ReadonlySet<Value>): string | undefined {
  const values = [...allowed];
  if (path.endsWith(DATABASE) && values.some((value) => value?.startsWith('rows')))
    return databaseDiffers(file, values);
  const content = existsSync(file) ? readFileSync(file) : undefined;
  const isAllowed = values.some((value) =>
    value === undefined || content === undefined ? value === content : content.equals(contentOf(path, value)),
  );
  if (isAllowed) return undefined;
  const shown = content === undefined ? 'missing' : `${content.length} bytes, ${begin(content)}`;
  return `${shown}; expected ${values.map((value) => value ?? 'no file').join(' or ')}`;
}

function begin(content: Buffer): string {
  return JSON.stringify(content.toString('latin1', 0, 120));
}

function databaseDiffers(file: string, values: readonly Value[]): string | undefined {
  const found = existsSync(file) ? `rows ${rowsIn(file)}` : undefined;
  if (values.includes(found)) return undefined;
  return `${found ?? 'missing'}; expected ${values.map((value) => value ?? 'no file').join(' or ')}`;
}

/** Throws where the database is damaged, or has a part of a transaction. */
export function rowsIn(file: string): number {
  const database = new Database(file);
  try {
    const [integrity] = database.prepare('PRAGMA integrity_check').raw().all() as [string][];
    if (integrity?.[0] !== 'ok') throw new Error(`${file}: ${integrity?.[0]}`);
    const tables = database.prepare("SELECT count(*) FROM sqlite_schema WHERE type = 'table'").raw().all();
    if ((tables as [number][])[0]?.[0] !== 2) return 0;
    const last = Number((database.prepare('SELECT number FROM last').raw().all() as [number][])[0]?.[0] ?? 0);
    const rows = new Map(database.prepare('SELECT id, number FROM keys').raw().all() as [number, number][]);
    for (let number = last; number > Math.max(0, last - ROWS); number--)
      if (rows.get(number % ROWS) !== number) throw new Error(`${file}: transaction ${number} is not whole`);
    return last;
  } finally {
    database.close();
  }
}

/** Transaction n: row n modulo ROWS, and the number of the last one. Doing it again changes nothing. */
export function transact(database: Database.Database, number: number): void {
  database.exec('BEGIN IMMEDIATE');
  database.exec('CREATE TABLE IF NOT EXISTS keys (id INTEGER PRIMARY KEY, number INTEGER, value TEXT)');
  database.exec('CREATE TABLE IF NOT EXISTS last (id INTEGER PRIMARY KEY, number INTEGER)');
  const value = 'x'.repeat(100 + ((number * 7919) % 3000));
  database.prepare('INSERT OR REPLACE INTO keys VALUES (?, ?, ?)').run(number % ROWS, number, value);
  database.prepare('INSERT OR REPLACE INTO last VALUES (0, ?)').run(number);
  database.exec('COMMIT');
}
