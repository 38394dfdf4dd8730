import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'libsql';
import { ABSENT } from '../../src/bucket/bucket.ts';
import { openDirectoryBucket } from '../../src/bucket/directory/directory-bucket.ts';
import { openBucket } from '../../src/bucket/open.ts';
import type { SessionReport } from '../../src/kit/verify.ts';
import { ownerCodec, ownerName } from '../../src/lease/records/owner.ts';
import { exitStatus } from '../../src/lib/errors.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { acquireCacheLock } from '../../src/store/cache/lock.ts';
import { KEY } from '../fs/harness.ts';
import { harness, mkdir, write } from '../fs/support.ts';
import { readTree } from '../mounted/session-files.ts';
import { BAILEYS_TABLES, saveCreds } from '../support/sqlite-files.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { runCli } from './run-cli.ts';

const SESSION = 'user-+1';
const creds = JSON.stringify({
  me: { id: '1@s.whatsapp.net' },
  registered: true,
  nextPreKeyId: 3,
  firstUnuploadedPreKeyId: 3,
});
const FILES = {
  'creds.json': creds,
  'pre-key-2.json': '{"k":2}',
  'session-a.json': '{"s":1}',
  'both.json': '{"b":1}',
};

/** As Baileys' useSqliteAuthState keeps a session, with these pre-keys. */
function databaseOf(t: TestContext, preKeys: readonly string[]): Buffer {
  const path = join(temporaryDirectory(t), 'auth.db');
  const database = new Database(path);
  database.exec(BAILEYS_TABLES);
  saveCreds(database, creds);
  for (const id of preKeys)
    database.prepare('INSERT INTO signal_keys VALUES (?, ?, ?)').run('pre-key', id, '{}');
  database.close();
  return readFileSync(path);
}

class Verified {
  readonly cachePath: string;
  readonly bucket: string;

  constructor(cachePath: string, bucket: string) {
    this.cachePath = cachePath;
    this.bucket = bucket;
  }

  /** A session that cache and bucket have alike. */
  static async make(t: TestContext): Promise<Verified> {
    const h = harness(t);
    mkdir(h, SESSION);
    for (const [name, content] of Object.entries(FILES)) write(h, `${SESSION}/${name}`, content);
    await h.checkpoint();
    h.crash();
    const bucket = join(temporaryDirectory(t), 'bucket');
    mkdirSync(bucket);
    const made = new Verified(h.cachePath, bucket);
    for (const name of Object.keys(FILES)) await made.store(name, readFileSync(made.place(name)));
    return made;
  }

  place(name: string): string {
    return join(this.cachePath, toObjectName(`${SESSION}/${name}`, 'file'));
  }

  async store(name: string, bytes: Buffer): Promise<void> {
    const bucket = await openBucket({ kind: 'directory', path: this.bucket });
    const object = toObjectName(`${SESSION}/${name}`, 'file');
    const generation = await bucket.head(object).then(
      (version) => version.generation,
      () => ABSENT,
    );
    await bucket.put(object, bytes, { ifGeneration: generation, metadata: { 'sessionfs-epoch': '7' } });
    bucket.close();
  }

  async stored(name: string): Promise<{ bytes: Buffer; epoch: string | undefined }> {
    const bucket = await openBucket({ kind: 'directory', path: this.bucket });
    const { bytes, metadata } = await bucket.get(toObjectName(`${SESSION}/${name}`, 'file'));
    bucket.close();
    return { bytes, epoch: metadata['sessionfs-epoch'] };
  }

  run(...args: string[]): { status: number | null; reports: SessionReport[]; stderr: string } {
    const given = [
      'verify',
      '--json',
      '--cache-path',
      this.cachePath,
      '--bucket',
      `file://${this.bucket}`,
      ...args,
    ];
    const { status, stdout, stderr } = runCli(given, { SESSION_ENCRYPTION_KEY: KEY });
    return { status, stderr, reports: stdout === '' ? [] : JSON.parse(stdout).sessions };
  }
}

