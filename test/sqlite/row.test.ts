/** One row of a database, read page by page: what a real SQLite wrote is found, and nothing else does harm. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import Database from 'libsql';
import { fold } from '../../src/sqlite/fold.ts';
import { pageSizeOf, SqliteError } from '../../src/sqlite/format.ts';
import { type Pages, pagesOf, pagesOver } from '../../src/sqlite/pages.ts';
import { pagesBefore } from '../../src/sqlite/rollback-journal.ts';
import { type FoundRow, findRow } from '../../src/sqlite/row.ts';
import {
  checkpointedEnd,
  isCheckpointed,
  LOG_START,
  readLogHeader,
  transactionsOf,
} from '../../src/sqlite/write-ahead-log.ts';
import { readFiles } from '../support/sqlite-files.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const KEY = '__creds__';
const TABLE = 'CREATE TABLE Creds (key TEXT PRIMARY KEY, value TEXT)';

function find(database: Uint8Array, pages: Pages = pagesOf(database, pageSizeOf(database) ?? 0)): FoundRow {
  return findRow(pages, 'creds', KEY);
}

function textOf(found: FoundRow): string | undefined {
  assert.equal(found.error, undefined);
  return found.value?.toString();
}

function save(database: Database.Database, value: unknown, key = KEY): void {
  database.prepare('INSERT OR REPLACE INTO creds VALUES (?, ?)').run(key, value);
}

/** Opens a database that is made with these pragmas, beside which there is none. */
function open(
  t: TestContext,
  pragmas: readonly string[] = [],
): { path: string; database: Database.Database } {
  const path = join(temporaryDirectory(t), 'a.db');
  const database = new Database(path);
  t.after(() => database.close());
  for (const pragma of ['synchronous = OFF', ...pragmas]) database.pragma(pragma);
  return { path, database };
}

const SHAPES = [
  ...[512, 1024, 4096, 65_536].map((bytes) => [`page_size = ${bytes}`]),
  ["encoding = 'UTF-16le'"],
  ["encoding = 'UTF-16be'", 'page_size = 512'],
  ['auto_vacuum = FULL', 'page_size = 512'],
];
const VALUES = ['', '{"me":null}', 'é😀'.repeat(700), 'x'.repeat(100_000)];

for (const pragmas of SHAPES)
  test(`the row is found in a database with ${pragmas.join(', ')}`, (t) => {
    const { path, database } = open(t, pragmas);
    database.exec(
      'CREATE TABLE before (a); CREATE VIEW creds_view AS SELECT 1; CREATE INDEX i ON before (a)',
    );
    database.exec(TABLE);
    assert.equal(textOf(find(readFileSync(path))), undefined);
    for (const value of VALUES) {
      save(database, value);
      assert.equal(textOf(find(readFileSync(path))), value);
      save(database, value.slice(1), 'another');
    }
    database.exec(`DELETE FROM creds WHERE key = '${KEY}'`);
    assert.equal(textOf(find(readFileSync(path))), undefined);
    save(database, Buffer.from('bytes'));
    assert.equal(textOf(find(readFileSync(path))), 'bytes');
    save(database, null);
    assert.equal(textOf(find(readFileSync(path))), undefined);
  });

test('it is found among many rows and many tables, and in pages of which the end is reserved', (t) => {
  const { path, database } = open(t, ['page_size = 512']);
  database.exec('CREATE TABLE x (a)');
  database.close();
  const bytes = readFileSync(path);
  // No cell of the schema lies there yet: it is moved away from the end.
  const cell = bytes.readUInt16BE(108);
  bytes.copyWithin(cell - 32, cell, 512);
  bytes.writeUInt16BE(cell - 32, 108);
  bytes.writeUInt16BE(bytes.readUInt16BE(105) - 32, 105);
  bytes[20] = 32;
  bytes.writeUInt16BE(480, 512 + 5);
  writeFileSync(path, bytes);
  const again = new Database(path);
  t.after(() => again.close());
  again.pragma('synchronous = OFF');
  assert.deepEqual(again.prepare('PRAGMA integrity_check').raw().all(), [['ok']]);
  for (let i = 0; i < 100; i++) again.exec(`CREATE TABLE t${i} (a, b, c, d)`);
  again.exec(TABLE);
  for (let i = 0; i < 300; i++) save(again, `${i}`.repeat(50), `key${i}`);
  save(again, 'y'.repeat(3_000));
  for (let i = 300; i < 600; i++) save(again, `${i}`.repeat(50), `key${i}`);
  assert.deepEqual(again.prepare('PRAGMA integrity_check').raw().all(), [['ok']]);
  assert.equal(textOf(find(readFileSync(path))), 'y'.repeat(3_000));
});

