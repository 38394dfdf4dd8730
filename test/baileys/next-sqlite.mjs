/*
 * The SQLite state of Baileys' develop branch (2026-05-22), statement by statement: write-ahead log, synchronous NORMAL, one
 * transaction for each set.
 *
 *   node next-sqlite.mjs write DIR [ROUNDS]   changes credentials and keys, and prints a line after each round
 *   node next-sqlite.mjs read DIR             prints what is read of each, as JSON; fails where the database is damaged
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Database from 'libsql';

const isProgram = process.argv[1] === fileURLToPath(import.meta.url);
// What the program writes has no buffers, and Baileys takes as long to load as some hundred rounds take.
const { BufferJSON, initAuthCreds, proto } = isProgram
  ? {}
  : (await import('./workload/baileys.mjs')).baileys;

const CREDS = '__creds__';

export const databaseIn = (folder) => join(folder, 'auth.db');
const encoded = (value) => JSON.stringify(value, BufferJSON?.replacer);
const decoded = (text) => JSON.parse(text, BufferJSON?.reviver);

export async function useSqliteAuthState({ dbPath }) {
  const database = new Database(dbPath);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = NORMAL');
  database.exec(`CREATE TABLE IF NOT EXISTS creds (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS signal_keys (type TEXT NOT NULL, id TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (type, id));
    CREATE INDEX IF NOT EXISTS signal_keys_type ON signal_keys (type);`);
  const readCreds = database.prepare('SELECT value FROM creds WHERE key = ?');
  const writeCreds = database.prepare(
    'INSERT INTO creds VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  );
  const readKey = database.prepare('SELECT value FROM signal_keys WHERE type = ? AND id = ?');
  const writeKey = database.prepare(
    'INSERT INTO signal_keys VALUES (?, ?, ?) ON CONFLICT (type, id) DO UPDATE SET value = excluded.value',
  );
  const deleteKey = database.prepare('DELETE FROM signal_keys WHERE type = ? AND id = ?');
  const row = readCreds.get(CREDS);
  const creds = row === undefined ? (initAuthCreds?.() ?? {}) : decoded(row.value);
  const get = async (type, ids) => {
    const found = ids.map((id) => {
      const key = readKey.get(type, id);
      const value = key === undefined ? null : decoded(key.value);
      const isKey = type === 'app-state-sync-key' && value;
      return [id, isKey ? proto.Message.AppStateSyncKeyData.fromObject(value) : value];
    });
    return Object.fromEntries(found);
  };
  const setAll = database.transaction((data) => {
    for (const [type, values] of Object.entries(data))
      for (const [id, value] of Object.entries(values))
        if (value) writeKey.run(type, id, encoded(value));
        else deleteKey.run(type, id);
  });
  return {
    state: { creds, keys: { get, set: async (data) => setAll.immediate(data) } },
    saveCreds: async () => void writeCreds.run(CREDS, encoded(creds)),
    close: () => database.close(),
  };
}

/** Of the database in `folder`: whether it is whole, its credentials, and how many keys it has. */
export function surveyDatabase(folder) {
  const database = new Database(databaseIn(folder));
  try {
    const [{ integrity_check: integrity }] = database.prepare('PRAGMA integrity_check').all();
    const row = database.prepare('SELECT value FROM creds WHERE key = ?').get(CREDS);
    const { keys } = database.prepare('SELECT COUNT(*) AS keys FROM signal_keys').get();
    return { integrity, creds: row && decoded(row.value), keys };
  } finally {
    database.close();
  }
}

/** After each round, so that the processor also gets to those who kill. */
const REST_MS = 10;
const KEYS = ['1.0', '2.0', '3.0'];

async function main([command, folder, rounds = '1000000']) {
  mkdirSync(folder, { recursive: true });
  if (command === 'read') {
    const { integrity } = surveyDatabase(folder);
    if (integrity !== 'ok') throw new Error(integrity);
  }
  const { state, saveCreds, close } = await useSqliteAuthState({ dbPath: databaseIn(folder) });
  if (command === 'read') {
    const keys = await state.keys.get('session', KEYS);
    process.stdout.write(JSON.stringify({ creds: state.creds, ...keys }));
    return close();
  }
  state.creds.round ??= 0;
  for (let left = Number(rounds); left > 0; left--) {
    const round = ++state.creds.round;
    const padding = 'x'.repeat((round * 7919) % 20_000);
    await saveCreds();
    await state.keys.set({ session: Object.fromEntries(KEYS.map((id) => [id, { round, padding }])) });
    process.stdout.write(`${round}\n`);
    await sleep(REST_MS);
  }
  close();
}

if (isProgram) await main(process.argv.slice(2));
