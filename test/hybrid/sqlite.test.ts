/** SQLite databases in hybrid mode: what the bucket has is one database of one instant, whatever is written meanwhile. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'libsql';
import { BAILEYS_TABLES, rowsOf, saveCreds } from '../support/sqlite-files.ts';
import { until } from '../support/until.ts';
import { flushAll } from './support/cloud.ts';
import { SqliteWriter, transactionsIn, type WrittenDatabase } from './support/sqlite-writer.ts';
import { StoredDatabases } from './support/stored-databases.ts';
import { Account, SESSION } from './support.ts';

/** The bucket takes one version of an object a second. */
const DATABASES = 20;
const ROUNDS = 10;
const JOURNAL_MODES = ['WAL', 'DELETE', 'WAL', 'TRUNCATE', 'WAL', 'PERSIST'] as const;

/** A busy machine takes its time for twenty databases. */
const patientLeases = { SESSION_LEASE_PERMISSION: '60000', SESSION_LEASE_TAKEOVER: '90000' };

function databasesIn(folder: string): WrittenDatabase[] {
  return Array.from({ length: DATABASES }, (_, index) => ({
    path: join(folder, `auth-${index}.db`),
    journalMode: JOURNAL_MODES[index % JOURNAL_MODES.length] ?? 'WAL',
  }));
}

test('each version that a write load leaves in the bucket is whole and has what was committed before its flush', async (t) => {
  const account = new Account(t);
  const bucket = new StoredDatabases(t, account);
  const machine = account.machine();
  const mounted = await machine.mount({ SESSION_BACKUP_INTERVAL: '0', ...patientLeases });
  mkdirSync(machine.path(SESSION));
  const databases = databasesIn(machine.path(SESSION));
  const writer = new SqliteWriter(t, databases);
  let committed: number[] = [];
  /** Transactions in the version before, of each database. */
  const found = databases.map(() => 0);
  const versions = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    await until(() => writer.committed().every((each, index) => each > (found[index] ?? 0)));
    committed = writer.committed();
    await flushAll(mounted).catch((error) => assert.fail(`${error}; the log:\n${mounted.log()}`));
    bucket.assertOnlyDatabases();
    for (const [index, { path }] of databases.entries()) {
      const name = path.slice(path.lastIndexOf('/') + 1);
      versions.add(bucket.version(name));
      const transactions = transactionsIn(bucket.rows(name));
      const expected = committed[index] ?? 0;
      assert.ok(transactions >= expected, `${name}: ${transactions} of ${expected} transactions`);
      found[index] = transactions;
    }
    // A daemon that takes over knows what the one before it was told.
    if (round === ROUNDS / 2) process.kill(await mounted.daemonPid(), 'SIGKILL');
  }
  assert.equal(versions.size, DATABASES * ROUNDS);
  await writer.terminate();
  await mounted.unmount();

  const fresh = account.machine();
  const restored = await fresh.mount({ SESSION_BACKUP_INTERVAL: '0' });
  for (const [index, { path }] of databasesIn(fresh.path(SESSION)).entries()) {
    const found = transactionsIn(rowsOf(path));
    assert.ok(found >= (committed[index] ?? 0), `${path}: ${found} of ${committed[index]} transactions`);
  }
  await restored.unmount();
});

test('a database is uploaded for its transactions alone, and the last flush has them all', async (t) => {
  const account = new Account(t);
  const bucket = new StoredDatabases(t, account);
  const machine = account.machine();
  const mounted = await machine.mount({ SESSION_BACKUP_INTERVAL: '0' });
  mkdirSync(machine.path(SESSION));
  const path = machine.path(SESSION, 'auth.db');
  const database = new Database(path);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = NORMAL');
  database.exec(BAILEYS_TABLES);
  saveCreds(database, 'first');
  await flushAll(mounted);
  assert.deepEqual(bucket.rows('auth.db').creds, [['__creds__', 'first']]);
  const version = bucket.version('auth.db');
  database.pragma('wal_checkpoint(TRUNCATE)');
  await flushAll(mounted);
  assert.equal(bucket.version('auth.db'), version, 'uploaded for a checkpoint');
  process.kill(await mounted.daemonPid(), 'SIGKILL');
  database.exec('BEGIN IMMEDIATE');
  saveCreds(database, 'not committed');
  await flushAll(mounted);
  assert.equal(bucket.version('auth.db'), version, 'uploaded for what is not committed');
  database.exec('COMMIT');
  saveCreds(database, 'last');
  database.close();
  await mounted.unmount();
  assert.deepEqual(bucket.rows('auth.db').creds, [['__creds__', 'last']]);
  bucket.assertOnlyDatabases();
  const last = bucket.version('auth.db');

  // The same machine: all is here, and nothing is to be uploaded.
  const again = await machine.mount({ SESSION_BACKUP_INTERVAL: '0' });
  assert.deepEqual(rowsOf(path).creds, [['__creds__', 'last']]);
  await flushAll(again);
  await again.unmount();
  assert.equal(bucket.version('auth.db'), last, 'uploaded without a change');

  // Another machine goes on; what lies beside the database on the first one is of its old state.
  const other = account.machine();
  const elsewhere = await other.mount({ SESSION_BACKUP_INTERVAL: '0' });
  const moved = new Database(other.path(SESSION, 'auth.db'));
  saveCreds(moved, 'elsewhere');
  moved.close();
  await elsewhere.unmount();
  const back = await machine.mount({ SESSION_BACKUP_INTERVAL: '0' });
  assert.deepEqual(rowsOf(path).creds, [['__creds__', 'elsewhere']]);
  await back.unmount();
});
