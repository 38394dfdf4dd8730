/** What a drill shows of a bucket that a mount stores in meanwhile: each session as it was at one moment. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ABSENT } from '../../src/bucket/bucket.ts';
import { DELETED_MARK } from '../../src/bucket/deleted-mark.ts';
import { loadConfig } from '../../src/config/load.ts';
import { BucketCopy, copyForReading } from '../../src/kit/read-only-copy.ts';
import { Cache } from '../../src/store/cache/cache.ts';
import { readTree } from '../mounted/session-files.ts';
import { SmallDisk } from '../mounted/small-disk.ts';
import { type Call, MemoryBucket } from '../support/memory-bucket.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const [CREDS, KEYS, NEW] = ['creds.json', 'key-1.json', 'key-2.json'].map(
  (name) => `sessions/u/+1/${name}`,
) as [string, string, string];

async function store(bucket: MemoryBucket, name: string, text: string, metadata = {}): Promise<void> {
  const ifGeneration = bucket.objects.get(name)?.generation ?? ABSENT;
  await bucket.put(name, Buffer.from(text), { ifGeneration, metadata });
}

async function filled(): Promise<MemoryBucket> {
  const bucket = new MemoryBucket();
  await store(bucket, CREDS, 'creds 1');
  await store(bucket, KEYS, 'key 1');
  await store(bucket, 'sessions/v/+2/creds.json', 'other');
  await store(bucket, 'sessions/root.txt%', 'root');
  await store(bucket, 'sessions/v/+2/gone.json', '', DELETED_MARK);
  await store(bucket, '.sessionfs/owners/u', '');
  await store(bucket, 'sessions/no/../path', 'foreign');
  return bucket;
}

function copyOf(t: TestContext, bucket: MemoryBucket) {
  const folder = join(temporaryDirectory(t), 'cache');
  mkdirSync(folder);
  const files = () =>
    Object.fromEntries(Object.entries(readTree(folder)).filter(([name]) => !name.endsWith('/')));
  return { run: () => new BucketCopy(bucket, folder, 1, () => {}).run(), files };
}

/** Runs `change` before the first call that it is for. */
function once(bucket: MemoryBucket, isMeant: (call: Call) => boolean, change: () => Promise<void>): void {
  bucket.before = async (call) => {
    if (!isMeant(call)) return;
    bucket.before = () => {};
    await change();
  };
}

const OTHERS = { 'sessions/v/+2/creds.json': 'other', 'sessions/root.txt%': 'root' };

test('files of mounts are copied as they are, and what is none is not', async (t) => {
  const bucket = await filled();
  const { run, files } = copyOf(t, bucket);
  assert.deepEqual(await run(), []);
  assert.deepEqual(files(), { [CREDS]: 'creds 1', [KEYS]: 'key 1', ...OTHERS });
  assert.ok(bucket.calls.filter(({ operation }) => operation === 'put').length === 7, 'nothing is stored');
});

test('a session that is flushed meanwhile is read again, whichever of its files came first', async (t) => {
  for (const during of [CREDS, KEYS, 'sessions/v/+2/creds.json']) {
    const bucket = await filled();
    const { run, files } = copyOf(t, bucket);
    once(
      bucket,
      ({ operation, name }) => operation === 'get' && name === during,
      async () => {
        await store(bucket, NEW, 'key 2');
        await store(bucket, CREDS, 'creds 2');
        await bucket.delete(KEYS, { ifGeneration: bucket.objects.get(KEYS)?.generation ?? '' });
      },
    );
    assert.deepEqual(await run(), [], during);
    assert.deepEqual(files(), { [CREDS]: 'creds 2', [NEW]: 'key 2', ...OTHERS }, during);
  }
});

test('a file that is deleted after it was copied, and nothing else, is in the copy no more', async (t) => {
  const bucket = await filled();
  const { run, files } = copyOf(t, bucket);
  once(
    bucket,
    ({ operation, name }) => operation === 'get' && name === 'sessions/v/+2/creds.json',
    () => bucket.delete(KEYS, { ifGeneration: bucket.objects.get(KEYS)?.generation ?? '' }),
  );
  assert.deepEqual(await run(), []);
  assert.deepEqual(files(), { [CREDS]: 'creds 1', ...OTHERS });
});

test('a session that changes each time is named, and the others are whole', async (t) => {
  const bucket = await filled();
  const { run, files } = copyOf(t, bucket);
  let round = 1;
  bucket.before = async ({ operation }) => {
    if (operation !== 'list') return;
    const object = bucket.objects.get(CREDS);
    if (object !== undefined)
      bucket.objects.set(CREDS, { ...object, generation: `r${round++}`, bytes: Buffer.from('creds x') });
  };
  assert.deepEqual(await run(), ['u-+1']);
  assert.equal(files()['sessions/v/+2/creds.json'], 'other');
});

test('a copy that does not fit on the disk says so, and where to make it', async (t) => {
  const within = temporaryDirectory(t);
  const [mountPoint, cachePath] = [join(within, 'sessions'), join(within, 'cache')];
  Cache.open(cachePath, { mountPoint, keyId: '0123456789abcdef' });
  writeFileSync(join(cachePath, 'sessions/a%'), Buffer.alloc(2 * 1024 * 1024));
  const config = loadConfig({}, { mountPoint, cachePath });
  const disk = new SmallDisk(t, 1);
  const folder = join(disk.path, 'copy');
  mkdirSync(folder);
  await assert.rejects(
    copyForReading(config, {}, folder, () => {}),
    {
      code: 'CACHE_NOT_WRITABLE',
      message: `the copy cannot be made in ${disk.path}: ENOSPC`,
      hint: /TMPDIR/,
    },
  );
});
