/** Registrations in a database: the core sees what a real SQLite writes, in its order, and keeps what an application loses. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'libsql';
import { Keyring } from '../../src/crypto/keyring.ts';
import { openSealed } from '../../src/crypto/sealed-file.ts';
import { ROOT_NODE } from '../../src/fs/contract.ts';
import { Errno } from '../../src/lib/errno.ts';
import { syncFileOperations } from '../../src/lib/file-operations.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { changed, freshCreds, registeredCreds } from '../support/baileys-creds.ts';
import { BAILEYS_TABLES, saveCreds } from '../support/sqlite-files.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { type HarnessOptions, KEY, newAttributes } from './harness.ts';
import { find, harness, mkdir, unlink, write } from './support.ts';

const SESSION = 'user-+4915100000';
const DATABASE = `${SESSION}/auth.db`;
const PAGE = 4_096;
const SELECT = "SELECT value FROM creds WHERE key = '__creds__'";
const paired = registeredCreds();

const later = (counter: number) =>
  changed(paired, (creds) => void Object.assign(creds, { accountSyncCounter: counter }));

/** A session with a registration, in a database on the disk that is copied into the core write by write. */
class Rig {
  readonly h: ReturnType<typeof harness>;
  readonly #path: string;
  database: Database.Database;

  constructor(t: TestContext, mode: string, options: HarnessOptions = {}) {
    this.h = harness(t, options);
    this.#path = join(temporaryDirectory(t), 'auth.db');
    this.database = this.#open(mode);
    t.after(() => this.database.close());
    mkdir(this.h, SESSION);
    this.database.exec(BAILEYS_TABLES);
    this.mirror();
    this.save(freshCreds());
    this.keys(30);
    this.save(paired);
    this.keys(30);
    this.look();
    assert.deepEqual(this.told, []);
  }

  #open(mode: string): Database.Database {
    const database = new Database(this.#path);
    for (const pragma of [`journal_mode = ${mode}`, 'synchronous = OFF', 'wal_autocheckpoint = 0'])
      database.pragma(pragma);
    return database;
  }

  save(creds: string | undefined): void {
    this.run(() => {
      if (creds === undefined) this.database.exec("DELETE FROM creds WHERE key = '__creds__'");
      else saveCreds(this.database, creds);
    });
  }

  keys(count: number): void {
    this.run(() => {
      for (let i = 0; i < count; i++)
        this.database
          .prepare('INSERT OR REPLACE INTO signal_keys VALUES (?, ?, ?)')
          .run('pre-key', `${i}`, `${this.h.nowMs}`.repeat(50));
    });
  }

  /** One transaction. */
  run(work: () => void): void {
    this.database.exec('BEGIN IMMEDIATE');
    work();
    const journal = `${this.#path}-journal`;
    const hot = existsSync(journal) ? readFileSync(journal) : undefined;
    this.database.exec('COMMIT');
    if (hot !== undefined) this.#copy('-journal', hot);
    this.mirror();
  }

  checkpoint(mode: string): void {
    this.database.pragma(`wal_checkpoint(${mode})`);
    this.mirror();
  }

  /** As the last connection that is closed. */
  close(): void {
    this.database.pragma('wal_checkpoint(PASSIVE)');
    rmSync(`${this.#path}-wal`, { force: true });
    this.mirror();
  }

