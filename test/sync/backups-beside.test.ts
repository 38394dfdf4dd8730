/** `NAME.json.bak` beside `NAME.json`, as Baileys' develop branch leaves it with every change: what of it goes to the bucket. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { contentsOf, Machine } from './support.ts';

const S = 'u-+1';
const KEY = `${S}/a.json`;
const CREDS = `${S}/creds.json`;

/** No object has to wait for its turn. */
function hasty(): Clock {
  let ms = 0;
  return {
    wallMs: () => systemClock.wallMs(),
    monotonicMs: () => {
      ms += 2_000;
      return ms;
    },
  };
}

const requests = (bucket: MemoryBucket) =>
  bucket.calls.map(({ operation, name }) => `${operation} ${name.slice('sessions/u/+1/'.length)}`);

/** What checkpoints see of the two renames; `cut`: only of the first one. */
async function replace(machine: Machine, path: string, content: string, cut?: 'cut'): Promise<void> {
  const name = toObjectName(path, 'file');
  const here = machine.ledger.get(name)?.local;
  if (here !== undefined && here !== 'deleted') {
    const before = readFileSync(machine.cache.files.locate(name));
    await machine.cache.put(`${path}.bak`, before);
    await machine.cache.remove(path);
    await machine.ledger.changed([`${name}.bak`], [name]);
  }
  if (cut === undefined) await machine.write(path, content);
}

/** As an application reads it: the backup where the file is missing. */
function dataIn(bucket: MemoryBucket, path: string): string | undefined {
  const contents = contentsOf(bucket);
  return contents[path] ?? contents[`${path}.bak`];
}

test('a change by tmp, bak and rename is one upload, and a backup that comes and goes is none', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { clock: hasty() });
  machine.ledger.setListed(true);
  for (const path of [KEY, CREDS]) await replace(machine, path, 'ok 1');
  await machine.sync.flusher.flush(S);
  bucket.calls.length = 0;
  for (const version of [2, 3]) {
    for (const path of [KEY, CREDS]) await replace(machine, path, `ok ${version}`);
    await machine.sync.flusher.flush(S);
  }
  assert.deepEqual(requests(bucket), ['put a.json', 'put creds.json', 'put a.json', 'put creds.json']);
  assert.equal(machine.read(`${KEY}.bak`), 'ok 2', 'the cache lacks the backup');
  await machine.delete(`${KEY}.bak`);
  await machine.sync.flusher.flush(S);
  assert.equal(bucket.calls.length, 4);
  assert.deepEqual(machine.counted.slice(1), ['backup success 2 0', 'backup success 2 0']);
});

test('backups beside their files are not dirty, those of missing files are, after a restart too', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { clock: hasty() });
  await replace(machine, KEY, 'ok 1');
  await replace(machine, KEY, 'ok 2');
  await machine.sync.flusher.flush(S);
  await machine.write('x.json', 'ok');
  await machine.write('x.json.bak', 'ok');
  assert.equal(machine.ledger.dirtyCount, 2, 'a file in the root is no session’s');
  await machine.sync.flusher.flush('');
  assert.deepEqual([machine.ledger.dirtyCount, machine.ledger.dirtySessions], [0, []]);
  machine.ledger.close();
  const second = new Machine(t, bucket, { cachePath: machine.cache.path, clock: hasty() });
  assert.equal(second.ledger.dirtyCount, 0);
  await replace(second, KEY, '', 'cut');
  assert.equal(second.ledger.dirtyCount, 2);
  second.ledger.close();
  const third = new Machine(t, bucket, { cachePath: machine.cache.path, clock: hasty() });
  assert.equal(third.ledger.dirtyCount, 2);
  await third.write(KEY, 'ok 3');
  assert.equal(third.ledger.dirtyCount, 1);
});

