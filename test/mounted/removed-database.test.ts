/** A session with an SQLite database that is removed comes back as it was: its last transaction, whatever lay beside the database. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'libsql';
import { toObjectName } from '../../src/naming/object-name.ts';
import { runCli } from '../cli/run-cli.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { rowsOf } from '../support/sqlite-files.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

const ROWS = 40;

function fill(folder: string, mode: string): Database.Database {
  mkdirSync(folder);
  writeFileSync(join(folder, 'settings.json'), '{"a":1}');
  const database = new Database(join(folder, 'auth.db'));
  for (const pragma of [`journal_mode = ${mode}`, 'synchronous = NORMAL']) database.pragma(pragma);
  database.exec('CREATE TABLE t(a INTEGER PRIMARY KEY, b)');
  for (let i = 0; i < ROWS; i++) database.prepare('INSERT INTO t VALUES(?, ?)').run(i, 'old'.repeat(500));
  return database;
}

function change(database: Database.Database): void {
  for (let i = 0; i < ROWS; i++) database.prepare('UPDATE t SET b = ? WHERE a = ?').run('new', i);
}

test('a removed session comes back with every transaction of its database', {
  timeout: 180_000,
}, async (t) => {
  const mounted = await mountSessionfs(t);
  const modes = ['WAL', 'DELETE', 'TRUNCATE', 'PERSIST'];
  const at = (name: string) => join(mounted.mountPoint, name);
  const databases = modes.map((mode) => ({ mode, database: fill(at(`${mode}-+1`), mode) }));
  const killed = ['log-first-+2', 'log-last-+2'].map((name) => ({ name, database: fill(at(name), 'WAL') }));
  // A checkpoint has these versions, and the logs.
  const files = [
    ...modes.map((mode) => `${mode}-+1/auth.db`),
    ...killed.map(({ name }) => `${name}/auth.db-wal`),
  ];
  const sealed = (path: string) => join(`${mounted.mountPoint}.sealed`, toObjectName(path, 'file'));
  await until(() => files.every((path) => existsSync(sealed(path))));
  for (const { mode, database } of databases) {
    change(database);
    database.close();
    rmSync(at(`${mode}-+1`), { recursive: true });
  }
  for (const { name, database } of killed) {
    change(database);
    if (name === 'log-first-+2') unlinkSync(join(at(name), 'auth.db-wal'));
    rmSync(at(name), { recursive: true });
    database.close();
  }
  await mounted.unmount();
  const out = temporaryDirectory(t);
  for (const session of [...modes.map((mode) => `${mode}-+1`), ...killed.map(({ name }) => name)]) {
    const folder = join(out, session);
    const { status, stderr } = runCli(['restore', at(session), '--to', folder]);
    assert.equal(status, 0, stderr);
    assert.deepEqual(readdirSync(folder).sort(), ['auth.db', 'settings.json'], session);
    const rows = Array.from({ length: ROWS }, (_, row) => [row, 'new']);
    assert.deepEqual(rowsOf(join(folder, 'auth.db')), { t: rows }, session);
  }
});
