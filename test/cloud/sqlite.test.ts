/** SQLite in cloud mode: a transaction that is synced is in the bucket when COMMIT has returned. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import Database from 'libsql';
import { StoredDatabases } from '../hybrid/support/stored-databases.ts';
import { Account, SESSION } from '../hybrid/support.ts';
import { BAILEYS_TABLES, rowsOf, saveCreds } from '../support/sqlite-files.ts';

test('with synchronous=FULL a transaction is in the bucket when COMMIT has returned, and comes back on another machine', async (t) => {
  const account = new Account(t);
  const stored = new StoredDatabases(t, account);
  const machine = account.machine();
  const mounted = await machine.mount({ SESSION_STORAGE_TYPE: 'cloud' });
  mkdirSync(machine.path(SESSION));
  const database = new Database(machine.path(SESSION, 'auth.db'));
  // Each sync waits for the bucket.
  database.pragma('synchronous = OFF');
  database.pragma('journal_mode = WAL');
  database.exec(BAILEYS_TABLES);
  database.pragma('synchronous = FULL');
  for (const value of ['first', 'second']) {
    saveCreds(database, value);
    assert.deepEqual(stored.rows('auth.db').creds, [['__creds__', value]]);
  }
  stored.assertOnlyDatabases();
  await mounted.kill();
  const again = await account.machine().mount({ SESSION_STORAGE_TYPE: 'cloud' });
  assert.deepEqual(rowsOf(`${again.mountPoint}/${SESSION}/auth.db`).creds, [['__creds__', 'second']]);
  await again.unmount();
});
