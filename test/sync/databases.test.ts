/** SQLite databases between cache, ledger and bucket; what their images are made of is played by the test. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { imageName } from '../../src/naming/image-name.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { asCompanion } from '../../src/sqlite/companions.ts';
import type { DatabaseImages } from '../../src/sync/backup/database-images.ts';
import { yieldSession } from '../../src/sync/reconcile/conflict.ts';
import { listSession } from '../../src/sync/reconcile/listing.ts';
import type { Scope } from '../support/cleanup.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { contentsOf, foreignObjects, Machine } from './support.ts';

const SESSION = 'u-+1';
const DATABASE = `${SESSION}/auth.db`;
const LOG = `${DATABASE}-wal`;
const objectOf = (path: string) => toObjectName(path, 'file');

/** The image of a database is its content and its log's, one behind the other. */
class Images implements DatabaseImages {
  readonly machine: Machine;
  /** Called when an image was made, before that is told. */
  made: () => Promise<void> = async () => {};
  broken: string | undefined = undefined;

  constructor(scope: Scope, bucket: MemoryBucket) {
    this.machine = new Machine(scope, bucket, { databases: this });
  }

  async make(paths: readonly string[]): ReturnType<DatabaseImages['make']> {
    const companions = paths.filter((path) => asCompanion(path)?.database.endsWith('.db'));
    const databases = new Set(paths.map((path) => asCompanion(path)?.database ?? path));
    const made: string[] = [];
    const failed = new Map<string, Error>();
    for (const path of [...databases].filter((each) => each.endsWith('.db'))) {
      if (path === this.broken) failed.set(path, new Error('no image'));
      else if (await this.#makeOne(path)) made.push(path);
    }
    await this.made();
    return { made, failed, companions };
  }

  async #makeOne(path: string): Promise<boolean> {
    const { files } = this.machine.cache;
    const read = (each: string) => (this.has(each) ? this.machine.read(each) : '');
    const image = Buffer.from(`ok image of ${read(path)} and ${read(`${path}-wal`)}`);
    const staged = await files.stage(image);
    await files.publish(staged, imageName(objectOf(path)), new Set());
    return true;
  }

  has(path: string): boolean {
    return existsSync(this.machine.cache.files.locate(objectOf(path)));
  }

  /** Contents of what is in quarantine, in any order. */
  keptAside(): string[] {
    const directory = join(this.machine.cache.path, 'set-aside');
    if (!existsSync(directory)) return [];
    return readdirSync(directory)
      .map((name) => readFileSync(join(directory, name), 'utf8'))
      .sort();
  }
}

async function writeDatabase({ machine }: Images, content: string, log: string): Promise<void> {
  await machine.write(DATABASE, content);
  await machine.write(LOG, log);
  await machine.write(`${DATABASE}-shm`, 'index');
}

test('the image of a database is its object, and what lies beside it is none', async (t) => {
  const bucket = new MemoryBucket();
  const images = new Images(t, bucket);
  const { sync, ledger } = images.machine;
  await writeDatabase(images, 'db', 'log 1');
  await images.machine.write(`${SESSION}/notes`, 'ok');
  await images.machine.write(`${SESSION}/notes-wal`, 'ok, a plain file');
  await sync.flusher.flush(SESSION);
  const others = { [`${SESSION}/notes`]: 'ok', [`${SESSION}/notes-wal`]: 'ok, a plain file' };
  assert.deepEqual(contentsOf(bucket), { ...others, [DATABASE]: 'ok image of db and log 1' });
  assert.deepEqual(ledger.dirtyOf(SESSION), []);

  // A transaction changes the log alone.
  await images.machine.write(LOG, 'log 2');
  await sync.flusher.flush(SESSION);
  assert.deepEqual(contentsOf(bucket), { ...others, [DATABASE]: 'ok image of db and log 2' });
  assert.deepEqual(ledger.dirtyOf(SESSION), []);

  // A checkpoint of SQLite, in this test one that changes nothing at all.
  const { generation } = bucket.objects.get(objectOf(DATABASE)) ?? {};
  await images.machine.write(DATABASE, 'db');
  await sync.flusher.flush(SESSION);
  assert.equal(bucket.objects.get(objectOf(DATABASE))?.generation, generation);

  // Without its log it is another database.
  await images.machine.delete(LOG);
  await sync.flusher.flush(SESSION);
  assert.equal(contentsOf(bucket)[DATABASE], 'ok image of db and ');

  await images.machine.delete(DATABASE);
  await images.machine.delete(`${DATABASE}-shm`);
  await sync.flusher.flush(SESSION);
  assert.deepEqual(contentsOf(bucket), others);
  assert.ok(!existsSync(images.machine.cache.files.locate(imageName(objectOf(DATABASE)))));
});