test('the backup of a missing file goes, as credentials do, before the file’s object is deleted', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { clock: hasty() });
  await replace(machine, KEY, 'ok 1');
  await replace(machine, CREDS, 'ok 1');
  await machine.sync.flusher.flush(S);
  bucket.calls.length = 0;
  await replace(machine, CREDS, '', 'cut');
  await replace(machine, KEY, 'ok 2');
  await machine.sync.flusher.flush(S);
  assert.deepEqual(requests(bucket), ['put a.json', 'put creds.json.bak', 'delete creds.json']);
});

test('while the backup could not be stored, the object of its missing file stays', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { clock: hasty() });
  await replace(machine, KEY, 'ok 1');
  await machine.write(`${S}/b.json`, 'ok');
  await machine.sync.flusher.flush(S);
  // The file is back when the backup's turn has come, and gone again when the deletion's has.
  await replace(machine, KEY, '', 'cut');
  await machine.write(`${S}/b.json`, 'ok 2');
  bucket.before = async ({ operation, name }) => {
    if (operation !== 'put' || !name.endsWith('/b.json')) return;
    bucket.before = () => {};
    await machine.write(KEY, 'ok 2');
  };
  await machine.sync.flusher.flush(S);
  assert.notEqual(dataIn(bucket, KEY), undefined);
});

test('a deletion that finds a new backup waits for the next flush', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { clock: hasty() });
  await replace(machine, KEY, 'ok 1');
  await machine.write(`${S}/old.json`, 'ok');
  await machine.sync.flusher.flush(S);
  await machine.delete(KEY);
  await machine.write(`${S}/b.json`, 'ok');
  bucket.before = async ({ operation }) => {
    if (operation !== 'put') return;
    bucket.before = () => {};
    // Meanwhile it is made anew, and an application is between the two renames.
    await machine.write(KEY, 'ok 2');
    await replace(machine, KEY, '', 'cut');
  };
  await machine.sync.flusher.flush(S);
  assert.equal(dataIn(bucket, KEY), 'ok 1');
  await machine.sync.flusher.flush(S);
  assert.deepEqual([dataIn(bucket, KEY), contentsOf(bucket)[KEY]], ['ok 2', undefined]);
});

test('what is deleted with its backup is deleted in the bucket, backup first, and never read again', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { clock: hasty() });
  await replace(machine, KEY, 'ok 1');
  await machine.sync.flusher.flush(S);
  await replace(machine, KEY, '', 'cut');
  await machine.sync.flusher.flush(S);
  await machine.write(KEY, 'ok 2');
  await replace(machine, KEY, 'ok 3');
  bucket.calls.length = 0;
  await machine.sync.flusher.flush(S);
  assert.deepEqual(requests(bucket), ['put a.json']);
  for (const path of [KEY, `${KEY}.bak`]) await machine.delete(path);
  bucket.calls.length = 0;
  await machine.sync.flusher.flush(S);
  assert.deepEqual(requests(bucket), ['delete a.json.bak', 'delete a.json']);
});

test('a backup does not outlive a file that another mount deleted', async (t) => {
  const bucket = new MemoryBucket();
  const first = new Machine(t, bucket, { clock: hasty() });
  await replace(first, CREDS, 'ok 1');
  await replace(first, KEY, 'ok 1');
  await replace(first, KEY, 'ok 2');
  await first.sync.flusher.flush(S);
  first.ledger.close();
  // The other mount has had the session.
  bucket.objects.delete(toObjectName(KEY, 'file'));
  const second = new Machine(t, bucket, {
    cachePath: first.cache.path,
    wroteElsewhere: true,
  });
  await second.sync.start();
  await second.until(() => second.ledger.listed);
  assert.deepEqual(second.ledger.dirtyOf(S), []);
  assert.deepEqual(second.ledger.conflicts, new Set());
  assert.throws(() => second.read(`${KEY}.bak`), { code: 'ENOENT' });
});

