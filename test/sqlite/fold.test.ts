/** Whatever a process that was killed left of a database: the folded file holds what a real SQLite finds in it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import Database from 'libsql';
import { cutDatabases } from '../../src/sqlite/cut.ts';
import { type DatabaseFiles, fold } from '../../src/sqlite/fold.ts';
import { isDatabase, SqliteError } from '../../src/sqlite/format.ts';
import { superJournalOf } from '../../src/sqlite/rollback-journal.ts';
import { contentOf, readFiles } from '../support/sqlite-files.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const MAX_BYTES = 64 * 1024 * 1024;
const RUNS = 25;
/** A history that fails takes minutes to be made short: then it is told as it is. */
const SHRINK_MS = 30_000;

function copyOf({ database, log, journal }: DatabaseFiles): DatabaseFiles {
  return { database: database.slice(), log: log?.slice(), journal: journal?.slice() };
}

/** The folded file alone, and the files as they were, hold the same. */
function assertFolds(directory: string, files: DatabaseFiles, message?: string): Uint8Array {
  const folded = fold(copyOf(files), MAX_BYTES);
  const alone = { database: folded, log: undefined, journal: undefined };
  const expected = contentOf(join(directory, 'expected'), files);
  assert.deepEqual(contentOf(join(directory, 'folded'), alone), expected, message);
  return folded;
}

function openDatabase(path: string, pageBytes: number, journalMode: string): Database.Database {
  const database = new Database(path);
  database.pragma(`page_size = ${pageBytes}`);
  database.pragma(`journal_mode = ${journalMode}`);
  database.pragma('synchronous = NORMAL');
  database.pragma('wal_autocheckpoint = 0');
  // Pages of a transaction that do not fit go to the disk before it ends.
  database.pragma('cache_size = 5');
  database.exec(
    'CREATE TABLE IF NOT EXISTS signal_keys (type TEXT, id TEXT, value BLOB, PRIMARY KEY (type, id))',
  );
  return database;
}

type Step =
  | { kind: 'put'; id: number; bytes: number }
  | { kind: 'delete'; from: number; to: number }
  | { kind: 'commit' }
  | { kind: 'rollback' }
  | { kind: 'checkpoint'; mode: 'PASSIVE' | 'RESTART' | 'TRUNCATE' }
  | { kind: 'vacuum' };

const put = fc.record({
  kind: fc.constant('put' as const),
  id: fc.integer({ min: 0, max: 60 }),
  bytes: fc.integer({ min: 0, max: 6_000 }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: put },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('delete' as const),
      from: fc.integer({ min: 0, max: 60 }),
      to: fc.integer({ min: 0, max: 60 }),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ kind: 'commit' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'rollback' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('checkpoint' as const),
      mode: fc.constantFrom('PASSIVE' as const, 'RESTART' as const, 'TRUNCATE' as const),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'vacuum' as const }) },
);

function carryOut(database: Database.Database, each: Step): void {
  const begin = () => {
    if (!database.inTransaction) database.exec('BEGIN IMMEDIATE');
  };
  switch (each.kind) {
    case 'put':
      begin();
      database
        .prepare('INSERT OR REPLACE INTO signal_keys VALUES (?, ?, ?)')
        .run('session', `${each.id}`, Buffer.alloc(each.bytes, `${each.id}.${each.bytes}`));
      break;
    case 'delete':
      begin();
      database
        .prepare('DELETE FROM signal_keys WHERE CAST(id AS INTEGER) BETWEEN ? AND ?')
        .run(each.from, each.to);
      break;
    case 'commit':
      if (database.inTransaction) database.exec('COMMIT');
      break;
    case 'rollback':
      if (database.inTransaction) database.exec('ROLLBACK');
      break;
    case 'checkpoint':
      if (!database.inTransaction) database.pragma(`wal_checkpoint(${each.mode})`);
      break;
    case 'vacuum':
      if (!database.inTransaction) database.exec('VACUUM');
      break;
  }
}

const pageBytes = fc.constantFrom(512, 4_096, 65_536);
const history = fc.array(step, { minLength: 5, maxLength: 30 });