  /** What is on the disk gets into the core: the log before the database, and what goes after both. */
  mirror(): void {
    const files = ['-wal', '', '-journal'].map((suffix) => ({ suffix, content: this.#read(suffix) }));
    const isShorter = ({ suffix, content = Buffer.alloc(0) }: (typeof files)[number]) =>
      content.length < this.#sizeOf(suffix);
    const shorter = files.filter(isShorter);
    for (const each of [...files.filter((file) => !shorter.includes(file)), ...shorter]) {
      if (each.content !== undefined) this.#copy(each.suffix, each.content);
      else if (find(this.h, DATABASE + each.suffix) !== 0) unlink(this.h, DATABASE + each.suffix);
    }
  }

  #read(suffix: string): Buffer | undefined {
    return existsSync(this.#path + suffix) ? readFileSync(this.#path + suffix) : undefined;
  }

  #sizeOf(suffix: string): number {
    const attributes = newAttributes();
    const node = find(this.h, DATABASE + suffix);
    if (node !== 0) this.h.fs.getattr(node, attributes);
    return attributes.size;
  }

  /** Page by page, and the header of a log by itself, as SQLite writes. */
  #copy(suffix: string, content: Buffer): void {
    const { h } = this;
    const node = find(h, DATABASE + suffix) || write(h, DATABASE + suffix);
    const size = this.#sizeOf(suffix);
    const present = Buffer.alloc(size);
    h.fs.read(node, 0, size, present, 0);
    const header = suffix === '-wal' ? 32 : suffix === '-journal' ? 28 : PAGE;
    const step = suffix === '-wal' ? PAGE + 24 : PAGE;
    for (let at = 0, end = header; at < content.length; at = end, end += step) {
      const piece = content.subarray(at, end);
      if (!piece.equals(present.subarray(at, end)))
        assert.equal(h.fs.write(node, at, piece, false), piece.length, `${suffix} at ${at}`);
    }
    if (content.length < size)
      assert.equal(h.fs.setattr(node, { size: content.length }, newAttributes()), 0, `${suffix} is cut`);
  }

  /** As long as the core lets the log alone. */
  look(): void {
    this.h.nowMs += 3_000;
    this.h.fs.settleIdle();
  }

  wait(): void {
    this.h.nowMs += 6_000;
    this.h.fs.settleIdle();
    this.h.fs.settleIdle();
    assert.equal(this.h.fs.hasPending, false);
  }

  get told(): string[] {
    return this.h.startedOver.map(({ how }) => how);
  }

  get #names(): string[] {
    const folder = join(this.h.cachePath, 'set-aside');
    return existsSync(folder) ? readdirSync(folder).sort() : [];
  }

  /** What SQLite finds in the kept versions, opened. */
  get kept(): string[] {
    return this.#names.map((name) => {
      assert.match(name, /^sessions%2Fuser%2F\+4915100000%2Fauth\.db\.registered\.\d+$/);
      const sealed = readFileSync(join(this.h.cachePath, 'set-aside', name));
      const image = `${this.#path}.kept`;
      writeFileSync(image, openSealed(Keyring.fromHex(KEY), `${DATABASE}.registered`, sealed).plain);
      const database = new Database(image);
      try {
        assert.deepEqual(database.prepare('PRAGMA integrity_check').raw().all(), [['ok']]);
        assert.deepEqual(database.prepare('SELECT COUNT(*) FROM signal_keys').raw().all(), [[30]]);
        return (database.prepare(SELECT).get() as { value: string }).value;
      } finally {
        database.close();
      }
    });
  }

  /** The files go, and an application makes new ones. */
  remake(mode: string, creds: string): void {
    this.database.close();
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(this.#path + suffix, { force: true });
    this.database = this.#open(mode);
    this.database.exec(BAILEYS_TABLES);
    this.mirror();
    this.save(creds);
  }

  /** In the place of the database, which has no log. */
  renameOver(source: string): number {
    const folder = find(this.h, SESSION);
    return this.h.fs.rename(folder, source, folder, 'auth.db', 0);
  }
}

const ALARM = /^An application started over/;

test('a log: other credentials are told of within seconds, and the database before is kept', (t) => {
  const rig = new Rig(t, 'WAL');
  rig.save(later(1));
  rig.keys(30);
  rig.save(freshCreds());
  rig.keys(31);
  assert.deepEqual(rig.told, []);
  rig.look();
  rig.look();
  assert.deepEqual([rig.told, rig.kept, rig.h.fs.freshRegistrations], [['replaced'], [later(1)], 1]);
  const [alarm, ...more] = rig.h.logs.filter(({ message }) => ALARM.test(message));
  assert.deepEqual([alarm?.level, alarm?.fields.session, more], ['error', SESSION, []]);
  rig.checkpoint('TRUNCATE');
  rig.close();
  rig.wait();
  assert.deepEqual([rig.told, rig.kept], [['replaced'], [later(1)]]);
});