test('a session that changed on both sides leaves no backup of what the other side deleted', async (t) => {
  const bucket = new MemoryBucket();
  const first = new Machine(t, bucket, { clock: hasty() });
  await replace(first, CREDS, 'ok 1');
  await first.sync.flusher.flush(S);
  await replace(first, KEY, 'ok 1');
  await replace(first, KEY, 'ok 2');
  first.ledger.close();
  await bucket.put(toObjectName(CREDS, 'file'), Buffer.from('ok elsewhere'), {
    ifGeneration: bucket.objects.get(toObjectName(CREDS, 'file'))?.generation ?? '',
    metadata: {},
  });
  const second = new Machine(t, bucket, { cachePath: first.cache.path, intervalMs: 0 });
  await second.sync.start();
  await second.until(() => second.ledger.listed);
  assert.deepEqual(second.ledger.dirtyOf(S), []);
  assert.throws(() => second.read(`${KEY}.bak`), { code: 'ENOENT' });
});

test('no moment at which the machine is lost takes what an application could read', async (t) => {
  const seed = Date.now() % 1_000_000;
  let state = seed;
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
  const paths = [CREDS, KEY, `${S}/b.json`];
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { clock: hasty(), intervalMs: 0 });
  for (const path of paths) await replace(machine, path, 'ok 0');
  await machine.sync.flusher.flush(S);
  let looks = 0;
  const look = () => {
    looks++;
    for (const path of paths)
      assert.notEqual(dataIn(bucket, path), undefined, `seed ${seed}: ${path} is lost`);
  };
  // Checkpoints come between any two requests, and cut the renames wherever they like.
  const change = async () => {
    const path = paths[random(paths.length)] ?? CREDS;
    await replace(machine, path, `ok ${random(1000)}`, random(2) === 0 ? 'cut' : undefined);
    if (machine.ledger.get(toObjectName(path, 'file')) === undefined || random(3) > 0) return;
    await machine.write(path, `ok ${random(1000)}`);
  };
  bucket.before = async ({ operation }) => {
    look();
    if (operation === 'put' && random(6) === 0) throw new BucketError('rejected', 'no');
    if (random(2) === 0) await change();
  };
  bucket.after = look;
  for (let round = 0; round < 60; round++) {
    await change();
    await machine.sync.flusher.flush(S).catch(() => {});
  }
  assert.ok(looks > 100, `${looks} looks`);
});

test('what is renamed to another session waits for its files there, not for their backups', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { clock: hasty() });
  const there = `v-+2/a.json`;
  await replace(machine, KEY, 'ok 1');
  await replace(machine, KEY, 'ok 2');
  await machine.sync.flusher.flush(S);
  for (const suffix of ['', '.bak']) {
    await machine.cache.put(`${there}${suffix}`, Buffer.from('ok'));
    await machine.cache.remove(`${KEY}${suffix}`);
  }
  const names = (path: string) => [path, `${path}.bak`].map((name) => toObjectName(name, 'file'));
  await machine.ledger.changed(names(there), names(KEY), [{ deleted: names(KEY), put: names(there) }]);
  await machine.sync.flusher.flushAll();
  assert.deepEqual(contentsOf(bucket), { [there]: 'ok' });
  assert.equal(machine.ledger.dirtyCount, 0);
});

test('a backup that another mount deleted with its file is no conflict', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket, { wroteElsewhere: true, clock: hasty() });
  const backup = `${CREDS}.bak`;
  await machine.write(CREDS, 'ok 1');
  await machine.sync.flusher.flushAll();
  await replace(machine, CREDS, '', 'cut');
  // The file is back before its object was deleted: its entry is older than the backup's.
  bucket.before = async ({ operation, name }) => {
    if (operation !== 'put' || !name.endsWith('.bak')) return;
    bucket.before = () => {};
    await machine.write(CREDS, 'ok 2');
  };
  await machine.sync.flusher.flushAll();
  await machine.sync.flusher.flushAll();
  await machine.write(backup, 'ok newer');
  assert.deepEqual(contentsOf(bucket), { [CREDS]: 'ok 2', [backup]: 'ok 1' });
  for (const path of [CREDS, backup]) bucket.objects.delete(toObjectName(path, 'file'));
  await machine.sync.prepare();
  assert.ok(!machine.counted.some((each) => each.startsWith('conflict')));
  assert.deepEqual(machine.ledger.entriesOf(S), []);
});