test('a database with a write-ahead log, cut anywhere, folds to what SQLite finds in it', (t) => {
  const directory = temporaryDirectory(t);
  fc.assert(
    fc.property(
      pageBytes,
      history,
      fc.array(fc.nat(), { maxLength: 3 }),
      fc.nat(),
      (size, steps, cuts, seed) => {
        const path = join(directory, 'a.db');
        for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
        const database = openDatabase(path, size, 'WAL');
        try {
          const kept = steps[seed % steps.length];
          for (const each of steps) {
            carryOut(database, each);
            if (each === kept) assertFolds(directory, readFiles(path), 'in the middle');
          }
          const files = readFiles(path);
          const folded = assertFolds(directory, files, 'at the end');
          // A writer that was killed in the middle of a write.
          for (const cut of cuts)
            assertFolds(
              directory,
              { ...files, log: files.log?.subarray(0, cut % (files.log.length + 1)) },
              `cut at ${cut}`,
            );
          // A checkpoint that was killed: it had written some of the pages, in any order.
          const half = halfWritten(files.database, folded, size, seed);
          assert.deepEqual(
            fold(copyOf({ ...files, database: half }), MAX_BYTES),
            folded,
            'half a checkpoint',
          );
          assertFolds(directory, { ...files, database: half }, 'half a checkpoint');
          if (database.inTransaction) database.exec('ROLLBACK');
          // A checkpoint alone is no change.
          database.pragma('wal_checkpoint(TRUNCATE)');
          assert.deepEqual(fold(readFiles(path), MAX_BYTES), folded, 'a checkpoint changed it');
        } finally {
          database.close();
        }
      },
    ),
    { numRuns: RUNS, interruptAfterTimeLimit: SHRINK_MS },
  );
});

/** `before` with some of the pages of `after`, as a checkpoint leaves it that was killed. */
function halfWritten(before: Uint8Array, after: Uint8Array, size: number, seed: number): Uint8Array {
  const half = new Uint8Array(Math.max(before.length, after.length));
  half.set(before);
  for (let page = 0; page * size < after.length; page++)
    if ((seed >>> (page % 31)) & 1) half.set(after.subarray(page * size, (page + 1) * size), page * size);
  return half;
}

test('a database with a rollback journal, cut anywhere, folds to what SQLite finds in it', (t) => {
  const directory = temporaryDirectory(t);
  let hot = 0;
  fc.assert(
    fc.property(
      pageBytes,
      fc.constantFrom('DELETE', 'PERSIST', 'TRUNCATE'),
      history,
      fc.array(fc.nat(), { maxLength: 3 }),
      (size, mode, steps, cuts) => {
        const path = join(directory, 'a.db');
        for (const suffix of ['', '-journal']) rmSync(path + suffix, { force: true });
        const database = openDatabase(path, size, mode);
        try {
          for (const each of steps) carryOut(database, each);
          const files = readFiles(path);
          const isHot = files.journal !== undefined && files.journal[0] !== 0 && files.journal.length > 0;
          if (isHot) hot++;
          assertFolds(directory, files, `in ${mode} mode`);
          const { journal } = files;
          if (journal === undefined) return;
          for (const cut of cuts)
            assertTruncated(directory, files, journal.subarray(0, cut % (journal.length + 1)));
        } finally {
          database.close();
        }
      },
    ),
    { numRuns: RUNS * 2, interruptAfterTimeLimit: SHRINK_MS },
  );
  assert.ok(hot > 0, 'no journal was hot');
});

/** Such a journal may leave a database that is damaged, for SQLite as well: then all that counts is that both do the same. */
function assertTruncated(directory: string, files: DatabaseFiles, journal: Uint8Array): void {
  const cut = { ...files, journal };
  const recovered = (each: DatabaseFiles) => {
    try {
      return contentOf(join(directory, 'cut'), each);
    } catch {
      return 'damaged';
    }
  };
  const folded = fold(copyOf(cut), MAX_BYTES);
  const alone = { database: folded, log: undefined, journal: undefined };
  assert.deepEqual(recovered(alone), recovered(cut), `journal of ${journal.length} bytes`);
}