for (const mode of ['PASSIVE', 'RESTART', 'TRUNCATE', 'close'])
  test(`a log: a checkpoint (${mode}) takes nothing that was not looked at`, (t) => {
    const rig = new Rig(t, 'WAL');
    const finish = () => (mode === 'close' ? rig.close() : rig.checkpoint(mode));
    if (mode !== 'close') {
      finish();
      rig.save(later(2));
    }
    rig.save(freshCreds());
    finish();
    assert.deepEqual([rig.told, rig.kept], [['replaced'], [mode === 'close' ? paired : later(2)]]);
    if (mode === 'close') return;
    // Also in the next uses of the log.
    rig.save(paired);
    finish();
    rig.save(later(3));
    rig.save(freshCreds());
    finish();
    assert.deepEqual([rig.told.length, rig.kept[1]], [2, later(3)]);
  });

test('a log: what a daemon did not look at is seen by the next one, and what it told is not told again', (t) => {
  for (const [isChecked, isQuiet] of [
    [false, true],
    [false, false],
    [true, false],
  ]) {
    const rig = new Rig(t, 'WAL');
    rig.save(freshCreds());
    if (isChecked) rig.checkpoint('PASSIVE');
    assert.deepEqual(rig.told.length, isChecked ? 1 : 0);
    rig.h.takeOver();
    if (!isQuiet) {
      rig.keys(3);
      rig.look();
    }
    rig.checkpoint('TRUNCATE');
    assert.deepEqual([rig.told, rig.kept], [['replaced'], [paired]]);
    // A daemon that finds a log which a checkpoint is through with.
    rig.save(paired);
    rig.checkpoint('PASSIVE');
    rig.h.restart();
    rig.save(freshCreds());
    rig.close();
    assert.deepEqual(rig.told, ['replaced', 'replaced']);
  }
});

test('a log that is removed by hand takes no registration with it', (t) => {
  const rig = new Rig(t, 'WAL');
  unlink(rig.h, `${DATABASE}-wal`);
  rig.wait();
  assert.deepEqual([rig.told, rig.kept], [['removed'], [paired]]);
});

for (const mode of ['DELETE', 'TRUNCATE', 'PERSIST'])
  test(`a rollback journal (${mode}): the transaction that starts over keeps the database before`, (t) => {
    const rig = new Rig(t, mode);
    rig.save(later(1));
    rig.run(() => {
      rig.database.exec('UPDATE signal_keys SET value = value || 1');
      rig.database.prepare('UPDATE creds SET value = ?').run(freshCreds());
    });
    assert.deepEqual([rig.told, rig.kept], [['replaced'], [later(1)]]);
    rig.save(paired);
    rig.h.takeOver();
    rig.save(freshCreds());
    rig.wait();
    assert.deepEqual(
      [rig.told, rig.kept],
      [
        ['replaced', 'replaced'],
        [later(1), paired],
      ],
    );
  });

for (const mode of ['WAL', 'DELETE'])
  test(`${mode}: going on is none: keys, counters, a pairing of the same identity, a vacuum`, (t) => {
    const rig = new Rig(t, mode);
    for (let i = 0; i < 5; i++) {
      rig.save(later(i));
      rig.keys(30);
      if (mode === 'WAL') rig.checkpoint(i % 2 === 0 ? 'PASSIVE' : 'RESTART');
    }
    rig.save(changed(paired, (creds) => void Object.assign(creds, { account: { details: 'new' } })));
    rig.database.exec('VACUUM');
    rig.mirror();
    rig.look();
    rig.close();
    rig.wait();
    assert.deepEqual([rig.told, rig.kept], [[], []]);
  });

