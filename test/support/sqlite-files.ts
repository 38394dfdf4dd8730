/** Databases of a real SQLite, as files: what it finds in them, and what lies on the disk while it works. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import type { DatabaseFiles } from '../../src/sqlite/fold.ts';

/** As Baileys' useSqliteAuthState makes them. */
export const BAILEYS_TABLES = `CREATE TABLE creds (key TEXT PRIMARY KEY, value TEXT NOT NULL);
  CREATE TABLE signal_keys (type TEXT NOT NULL, id TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (type, id))`;

/** The row of BAILEYS_TABLES that every change of the credentials replaces. */
export function saveCreds(database: Database.Database, value: string): void {
  const upsert = 'INSERT INTO creds VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value';
  database.prepare(upsert).run('__creds__', value);
}

/** The bytes of a database that is made at `path` anew, with these credentials. */
export function databaseWith(path: string, creds: string): Buffer {
  rmSync(path, { force: true });
  const database = new Database(path);
  database.exec('CREATE TABLE creds (key TEXT PRIMARY KEY, value TEXT)');
  saveCreds(database, creds);
  database.close();
  return readFileSync(path);
}

/** Copies, so that the caller may change them. */
export function readFiles(path: string): DatabaseFiles {
  const read = (file: string) => (existsSync(file) ? new Uint8Array(readFileSync(file)) : undefined);
  return {
    database: read(path) ?? new Uint8Array(0),
    log: read(`${path}-wal`),
    journal: read(`${path}-journal`),
  };
}

/** Every row of every table, as SQLite finds them in these files; it recovers what it has to. Fails where they are damaged. */
export function contentOf(directory: string, { database, log, journal }: DatabaseFiles): unknown {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
  const path = join(directory, 'copy.db');
  writeFileSync(path, database);
  if (log !== undefined) writeFileSync(`${path}-wal`, log);
  if (journal !== undefined) writeFileSync(`${path}-journal`, journal);
  return rowsOf(path);
}

/** As `contentOf`, of a database where it lies. */
export function rowsOf(path: string): Record<string, unknown[]> {
  const database = new Database(path);
  try {
    assert.deepEqual(database.prepare('PRAGMA integrity_check').raw().all(), [['ok']], path);
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1").raw();
    const names = (tables.all() as [string][]).map(([name]) => name);
    return Object.fromEntries(
      names.map((name) => [name, database.prepare(`SELECT * FROM "${name}" ORDER BY 1, 2`).raw().all()]),
    );
  } finally {
    database.close();
  }
}
