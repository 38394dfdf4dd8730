/** Databases of a real SQLite, read without it: the same rows, and damage is noticed. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'libsql';
import { SqliteError } from '../../src/sqlite/format.ts';
import { DatabaseImage } from '../../src/sqlite/image.ts';
import { BAILEYS_TABLES, saveCreds } from '../support/sqlite-files.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

interface Shape {
  readonly pageSize: number;
  readonly encoding: string;
  readonly autoVacuum: string;
}

const SHAPES: readonly Shape[] = [
  { pageSize: 512, encoding: 'UTF-8', autoVacuum: 'NONE' },
  { pageSize: 4096, encoding: 'UTF-16le', autoVacuum: 'FULL' },
  { pageSize: 1024, encoding: 'UTF-16be', autoVacuum: 'INCREMENTAL' },
  { pageSize: 65_536, encoding: 'UTF-8', autoVacuum: 'NONE' },
];

/** Trees of several levels, an index, rows that take pages of their own, and free pages. */
function databaseOf(t: TestContext, { pageSize, encoding, autoVacuum }: Shape) {
  const path = join(temporaryDirectory(t), 'auth.db');
  const database = new Database(path);
  database.exec(
    `PRAGMA page_size = ${pageSize}; PRAGMA encoding = '${encoding}'; PRAGMA auto_vacuum = ${autoVacuum}`,
  );
  database.exec(`${BAILEYS_TABLES};
    CREATE INDEX of_type ON signal_keys (type);
    CREATE TABLE numbers (a, b, c, d)`);
  const put = database.prepare('INSERT INTO signal_keys VALUES (?, ?, ?)');
  database.exec('BEGIN');
  for (let n = 0; n < 400; n++) put.run('pre-key', String(n), `{"é":"${'x'.repeat((n * 37) % 3000)}"}`);
  saveCreds(database, 'y'.repeat(200_000));
  const numbers = database.prepare('INSERT INTO numbers VALUES (?, ?, ?, ?)');
  for (const n of [0, 1, -1, 127, -129, 40_000, -9e6, 2 ** 31, -(2 ** 40), 0.5])
    numbers.run(n, null, Buffer.from([n & 255]), '');
  database.exec('COMMIT; DELETE FROM signal_keys WHERE CAST(id AS INTEGER) % 3 = 0');
  const tables = Object.fromEntries(
    ['creds', 'signal_keys', 'numbers'].map((name) => [
      name,
      database.prepare(`SELECT * FROM ${name} ORDER BY rowid`).raw().all() as unknown[][],
    ]),
  );
  database.close();
  return { bytes: new Uint8Array(readFileSync(path)), tables };
}

const plain = (rows: readonly unknown[][] | undefined) =>
  rows?.map((row) =>
    row.map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value)),
  );

test('every row is read as SQLite has it, and the pages make a whole', (t) => {
  for (const shape of SHAPES) {
    const { bytes, tables } = databaseOf(t, shape);
    const image = new DatabaseImage(bytes);
    image.check();
    for (const [name, rows] of Object.entries(tables))
      assert.deepEqual(plain(image.rows(name)), plain(rows), `${name} ${JSON.stringify(shape)}`);
    assert.equal(image.rows('none'), undefined);
  }
});

test('damage is noticed: pages that are cut off, used twice, by nothing, or no pages of a tree', (t) => {
  const { bytes } = databaseOf(t, SHAPES[0] as Shape);
  const pages = bytes.length / 512;
  const view = new DataView(bytes.buffer);
  const damaged = (change: (copy: Uint8Array, view: DataView) => void) => {
    const copy = Uint8Array.from(bytes);
    change(copy, new DataView(copy.buffer));
    return () => new DatabaseImage(copy).check();
  };
  assert.throws(() => new DatabaseImage(bytes.subarray(0, bytes.length - 512)), /shorter/);
  assert.throws(() => new DatabaseImage(bytes.subarray(0, 60)), /header/);
  damaged(() => {})();
  const freeTrunk = view.getUint32(32);
  assert.ok(freeTrunk > 0, 'there are free pages');
  assert.throws(
    damaged((_, copy) => copy.setUint32(32, 0)),
    SqliteError,
  );
  assert.throws(
    damaged((_, copy) => {
      copy.setUint32(32, 0);
      copy.setUint32(36, 0);
    }),
    /pages belong to nothing/,
  );
  assert.throws(
    damaged((_, copy) => copy.setUint32((freeTrunk - 1) * 512 + 8, 2)),
    /used twice|is not in the file/,
  );
  assert.throws(
    damaged((copy) => copy.fill(0, 512, 1024)),
    /page 2 is no page of a tree|damaged/,
  );
  assert.throws(
    damaged((_, copy) => copy.setUint32(28, pages - 1)),
    SqliteError,
  );
});

test('a row that a page names again and again is damage, and is not read again and again', (t) => {
  const path = join(temporaryDirectory(t), 'auth.db');
  const database = new Database(path);
  database.exec('PRAGMA page_size = 4096; CREATE TABLE numbers (a)');
  database.prepare('INSERT INTO numbers VALUES (?)').run('x'.repeat(3_000));
  database.close();
  const bytes = Buffer.from(readFileSync(path));
  new DatabaseImage(bytes).check();
  const [root, cells, pointers] = [4_096, 3, 8];
  for (let cell = 1; cell < 10; cell++)
    bytes.copyWithin(root + pointers + 2 * cell, root + pointers, root + pointers + 2);
  bytes.writeUInt16BE(10, root + cells);
  assert.throws(() => new DatabaseImage(bytes).check(), /overlap/);
  assert.throws(() => new DatabaseImage(bytes).rows('numbers'), /overlap/);
});

test('whatever bytes change, it ends, and fails as damage does or not at all', (t) => {
  const { bytes } = databaseOf(t, SHAPES[0] as Shape);
  let seed = 42;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  let noticed = 0;
  for (let round = 0; round < 300; round++) {
    const copy = Uint8Array.from(bytes);
    for (let flips = 0; flips < 3; flips++) copy[16 + random(copy.length - 16)] = random(256);
    copy[100 + random(2000)] = random(256);
    try {
      const image = new DatabaseImage(copy);
      image.check();
      image.rows('creds');
      image.rows('signal_keys');
    } catch (error) {
      assert.ok(
        error instanceof SqliteError,
        `round ${round}: ${error instanceof Error ? error.stack : error}`,
      );
      noticed++;
    }
  }
  assert.ok(noticed > 10, String(noticed));
});