test('an object that a file beside a database became before is deleted', async (t) => {
  const bucket = new MemoryBucket();
  const images = new Images(t, bucket);
  const plain = new Machine(t, bucket, { cachePath: images.machine.cache.path });
  plain.ledger.close();
  await writeDatabase(images, 'db', 'log');
  const { ledger } = images.machine;
  const stored = await bucket.put(objectOf(LOG), Buffer.from('ok'), {
    ifGeneration: '0',
    metadata: {},
    deadlineMs: Number.POSITIVE_INFINITY,
  });
  ledger.ours(objectOf(LOG), stored);
  await images.machine.sync.flusher.flush(SESSION);
  await images.machine.sync.flusher.flush(SESSION);
  assert.deepEqual(Object.keys(contentsOf(bucket)), [DATABASE]);
});

test('what changes while the image is made is dirty afterwards', async (t) => {
  for (const path of [DATABASE, LOG]) {
    const bucket = new MemoryBucket();
    const images = new Images(t, bucket);
    const { machine } = images;
    await writeDatabase(images, 'db', 'log');
    images.made = async () => {
      images.made = async () => {};
      await machine.write(path, 'newer');
    };
    await machine.sync.flusher.flush(SESSION);
    assert.equal(contentsOf(bucket)[DATABASE], 'ok image of db and log');
    assert.deepEqual(
      machine.ledger.dirtyOf(SESSION).map(({ name }) => name),
      [objectOf(path)],
    );
    await machine.sync.flusher.flush(SESSION);
    assert.match(contentsOf(bucket)[DATABASE] ?? '', /newer/);
    assert.deepEqual(machine.ledger.dirtyOf(SESSION), []);
  }
});

test('a database of which no image can be made costs itself only, and stays dirty', async (t) => {
  const bucket = new MemoryBucket();
  const images = new Images(t, bucket);
  const { machine } = images;
  await writeDatabase(images, 'db', 'log');
  await machine.write(`${SESSION}/key.json`, 'ok');
  await machine.write(`${SESSION}/creds.json`, 'ok');
  images.broken = DATABASE;
  await assert.rejects(machine.sync.flusher.flush(SESSION), /no image/);
  assert.deepEqual(Object.keys(contentsOf(bucket)).sort(), [`${SESSION}/creds.json`, `${SESSION}/key.json`]);
  assert.deepEqual(
    machine.ledger.dirtyOf(SESSION).map(({ name }) => name),
    [objectOf(DATABASE)],
  );
  images.broken = undefined;
  await machine.sync.flusher.flush(SESSION);
  assert.equal(contentsOf(bucket)[DATABASE], 'ok image of db and log');
});

test('a database that is restored over another version lies alone; what lay beside that is kept in quarantine', async (t) => {
  const bucket = new MemoryBucket();
  const here = new Images(t, bucket);
  await writeDatabase(here, 'db', 'log of here');
  await here.machine.sync.flusher.flush(SESSION);
  const { machine } = here;
  await machine.write(`${SESSION}/notes`, 'ok');
  await machine.write(`${SESSION}/notes-wal`, 'ok, a plain file');
  await machine.sync.flusher.flush(SESSION);
  const name = objectOf(DATABASE);
  const { generation = '' } = bucket.objects.get(name) ?? {};
  const there = await bucket.put(name, Buffer.from('ok @9 elsewhere'), {
    ifGeneration: generation,
    metadata: {},
    deadlineMs: Number.POSITIVE_INFINITY,
  });
  machine.ledger.absent(name, there);
  assert.ok(await machine.sync.restorer.restore(SESSION));
  assert.equal(machine.read(DATABASE), 'ok @9 elsewhere');
  assert.ok(!here.has(LOG) && !here.has(`${DATABASE}-shm`));
  assert.ok(here.has(`${SESSION}/notes-wal`));
  assert.ok(here.keptAside().includes('log of here'));
  assert.deepEqual(machine.ledger.dirtyOf(SESSION), []);
});

test('a conflict takes the database from the bucket, also where only its log changed here', async (t) => {
  const bucket = new MemoryBucket();
  const here = new Images(t, bucket);
  const { machine } = here;
  await writeDatabase(here, 'db', 'log');
  await machine.write(`${SESSION}/key.json`, 'ok');
  await machine.sync.flusher.flush(SESSION);
  await machine.write(LOG, 'newer log');
  const listed = await listSession(bucket, SESSION, foreignObjects());
  await yieldSession(machine.ledger, machine.cache, SESSION, listed, 5);
  assert.deepEqual(here.keptAside(), ['db', 'index', 'newer log']);
  assert.ok(!here.has(LOG) && !here.has(`${DATABASE}-shm`));
  assert.deepEqual(
    machine.ledger.absentOf(SESSION).map(({ name }) => name),
    [objectOf(DATABASE)],
  );
  assert.ok(await machine.sync.restorer.restore(SESSION));
  assert.equal(machine.read(DATABASE), 'ok image of db and log');
});

test('without a log that was never stored the database is another one', async (t) => {
  const bucket = new MemoryBucket();
  const images = new Images(t, bucket);
  const { machine } = images;
  await writeDatabase(images, 'db', 'log 1');
  await machine.sync.flusher.flushAll();
  await machine.write(LOG, 'log 2');
  await machine.delete(LOG);
  await machine.sync.flusher.flushAll();
  assert.deepEqual(contentsOf(bucket), { [DATABASE]: 'ok image of db and ' });
});