test('verify opens every file of cache and bucket, and changes nothing', async (t) => {
  const verified = await Verified.make(t);
  const well = verified.run();
  assert.equal(well.status, 0, well.stderr);
  assert.deepEqual(well.reports, [
    {
      session: SESSION,
      state: 'complete',
      missing: [],
      files: 4,
      onlyInCache: 0,
      onlyInBucket: 0,
      different: 0,
      problems: [],
    },
  ]);
  writeFileSync(verified.place('pre-key-2.json'), 'SFS1 no more');
  await verified.store('pre-key-2.json', Buffer.from('SFS1 no more'));
  await verified.store('session-a.json', readFileSync(verified.place('creds.json')));
  const before = readTree(verified.cachePath);
  const { status, reports } = verified.run();
  assert.equal(status, exitStatus.VERIFY_FAILED);
  assert.deepEqual(
    reports[0]?.problems.map(({ file, place, reason, repaired }) => [file, place, reason, repaired]).sort(),
    [
      ['pre-key-2.json', 'bucket', 'truncated', false],
      ['pre-key-2.json', 'cache', 'truncated', false],
      ['session-a.json', 'bucket', 'wrong-tag', false],
    ],
  );
  assert.deepEqual([reports[0]?.state, reports[0]?.missing], ['incomplete', ['pre-key-2.json']]);
  assert.deepEqual(readTree(verified.cachePath), before);
});

test('--repair replaces what does not open by a good copy, keeps the damaged one, and nothing else changes', async (t) => {
  const verified = await Verified.make(t);
  const good = readFileSync(verified.place('pre-key-2.json'));
  const kept = readFileSync(verified.place('session-a.json'));
  writeFileSync(verified.place('pre-key-2.json'), 'damaged here');
  await verified.store('session-a.json', Buffer.from('damaged there'));
  await verified.store('both.json', readFileSync(verified.place('creds.json')));
  writeFileSync(verified.place('both.json'), 'damaged as well');

  const mounted = acquireCacheLock(verified.cachePath);
  assert.equal(verified.run('--repair').status, exitStatus.CACHE_LOCKED);
  mounted.release();
  const { status, reports } = verified.run('--repair');
  assert.equal(status, exitStatus.VERIFY_FAILED, 'both.json has no good copy');
  assert.deepEqual(
    reports[0]?.problems
      .filter(({ repaired }) => repaired)
      .map(({ file, place }) => [file, place])
      .sort(),
    [
      ['pre-key-2.json', 'cache'],
      ['session-a.json', 'bucket'],
    ],
  );
  assert.deepEqual(readFileSync(verified.place('pre-key-2.json')), good);
  assert.deepEqual(await verified.stored('session-a.json'), { bytes: kept, epoch: '7' });
  assert.equal(readFileSync(verified.place('both.json'), 'latin1'), 'damaged as well');
  const [name, content] =
    Object.entries(readTree(`${verified.cachePath}.damaged`)).find(([path]) => !path.endsWith('/')) ?? [];
  assert.match(name ?? '', /pre-key-2\.json\.\d+$/);
  assert.equal(content, 'damaged here');
});

test('a repair that fails half-way says what it has repaired', async (t) => {
  const verified = await Verified.make(t);
  const good = readFileSync(verified.place('pre-key-2.json'));
  writeFileSync(verified.place('pre-key-2.json'), 'damaged here');
  await verified.store('only-there.json', good);
  // It cannot be read.
  const object = toObjectName(`${SESSION}/only-there.json`, 'file');
  mkdirSync(join(verified.cachePath, 'images', object), { recursive: true });
  const { status, stderr } = verified.run('--repair');
  assert.equal(status, exitStatus.CACHE_FORMAT);
  assert.match(stderr, /repaired before this failed: user-\+1\/pre-key-2\.json in the cache\n/);
  assert.deepEqual(readFileSync(verified.place('pre-key-2.json')), good);
});

