/** What the thread that serves hands out of SQLite databases: all files of one as they are at one instant. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DatabasesCut, memoryOf } from '../../src/fs/operations/database-cuts.ts';
import type { Harness } from './harness.ts';
import { harness, mkdir, unlink, write } from './support.ts';

const MAGIC = 'SQLite format 3\0'.padEnd(512, '.');
const JOURNAL = Buffer.from('d9d505f920a163d7', 'hex').toString('latin1');

function textsOf({ databases }: DatabasesCut): Record<string, (string | undefined)[]> {
  const text = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('latin1');
  return Object.fromEntries(
    databases.map(({ path, files: { database, log, journal } }) => [
      path,
      [database, log, journal].map(text),
    ]),
  );
}

function append(h: Harness, node: number, at: number, text: string): void {
  const data = Buffer.from(text, 'latin1');
  assert.equal(h.fs.write(node, at, data, false), data.length);
}

test('a database is handed out with what lies beside it, written a moment ago or long since', async (t) => {
  const h = harness(t);
  mkdir(h, 'u-+1');
  const database = write(h, 'u-+1/auth.db', `${MAGIC}old`);
  const log = write(h, 'u-+1/auth.db-wal', 'log');
  write(h, 'u-+1/auth.db-shm', 'index');
  write(h, 'u-+1/key.json', '{"a":1}');
  h.fs.commitPlainFiles();
  await h.checkpoint();
  const paths = ['u-+1/auth.db', 'u-+1/auth.db-shm', 'u-+1/auth.db-wal', 'u-+1/key.json', 'u-+1/gone'];
  const cut = h.fs.copyDatabases(paths);
  assert.deepEqual(textsOf(cut), { 'u-+1/auth.db': [`${MAGIC}old`, 'log', undefined] });
  assert.deepEqual(cut.companions, ['u-+1/auth.db-shm', 'u-+1/auth.db-wal']);
  // Not committed; the copy from before stays as it was.
  append(h, database, 0, `${MAGIC}new`);
  append(h, log, 3, ' and more');
  assert.deepEqual(textsOf(cut)['u-+1/auth.db'], [`${MAGIC}old`, 'log', undefined]);
  const newer = { 'u-+1/auth.db': [`${MAGIC}new`, 'log and more', undefined] };
  assert.deepEqual(textsOf(h.fs.copyDatabases(['u-+1/auth.db-wal'])), newer);
  h.takeOver();
  assert.deepEqual(textsOf(h.fs.copyDatabases(['u-+1/auth.db'])), newer);
  assert.deepEqual(new Set(memoryOf(cut)).size, 2, 'each content has memory of its own');
});

test('only what lies beside a database belongs to one', (t) => {
  const h = harness(t);
  mkdir(h, 'u-+1');
  write(h, 'u-+1/notes', 'text');
  write(h, 'u-+1/notes-wal', 'text');
  write(h, 'u-+1/alone-wal', MAGIC);
  write(h, 'u-+1/empty');
  write(h, 'u-+1/empty-wal', 'text');
  const others = ['u-+1/notes', 'u-+1/notes-wal', 'u-+1/alone-wal', 'u-+1/empty-wal', 'u-+1/empty-journal'];
  const { companions, databases } = h.fs.copyDatabases(others);
  assert.deepEqual(companions, []);
  assert.deepEqual(
    databases.map(({ path }) => path),
    ['u-+1/alone-wal'],
  );
  // The first transaction in an empty file has a journal before there is a database.
  append(h, write(h, 'u-+1/empty-journal'), 0, JOURNAL);
  assert.deepEqual(h.fs.copyDatabases(others).companions, ['u-+1/empty-journal']);
});

test('the journal of a transaction over several databases counts while the file that decides is there', (t) => {
  const h = harness(t);
  mkdir(h, 'u-+1');
  write(h, 'u-+1/a.db', MAGIC);
  write(h, 'u-+1/b.db-mj1', 'decides');
  const name = '/sessions/u-+1/b.db-mj1';
  const trailer = Buffer.alloc(16);
  trailer.writeUInt32BE(name.length, 0);
  trailer.writeInt32BE(
    Buffer.from(name).reduce((sum, byte) => sum + byte, 0),
    4,
  );
  trailer.write(JOURNAL, 8, 'latin1');
  const journal = `${JOURNAL}pages${name}${trailer.toString('latin1')}`;
  const node = write(h, 'u-+1/a.db-journal');
  append(h, node, 0, journal);
  assert.deepEqual(textsOf(h.fs.copyDatabases(['u-+1/a.db'])), { 'u-+1/a.db': [MAGIC, undefined, journal] });
  unlink(h, 'u-+1/b.db-mj1');
  assert.deepEqual(textsOf(h.fs.copyDatabases(['u-+1/a.db'])), {
    'u-+1/a.db': [MAGIC, undefined, undefined],
  });
});

test('a session with an open database is not taken out of memory', async (t) => {
  const h = harness(t, { bucket: { absent: [], namesKnown: true, rootListable: true } });
  mkdir(h, 'u-+1');
  write(h, 'u-+1/auth.db', MAGIC);
  write(h, 'u-+1/auth.db-shm', 'index');
  h.fs.commitPlainFiles();
  await h.checkpoint();
  assert.equal(h.hybrid.evictLeastUsed([]), undefined);
  unlink(h, 'u-+1/auth.db-shm');
  await h.checkpoint();
  assert.equal(h.hybrid.evictLeastUsed([]), 'u-+1');
});