for (const mode of ['WAL', 'DELETE'])
  test(`${mode}: a row that is deleted is told of, unless it comes back in time`, (t) => {
    const rig = new Rig(t, mode);
    rig.save(undefined);
    rig.look();
    assert.deepEqual([rig.told, rig.kept], [[], [paired]]);
    rig.save(paired);
    rig.wait();
    assert.deepEqual([rig.told, rig.kept], [[], []]);
    rig.save(undefined);
    rig.look();
    rig.wait();
    assert.deepEqual([rig.told, rig.kept], [['removed'], [paired]]);
    const [keptAs] = readdirSync(join(rig.h.cachePath, 'set-aside'));
    assert.deepEqual(rig.h.fs.lostCredentials, [
      { session: SESSION, keptAs: join(rig.h.cachePath, 'set-aside', keptAs ?? '') },
    ]);
    rig.save(freshCreds());
    rig.look();
    assert.deepEqual([rig.told, rig.h.fs.lostCredentials], [['removed', 'replaced'], []]);
    assert.deepEqual(
      rig.h.fs.startedOver.map(({ session }) => session),
      [SESSION],
    );
    rig.save(paired);
    rig.look();
    assert.deepEqual(rig.h.fs.startedOver, []);
  });

test('a database that is removed while others of its session stay is told of; with all of them it is a logout', (t) => {
  for (const mode of ['WAL', 'DELETE']) {
    const rig = new Rig(t, mode);
    const suffixes = mode === 'WAL' ? ['', '-wal'] : [''];
    write(rig.h, `${SESSION}/media`, 'x');
    for (const suffix of suffixes) unlink(rig.h, DATABASE + suffix);
    assert.deepEqual([rig.told, rig.kept], [[], [paired]]);
    rig.wait();
    assert.deepEqual([rig.told, rig.kept, rig.h.fs.lostCredentials.length], [['removed'], [paired], 1]);
    rig.remake(mode, freshCreds());
    rig.look();
    assert.deepEqual([rig.told, rig.h.fs.lostCredentials], [['removed', 'replaced'], []]);
  }
  for (const others of [[], ['media']]) {
    const rig = new Rig(t, 'WAL');
    for (const name of others) write(rig.h, `${SESSION}/${name}`, 'x');
    for (const name of ['auth.db', 'auth.db-wal', ...others]) unlink(rig.h, `${SESSION}/${name}`);
    assert.equal(rig.h.fs.rmdir(ROOT_NODE, SESSION), 0);
    rig.wait();
    mkdir(rig.h, SESSION);
    rig.remake('WAL', freshCreds());
    rig.wait();
    assert.deepEqual([rig.told, existsSync(rig.h.cachePath) && rig.h.fs.lostCredentials], [[], []]);
  }
});

function contentOf({ h }: Rig): Buffer {
  const size = newAttributes();
  h.fs.getattr(find(h, DATABASE), size);
  const content = Buffer.alloc(size.size);
  h.fs.read(find(h, DATABASE), 0, content.length, content, 0);
  return content;
}

test('a database that another one takes the place of: over it, in place, or after it was moved aside', (t) => {
  for (const how of ['over', 'in place', 'aside']) {
    for (const isSame of [false, true]) {
      const rig = new Rig(t, 'DELETE');
      const folder = find(rig.h, SESSION);
      const other = new Rig(t, 'DELETE');
      if (!isSame) other.save(freshCreds());
      const content = contentOf(other);
      const into = (node: number) => assert.equal(rig.h.fs.write(node, 0, content, false), content.length);
      if (how === 'in place') {
        into(write(rig.h, DATABASE));
      } else {
        into(write(rig.h, `${SESSION}/auth.db.new`));
        if (how === 'aside') assert.equal(rig.h.fs.rename(folder, 'auth.db', folder, 'auth.db.old', 0), 0);
        assert.equal(rig.renameOver('auth.db.new'), 0);
      }
      rig.wait();
      assert.deepEqual([how, rig.told, rig.kept], [how, isSame ? [] : ['replaced'], isSame ? [] : [paired]]);
    }
  }
});