test('in the write-ahead log each transaction is a state, until a checkpoint begins', (t) => {
  const { path, database } = open(t, ['page_size = 1024', 'journal_mode = WAL', 'wal_autocheckpoint = 0']);
  database.exec(TABLE);
  database.exec('CREATE TABLE other (a)');
  const values = ['first', 'second', 'z'.repeat(5_000), 'fourth'];
  const save1 = (value: string) => {
    save(database, value);
    database.exec('INSERT INTO other VALUES (1)');
  };
  for (const value of values) save1(value);
  const states = () => {
    const { database: main, log = new Uint8Array(0) } = readFiles(path);
    const header = readLogHeader(log);
    assert.ok(header !== undefined);
    const pages = new Map<number, number>();
    const below = pagesOf(main, header.pageBytes);
    const seen: (string | undefined)[] = [];
    for (const transaction of transactionsOf(log, header)) {
      for (const [page, position] of transaction.pages) pages.set(page, position);
      const found = textOf(find(main, pagesOver(below, log, pages)));
      // The part of the log up to there folds to the same.
      const files = { database: main.slice(), log: log.slice(0, transaction.end), journal: undefined };
      const folded = fold(files, 1 << 26);
      assert.equal(textOf(find(folded)), found);
      if (seen.at(-1) !== found) seen.push(found);
    }
    const isAllIn = isCheckpointed(main, log);
    return { seen, isAllIn, checkpointed: checkpointedEnd(below, log, header), log, header };
  };
  const before = states();
  assert.deepEqual([before.seen, before.isAllIn, before.checkpointed], [values, false, LOG_START]);
  // A reader keeps the log from beginning anew.
  const reader = new Database(path);
  reader.exec('BEGIN');
  reader.prepare('SELECT * FROM creds').all();
  database.pragma('wal_checkpoint(PASSIVE)');
  const { length } = readFiles(path).log ?? [];
  assert.equal(states().isAllIn, true);
  save1('fifth');
  const after = states();
  assert.equal(after.isAllIn, false);
  const ends = [...transactionsOf(after.log, after.header)].map(({ end }) => end);
  assert.ok(after.log.length > (length ?? 0), 'the log began anew');
  assert.equal(
    after.checkpointed,
    ends.findLast((end) => end <= (length ?? 0)),
  );
  reader.exec('COMMIT');
  reader.close();
  // The log begins anew, over what it had.
  database.pragma('wal_checkpoint(RESTART)');
  save1('sixth');
  const anew = states();
  assert.deepEqual([anew.seen, anew.log.length, anew.checkpointed], [['sixth'], after.log.length, LOG_START]);
});

test('the rollback journal has the state before', (t) => {
  for (const mode of ['DELETE', 'PERSIST', 'TRUNCATE']) {
    const { path, database } = open(t, ['page_size = 512', `journal_mode = ${mode}`]);
    database.exec(TABLE);
    save(database, 'before'.repeat(1_000));
    database.exec('BEGIN');
    save(database, 'after');
    const { journal = new Uint8Array(0) } = readFiles(path);
    database.exec('COMMIT');
    const main = readFileSync(path);
    const before = pagesBefore(main, journal);
    assert.ok(before !== undefined);
    const below = pagesOf(main, before.pageBytes, before.databasePages);
    assert.equal(textOf(find(main, pagesOver(below, journal, before.positions))), 'before'.repeat(1_000));
    assert.equal(textOf(find(main)), 'after');
  }
});

test('while the pages that were read are the same, so is the row', (t) => {
  const { path, database } = open(t, ['page_size = 512']);
  database.exec(`${TABLE}; CREATE TABLE other (a)`);
  save(database, 'w'.repeat(2_000));
  const first = readFileSync(path);
  const found = find(first);
  for (let i = 0; i < 50; i++) database.prepare('INSERT INTO other VALUES (?)').run('o'.repeat(300));
  // All others are gone.
  const seen = Buffer.alloc(first.length);
  for (const page of found.pages) first.copy(seen, (page - 1) * 512, (page - 1) * 512, page * 512);
  assert.deepEqual(find(seen), found);
  const now = readFileSync(path);
  const changed = [...found.pages].filter(
    (page) =>
      page > 1 &&
      !now.subarray((page - 1) * 512, page * 512).equals(first.subarray((page - 1) * 512, page * 512)),
  );
  assert.deepEqual(changed, []);
});

test('a table that is stored in another way is not known, and no table is none', (t) => {
  const { path, database } = open(t);
  assert.deepEqual(find(new Uint8Array(0), pagesOf(new Uint8Array(0), 4_096)).error, undefined);
  database.exec('CREATE TABLE creds (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID');
  save(database, 'x');
  assert.ok(find(readFileSync(path)).error instanceof SqliteError);
  database.exec('DROP TABLE creds');
  assert.equal(textOf(find(readFileSync(path))), undefined);
  rmSync(path);
});