test('a session that another mount holds is not repaired in the bucket', async (t) => {
  const verified = await Verified.make(t);
  await verified.store('session-a.json', Buffer.from('damaged there'));
  const bucket = await openBucket({ kind: 'directory', path: verified.bucket });
  const record = { holder: 'ab'.repeat(16), name: 'other:/sessions', epoch: 9, floor: 0, refresh: false };
  await bucket.put(ownerName(SESSION), Buffer.alloc(0), {
    ifGeneration: ABSENT,
    metadata: ownerCodec.write(record),
  });
  bucket.close();
  const { status, reports } = verified.run('--repair', SESSION);
  assert.equal(status, exitStatus.VERIFY_FAILED);
  assert.match(reports[0]?.problems[0]?.note ?? '', /another mount holds this session/);
  assert.equal((await verified.stored('session-a.json')).bytes.toString(), 'damaged there');
});

test('an object whose bytes changed in the store is damage, not absence, and is repaired', async (t) => {
  const verified = await Verified.make(t);
  const object = join(verified.bucket, toObjectName(`${SESSION}/creds.json`, 'file'));
  const good = readFileSync(object);
  const bytes = Buffer.from(good);
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  writeFileSync(object, bytes);
  const { status, reports } = verified.run();
  assert.equal(status, exitStatus.VERIFY_FAILED);
  assert.deepEqual(
    reports[0]?.problems.map(({ file, place, reason }) => [file, place, reason]),
    [['creds.json', 'bucket', 'wrong-tag']],
  );
  assert.equal(verified.run('--repair').status, 0);
  assert.deepEqual((await verified.stored('creds.json')).bytes, good);
});

test('a version that another mount stored is not replaced by one that may be older', async (t) => {
  const verified = await Verified.make(t);
  const bucket = openDirectoryBucket(verified.bucket);
  const object = toObjectName(`${SESSION}/session-a.json`, 'file');
  const { generation } = await bucket.head(object);
  const metadata = { 'sessionfs-epoch': '8', 'sessionfs-writer': 'cd'.repeat(16) };
  await bucket.put(object, Buffer.from('newer, and damaged'), { ifGeneration: generation, metadata });
  bucket.close();
  const { status, reports } = verified.run('--repair');
  assert.equal(status, exitStatus.VERIFY_FAILED);
  assert.match(reports[0]?.problems[0]?.note ?? '', /^another mount stored it/);
  assert.equal((await verified.stored('session-a.json')).bytes.toString(), 'newer, and damaged');
});

test('a session that is nowhere is not called well', async (t) => {
  const verified = await Verified.make(t);
  const { status, stderr } = verified.run('nobody');
  assert.equal(status, exitStatus.SESSION_NOT_FOUND, stderr);
});

test('a repair does not go where another user may lead root', {
  skip: process.geteuid?.() !== 0,
}, async (t) => {
  const verified = await Verified.make(t);
  writeFileSync(verified.place('pre-key-2.json'), 'damaged here');
  const outside = temporaryDirectory(t);
  symlinkSync(outside, `${verified.cachePath}.damaged`);
  chmodSync(dirname(verified.cachePath), 0o777);
  const { status, stderr } = verified.run('--repair');
  assert.equal(status, exitStatus.UNSAFE_PATH, stderr);
  assert.deepEqual(readdirSync(outside), []);
});