test('the sqlite3 of Python finds in a folded database what was committed', (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'a.db');
  const database = openDatabase(path, 4_096, 'WAL');
  for (let id = 0; id < 50; id++) carryOut(database, { kind: 'put', id, bytes: 900 });
  carryOut(database, { kind: 'commit' });
  carryOut(database, { kind: 'put', id: 1, bytes: 0 });
  const folded = fold(readFiles(path), MAX_BYTES);
  database.exec('ROLLBACK');
  database.close();
  const alone = join(directory, 'alone.db');
  writeFileSync(alone, folded);
  const script = `import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
print(database.execute('PRAGMA integrity_check').fetchone()[0])
print(*database.execute('SELECT COUNT(*), SUM(LENGTH(value)) FROM signal_keys').fetchone())`;
  // Needs python3 with its module sqlite3 (apt-get install python3).
  const found = execFileSync('python3', ['-c', script, alone], { encoding: 'utf8' });
  assert.equal(found, 'ok\n50 45000\n');
});

/** What SQLite writes at the end of the journal of a transaction over several databases. */
function superJournalTrailer(name: string): Buffer {
  const bytes = Buffer.from(name);
  const trailer = Buffer.alloc(16);
  trailer.writeUInt32BE(bytes.length, 0);
  trailer.writeInt32BE(
    new Int8Array(bytes).reduce((sum, byte) => sum + byte, 0),
    4,
  );
  Buffer.from('d9d505f920a163d7', 'hex').copy(trailer, 8);
  return Buffer.concat([bytes, trailer]);
}

test('a journal of a transaction over several databases names the file that decides, as SQLite reads it', (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'a.db');
  const database = openDatabase(path, 4_096, 'DELETE');
  for (let id = 0; id < 30; id++) carryOut(database, { kind: 'put', id, bytes: 3_000 });
  const { database: torn, journal } = readFiles(path);
  database.exec('ROLLBACK');
  database.close();
  assert.ok(journal !== undefined && journal[0] !== 0, 'the journal is hot');
  assert.equal(superJournalOf(journal), undefined);
  const missing = join(directory, 'a.db-mj0123abé');
  const decided = Buffer.concat([journal, Buffer.alloc(4), superJournalTrailer(missing)]);
  assert.equal(superJournalOf(decided), missing);
  const damaged = Buffer.from(decided);
  damaged.writeInt32BE(1, damaged.length - 12);
  assert.equal(superJournalOf(damaged), undefined);
  // SQLite finds that the transaction is over, and leaves the database alone.
  const copy = join(directory, 'copy.db');
  writeFileSync(copy, torn);
  writeFileSync(`${copy}-journal`, decided);
  const opened = new Database(copy);
  opened.prepare('SELECT COUNT(*) FROM sqlite_schema').get();
  opened.close();
  assert.ok(readFileSync(copy).equals(torn));
});

