import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tooLarge } from '../../../src/bucket/bucket-error.ts';
import { requireRoom } from '../../../src/kit/export/room.ts';
import { readAtOnce, readObjects } from '../../../src/kit/export/sources.ts';
import { MemoryBucket } from '../../support/memory-bucket.ts';

test('an object that cannot be read as it was stored keeps no other file of the session from being read', async () => {
  const bucket = new MemoryBucket();
  for (const file of ['creds.json', 'huge.json']) bucket.store(`sessions/u/${file}`, Buffer.from('sealed'));
  const stored = await readObjects(bucket, 'u', 2);
  const paths = [...stored.keys()].sort();
  assert.equal(paths.length, 2);
  bucket.before = ({ operation, name }) => {
    if (operation === 'get' && name.endsWith('/huge.json')) throw tooLarge(name, 1);
  };
  const read = await readObjects(bucket, 'u', 2);
  assert.deepEqual(
    paths.map((path) => read.get(path)?.toString()),
    ['sealed', ''],
  );
});

test('a session that is stored while it is read comes as it was at one moment, or is said to be of several', async () => {
  const bucket = new MemoryBucket();
  const put = (file: string, text: string) => bucket.store(`sessions/u/${file}`, Buffer.from(text));
  put('creds.json', 'of keys 1');
  put('key-1.json', '1');
  put('old.json', 'goes');
  let flushes = 0;
  bucket.before = ({ operation, name }) => {
    if (operation !== 'get' || !name.endsWith('creds.json') || flushes > 0) return;
    flushes++;
    put('key-2.json', '2');
    put('creds.json', `of keys 2, ${flushes}`);
    bucket.objects.delete('sessions/u/old.json');
  };
  const warnings: string[] = [];
  const read = async () => {
    const files = await readAtOnce(bucket, 'u', {
      concurrency: 1,
      wanted: 'all',
      warn: (text) => warnings.push(text),
    });
    return [...files].map(([path, bytes]) => `${path} ${bytes}`).sort();
  };
  assert.deepEqual(await read(), ['u/creds.json of keys 2, 1', 'u/key-1.json 1', 'u/key-2.json 2']);
  assert.deepEqual(warnings, []);
  bucket.before = ({ operation }) => {
    if (operation === 'list') put('key-2.json', `${++flushes}`);
  };
  assert.equal((await read()).length, 3);
  assert.match(warnings.join(), /^u changed in the bucket each time it was read/);
});

test('a session that cannot be in memory is refused before an object of it is read, with what to do', async () => {
  const bucket = new MemoryBucket();
  for (const file of ['creds.json', 'huge.json']) bucket.store(`sessions/u/${file}`, Buffer.from('sealed'));
  const list = bucket.list.bind(bucket);
  bucket.list = async (...asked) => {
    const page = await list(...asked);
    const sizeOf = (name: string, size: number) => (name.endsWith('/huge.json') ? 2 ** 50 : size);
    return {
      ...page,
      objects: page.objects.map((each) => ({ ...each, size: sizeOf(each.name, each.size) })),
    };
  };
  const read: string[] = [];
  bucket.before = ({ operation, name }) => void (operation === 'get' && read.push(name));
  await assert.rejects(readObjects(bucket, 'u', 2), (error: Error & { code?: string; hint?: string }) => {
    assert.deepEqual([error.code, read], ['MEMORY_UNAVAILABLE', []]);
    assert.match(error.message, /^u has 1 PiB in the bucket/);
    assert.match(String(error.hint), /sessionfs ls SESSION/);
    return true;
  });
  // What is not wanted takes no room.
  const wanted = await readAtOnce(bucket, 'u', {
    concurrency: 2,
    wanted: new Set(['sessions/u/creds.json']),
    warn: assert.fail,
  });
  assert.deepEqual([...wanted.values()].map(String), ['sealed']);
});

test('a session has room where it is there twice: sealed and opened', () => {
  requireRoom('u', [{ size: 30 }, { size: 20 }], 100);
  assert.throws(() => requireRoom('u', [{ size: 30 }, { size: 21 }], 100), { code: 'MEMORY_UNAVAILABLE' });
  requireRoom('u', []);
});