test('a database is compared, and repaired in the bucket, by its image; its file in the cache is left alone', async (t) => {
  const h = harness(t);
  mkdir(h, SESSION);
  const sealed = async (content: Buffer) => {
    const node = write(h, `${SESSION}/auth.db`);
    assert.equal(h.fs.write(node, 0, content, false), content.length);
    h.fs.commitPlainFiles();
    await h.checkpoint();
    return readFileSync(join(h.cachePath, toObjectName(`${SESSION}/auth.db`, 'file')));
  };
  const whole = databaseOf(t, ['1', '2']);
  const cut = Buffer.from(whole);
  cut.fill(0, 4096, 8192);
  const lacking = await sealed(databaseOf(t, ['1']));
  const damaged = await sealed(cut);
  const image = await sealed(whole);
  const bucket = join(temporaryDirectory(t), 'bucket');
  mkdirSync(bucket);
  const verified = new Verified(h.cachePath, bucket);
  await sealed(databaseOf(t, ['1', '2', '3']));
  write(h, `${SESSION}/auth.db-wal`, 'log');
  h.fs.commitPlainFiles();
  await h.checkpoint();
  h.crash();
  const place = join(h.cachePath, 'images', toObjectName(`${SESSION}/auth.db`, 'file'));
  mkdirSync(dirname(place), { recursive: true });
  writeFileSync(place, image);
  await verified.store('auth.db', image);
  const [well] = verified.run().reports;
  assert.deepEqual([well?.state, well?.onlyInCache, well?.different], ['complete', 0, 0]);
  await verified.store('auth.db', lacking);
  const [incomplete] = verified.run().reports;
  assert.deepEqual([incomplete?.state, incomplete?.missing], ['incomplete', ['pre-key 2']]);
  await verified.store('auth.db', damaged);
  const broken = verified.run();
  assert.equal(broken.status, exitStatus.VERIFY_FAILED);
  assert.deepEqual(
    broken.reports[0]?.problems.map(({ file, place, reason, note }) => [
      file,
      place,
      reason,
      note.split(':')[0],
    ]),
    [['auth.db', 'bucket', 'damaged-database', 'page 2 is no page of a tree']],
  );
  await verified.store('auth.db', image);

  // What cannot be read may be whole: it is not taken for one that is not there.
  rmSync(place);
  mkdirSync(place);
  const unread = verified.run('--repair');
  assert.equal(unread.status, exitStatus.CACHE_FORMAT, unread.stderr);
  rmSync(place, { recursive: true });
  writeFileSync(place, image);

  await verified.store('auth.db', Buffer.from('damaged there'));
  assert.equal(verified.run('--repair').status, 0);
  assert.ok((await verified.stored('auth.db')).bytes.equals(image));

  writeFileSync(verified.place('auth.db'), 'damaged here');
  const { status, reports } = verified.run('--repair');
  assert.equal(status, exitStatus.VERIFY_FAILED);
  assert.match(reports[0]?.problems[0]?.note ?? '', /^a database must not lie beside the log/);
  assert.equal(readFileSync(verified.place('auth.db'), 'utf8'), 'damaged here');
});

test('an image that stayed when its file became something else is no copy of the file', async (t) => {
  const h = harness(t);
  mkdir(h, SESSION);
  write(h, `${SESSION}/auth.db`, 'SQLite format 3\0image');
  h.fs.commitPlainFiles();
  await h.checkpoint();
  const bucket = join(temporaryDirectory(t), 'bucket');
  mkdirSync(bucket);
  const verified = new Verified(h.cachePath, bucket);
  const image = readFileSync(verified.place('auth.db'));
  write(h, `${SESSION}/auth.db`, 'a longer text, no database');
  h.fs.commitPlainFiles();
  await h.checkpoint();
  h.crash();
  const file = readFileSync(verified.place('auth.db'));
  const place = join(h.cachePath, 'images', toObjectName(`${SESSION}/auth.db`, 'file'));
  mkdirSync(dirname(place), { recursive: true });
  writeFileSync(place, image);
  await verified.store('auth.db', file);
  assert.equal(verified.run().reports[0]?.different, 0);

  await verified.store('auth.db', Buffer.from('damaged there'));
  assert.equal(verified.run('--repair').status, 0);
  assert.ok((await verified.stored('auth.db')).bytes.equals(file));
});