test('bytes from outside neither crash nor cost more than the limit', (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'a.db');
  const database = openDatabase(path, 4_096, 'WAL');
  carryOut(database, { kind: 'put', id: 1, bytes: 3_000 });
  carryOut(database, { kind: 'commit' });
  const files = readFiles(path);
  database.close();
  assert.throws(() => fold(copyOf(files), files.database.length - 1), SqliteError);
  assert.throws(
    () => fold({ ...copyOf(files), database: files.database.slice(0, 4_096) }, 8_192),
    SqliteError,
  );
  const bytes = fc.uint8Array({ maxLength: 3_000 });
  fc.assert(
    fc.property(bytes, bytes, fc.integer({ min: 0, max: 60 }), (content, tail, at) => {
      for (const source of [files.log as Uint8Array, Buffer.from('d9d505f920a163d7', 'hex')]) {
        const changed = Buffer.concat([source, tail]);
        changed.set(content.subarray(0, 4), Math.min(at, changed.length - 4));
        for (const each of [
          { database: files.database, log: changed, journal: undefined },
          { database: content, log: undefined, journal: changed },
        ]) {
          try {
            assert.ok(fold(copyOf(each), 1_000_000).length <= 1_000_000);
          } catch (error) {
            assert.ok(error instanceof SqliteError, String(error));
          }
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('only the magic makes a database', () => {
  assert.ok(isDatabase(Buffer.from('SQLite format 3\0and more')));
  assert.ok(!isDatabase(Buffer.from('SQLite format 3')));
  assert.ok(!isDatabase(Buffer.from('SQLite format 4\0')));
});

/** As SQLite writes it, of 512 bytes a page and a sector; each part has a header and the old content of a page. */
function journalOf(parts: readonly { page: number; fill: number; sum: number }[]): Buffer {
  return Buffer.concat(
    parts.map(({ page, fill, sum }) => {
      const part = Buffer.alloc(1_536);
      Buffer.from('d9d505f920a163d7', 'hex').copy(part);
      for (const [index, value] of [1, 7, 2, 512, 512].entries()) part.writeUInt32BE(value, 8 + 4 * index);
      part.writeUInt32BE(page, 512);
      part.fill(fill, 516, 1_028);
      part.writeUInt32BE(sum, 1_028);
      return part;
    }),
  );
}

test('every part of a journal is played back up to a torn record, and what the transaction added is cut off', () => {
  const database = () => Buffer.alloc(3 * 512, 9);
  const pages = (sum: number) => {
    const journal = journalOf([
      { page: 1, fill: 1, sum: 7 + 2 },
      { page: 2, fill: 2, sum },
    ]);
    const folded = fold({ database: database(), log: undefined, journal }, MAX_BYTES);
    return [folded.length, folded[0], folded[512]];
  };
  assert.deepEqual(pages(7 + 4), [1_024, 1, 2]);
  assert.deepEqual(pages(7 + 5), [1_024, 1, 9]);
});

test('a torn frame ends the log, and pages that a later transaction cut off stay away', (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'a.db');
  const database = openDatabase(path, 512, 'WAL');
  for (let id = 0; id < 20; id++) carryOut(database, { kind: 'put', id, bytes: 3_000 });
  carryOut(database, { kind: 'commit' });
  carryOut(database, { kind: 'delete', from: 0, to: 60 });
  carryOut(database, { kind: 'commit' });
  carryOut(database, { kind: 'vacuum' });
  const files = readFiles(path);
  assertFolds(directory, files);
  const log = files.log?.slice() ?? new Uint8Array(0);
  log.set([(log.at(-1) ?? 0) ^ 1], log.length - 1);
  assertFolds(directory, { ...files, log });
  const withoutLast = { ...copyOf(files), log: log.subarray(0, log.length - 512 - 24) };
  assert.deepEqual(fold({ ...copyOf(files), log }, MAX_BYTES), fold(withoutLast, MAX_BYTES));
  database.close();
});

test('a transaction over databases in several folders is over once the file beside the first one is gone', () => {
  const database = Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(496)]);
  const name = '/app/sessions/u-+1/a.db-mj12345678';
  const header = Buffer.concat([Buffer.from('d9d505f920a163d7', 'hex'), Buffer.alloc(504)]);
  const journal = Buffer.concat([header, superJournalTrailer(name)]);
  const counts = (path: string, deciding: string | undefined, broken = false) => {
    const files = new Map([
      [path, database],
      [`${path}-journal`, journal],
    ]);
    if (deciding !== undefined) files.set(deciding, Buffer.from('x'));
    const { databases } = cutDatabases(
      {
        open: (each) => {
          const content = files.get(each);
          return content && { content, meta: undefined };
        },
        sizeOf: (each) => {
          if (broken && each === deciding) throw new Error('EIO');
          return files.get(each)?.length;
        },
      },
      [path],
    );
    return databases[0]?.files.journal !== undefined;
  };
  const beside = 'u-+1/a.db-mj12345678';
  for (const path of ['u-+1/b.db', 'u-+1/deep/b.db', 'u-+2/b.db']) {
    assert.ok(counts(path, beside), path);
    assert.ok(counts(path, beside, true), path);
    assert.ok(!counts(path, undefined), path);
  }
  const long = Buffer.concat([header, superJournalTrailer('/'.repeat(5_000))]);
  assert.equal(superJournalOf(long), undefined);
});