test('a row that a page names again and again is not read again and again', (t) => {
  const { path, database } = open(t, ['page_size = 4096']);
  database.exec('CREATE TABLE creds (key, value)');
  save(database, 'v'.repeat(3_000), 'another');
  const bytes = readFileSync(path);
  assert.equal(textOf(find(bytes)), undefined);
  const [root, cells, pointers] = [4_096, 3, 8];
  for (let cell = 1; cell < 10; cell++)
    bytes.copyWithin(root + pointers + 2 * cell, root + pointers, root + pointers + 2);
  bytes.writeUInt16BE(10, root + cells);
  assert.match(String(find(bytes).error), /overlap/);
});

test('a table of a hundred thousand rows, as a few pages can have it, is not searched', (t) => {
  const { path, database } = open(t, ['page_size = 65536']);
  database.exec('CREATE TABLE creds (key, value)');
  const [PAGE, root, cells, leaves] = [65_536, 65_536, 32_000, 4];
  const whole = readFileSync(path);
  const bytes = Buffer.concat([whole, Buffer.alloc(PAGE * leaves)]);
  const first = whole.length / PAGE + 1;
  bytes.writeUInt8(5, root);
  bytes.writeUInt16BE(leaves - 1, root + 3);
  bytes.writeUInt32BE(first, root + 8);
  for (let leaf = 1; leaf < leaves; leaf++) {
    bytes.writeUInt16BE(1_000 + 8 * leaf, root + 12 + 2 * (leaf - 1));
    bytes.writeUInt32BE(first + leaf, root + 1_000 + 8 * leaf);
  }
  // One row of one byte, which each of the places names.
  for (let at = whole.length; at < bytes.length; at += PAGE) {
    bytes.writeUInt8(13, at);
    bytes.writeUInt16BE(cells, at + 3);
    for (let cell = 0; cell < cells; cell++) bytes.writeUInt16BE(PAGE - 8, at + 8 + 2 * cell);
    bytes.fill(1, at + PAGE - 8, at + PAGE - 5);
  }
  assert.match(String(find(bytes).error), /too many rows/);
  bytes.writeUInt16BE(1, whole.length + 3);
  assert.equal(textOf(find(bytes)), undefined);
});

test('a journal of nothing but headers is read in no time', () => {
  const journal = Buffer.alloc(64 * 1024 * 1024);
  Buffer.from('d9d505f920a163d7', 'hex').copy(journal);
  for (const [at, value] of [
    [12, 1],
    [16, 1],
    [20, 32],
    [24, 512],
  ] as const)
    journal.writeUInt32BE(value, at);
  for (let filled = 32; filled < journal.length; filled *= 2) journal.copyWithin(filled, 0, filled);
  const began = process.cpuUsage();
  assert.equal(pagesBefore(Buffer.alloc(512), journal)?.positions.size, 0);
  // What others do on this machine takes nothing of it.
  const { user } = process.cpuUsage(began);
  assert.ok(user < 3_000_000, `${user} us`);
});

test('whatever the bytes are, the search ends, and nothing but an error comes of it', (t) => {
  const { path, database } = open(t, ['page_size = 512']);
  database.exec(TABLE);
  for (let i = 0; i < 40; i++) save(database, `${i}`.repeat(50), `key${i}`);
  save(database, 'v'.repeat(5_000));
  const whole = readFileSync(path);
  const { pages } = find(whole);
  const byte = fc.tuple(
    fc.constantFrom(...pages),
    fc.nat(511),
    fc.oneof(fc.nat(255), fc.constantFrom(0, 2, 5, 13, 255)),
  );
  const cut = fc.nat(whole.length);
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 12 }), fc.option(cut), (changes, length) => {
      const bytes = Buffer.from(whole);
      for (const [page, at, value] of changes) bytes[(page - 1) * 512 + at] = value;
      const found = findRow(pagesOf(bytes.subarray(0, length ?? bytes.length), 512), 'creds', KEY);
      assert.ok(found.error === undefined || found.error instanceof SqliteError);
    }),
    { numRuns: 1_500 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_600 }), (tail) => {
      const bytes = Buffer.concat([whole.subarray(0, 105), tail, Buffer.alloc(2_048)]);
      findRow(pagesOf(bytes, 512), 'creds', KEY);
      for (const log of [bytes, tail]) if (readLogHeader(log) !== undefined) assert.fail('no log');
      for (const _ of transactionsOf(bytes, { pageBytes: 512, salt: [0, 0] }));
    }),
    { numRuns: 300 },
  );
});