test('what cannot be kept is not given up: the checkpoint, or the end of the transaction, fails', (t) => {
  let isFull = false;
  const link = (from: string, to: string) => {
    if (isFull) throw systemError('ENOSPC', 'link', 'injected');
    syncFileOperations.link(from, to);
  };
  const rig = new Rig(t, 'WAL', { journalFiles: { ...syncFileOperations, link } });
  rig.save(freshCreds());
  isFull = true;
  const database = find(rig.h, DATABASE);
  const log = find(rig.h, `${DATABASE}-wal`);
  rig.look();
  assert.equal(rig.h.fs.write(database, 0, Buffer.alloc(PAGE), false), Errno.ENOSPC);
  assert.equal(rig.h.fs.write(log, 0, Buffer.alloc(32), false), Errno.ENOSPC);
  assert.equal(rig.h.fs.setattr(log, { size: 0 }, newAttributes()), Errno.ENOSPC);
  assert.equal(rig.h.fs.unlink(find(rig.h, SESSION), 'auth.db-wal'), Errno.ENOSPC);
  assert.deepEqual(rig.told, []);
  isFull = false;
  rig.checkpoint('TRUNCATE');
  assert.deepEqual([rig.told, rig.kept], [['replaced'], [paired]]);

  const other = new Rig(t, 'PERSIST', { journalFiles: { ...syncFileOperations, link } });
  isFull = true;
  assert.throws(() => other.save(freshCreds()), /-journal at 0/);
  assert.deepEqual(other.told, []);
  isFull = false;
  other.mirror();
  assert.deepEqual([other.told, other.kept], [['replaced'], [paired]]);
});

test('other databases, files beside none and databases in the root have no credentials', (t) => {
  const h = harness(t);
  mkdir(h, SESSION);
  for (const path of ['auth.db', `${SESSION}/x.db`]) {
    write(h, `${path}-wal`, 'no log');
    write(h, path, 'no database');
    write(h, `${path}-wal`, 'another');
    write(h, `${path}-journal`, 'no journal');
    for (const suffix of ['', '-wal', '-journal']) unlink(h, path + suffix);
  }
  h.nowMs += 10_000;
  h.fs.settleIdle();
  assert.deepEqual([h.logs, h.startedOver, h.fs.hasPending], [[], [], false]);
});

test('a database that is saved under another name each time, and renamed over the one before, loses nothing', (t) => {
  for (const nameOf of [(save: number) => `auth.db.${save}`, () => 'auth.db.tmp']) {
    const rig = new Rig(t, 'DELETE');
    const content = contentOf(rig);
    for (let save = 0; save < 4; save++) {
      const node = write(rig.h, `${SESSION}/${nameOf(save)}`);
      assert.equal(rig.h.fs.write(node, 0, content, false), content.length);
      assert.equal(rig.renameOver(nameOf(save)), 0);
      rig.wait();
    }
    assert.deepEqual([rig.told, rig.kept, rig.h.fs.lostCredentials], [[], [], []]);
  }
});

test('a database that is lost is told of, however many others are moved aside meanwhile', (t) => {
  const rig = new Rig(t, 'DELETE');
  const content = contentOf(rig);
  write(rig.h, `${SESSION}/media`, 'x');
  unlink(rig.h, DATABASE);
  for (let other = 0; other < 260; other++) {
    const session = `user-+1${other}`;
    mkdir(rig.h, session);
    const node = write(rig.h, `${session}/auth.db`);
    assert.equal(rig.h.fs.write(node, 0, content, false), content.length);
    const folder = find(rig.h, session);
    assert.equal(rig.h.fs.rename(folder, 'auth.db', folder, 'auth.db.old', 0), 0);
  }
  rig.wait();
  assert.deepEqual(rig.told, ['removed']);
  assert.deepEqual(
    rig.h.fs.lostCredentials.map(({ session }) => session),
    [SESSION],
  );
});
