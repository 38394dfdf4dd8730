/** An archive of a removed session goes to the bucket as one object, and from there after its days. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { trashDirectory, trashName, trashObject } from '../../src/naming/trash-name.ts';
import { createLogger } from '../../src/observe/log.ts';
import { TrashUploads } from '../../src/sync/trash-uploads.ts';
import { cleanUp } from '../support/cleanup.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

const NOW = 1_700_000_000_000;
const NAME = trashName('user-+49', NOW);
const OBJECT = '.sessionfs/trash/sessions/user/+49.1700000000000';

function rig(t: TestContext, isVolatile = false) {
  const cachePath = temporaryDirectory(t);
  mkdirSync(trashDirectory(cachePath));
  const path = join(trashDirectory(cachePath), NAME);
  writeFileSync(path, 'archive');
  const bucket = new MemoryBucket();
  const messages: string[] = [];
  const write = (line: string) => void messages.push(JSON.parse(line).msg);
  const log = createLogger({ level: 'info', destination: { write } });
  const uploads = new TrashUploads({ bucket, cachePath, days: 7, isVolatile, nowMs: () => NOW, log });
  cleanUp(t, () => uploads.end());
  return { bucket, uploads, path, messages };
}

test('one put for a removal, again after a failure that passes, and old ones are deleted', async (t) => {
  const { bucket, uploads, path } = rig(t);
  const old = trashObject(trashName('user-+50', NOW - 8 * 24 * 3_600_000));
  await bucket.put(old, Buffer.from('old'), { ifGeneration: '0', metadata: {} });
  bucket.calls.length = 0;
  bucket.before = () => {
    bucket.before = () => {};
    throw new BucketError('unreachable', 'no');
  };
  uploads.add(NAME, undefined);
  await until(() => !bucket.objects.has(old));
  assert.equal(bucket.objects.get(OBJECT)?.bytes.toString(), 'archive');
  assert.deepEqual(
    bucket.calls.map(({ operation }) => operation).filter((each) => each === 'put').length <= 2,
    true,
  );
  assert.ok(existsSync(path));
});

test('what an earlier run left goes at the start, once', async (t) => {
  const { bucket, uploads } = rig(t);
  uploads.start();
  await until(() => bucket.objects.has(OBJECT));
  await uploads.end();
  const puts = () => bucket.calls.filter(({ operation }) => operation === 'put').length;
  assert.equal(puts(), 1);
});

test('with a cache in memory the archive is in the bucket alone', async (t) => {
  const { bucket, uploads, path } = rig(t, true);
  uploads.add(NAME, undefined);
  await until(() => !existsSync(path));
  assert.ok(bucket.objects.has(OBJECT));
});

test('an archive that cannot be read holds no other one up', async (t) => {
  const { bucket, uploads, path } = rig(t);
  const unreadable = trashName('user-+48', NOW);
  mkdirSync(join(dirname(path), unreadable));
  uploads.add(unreadable, undefined);
  uploads.add(NAME, undefined);
  await until(() => bucket.objects.has(OBJECT));
});

test('an old one that cannot be deleted is told as such, once, and what was removed is stored all the same', async (t) => {
  const { bucket, uploads, path, messages } = rig(t);
  bucket.store(trashObject(trashName('user-+50', NOW - 8 * 24 * 3_600_000)), Buffer.from('old'));
  bucket.before = ({ operation }) => {
    if (operation === 'delete') throw new BucketError('permission', 'no');
  };
  uploads.add(NAME, undefined);
  const deletions = () => bucket.calls.filter(({ operation }) => operation === 'delete').length;
  await until(() => deletions() === 1);
  const next = trashName('user-+51', NOW);
  writeFileSync(join(dirname(path), next), 'archive');
  uploads.add(next, undefined);
  await until(() => deletions() === 2);
  await uploads.end();
  const stored = 'A removed session is in the trash of the bucket, too';
  assert.deepEqual(messages, [
    stored,
    'Old removed sessions cannot be deleted from the trash of the bucket; they take room there until a later removal',
    stored,
  ]);
});

/** Adds archives, and ends the uploads in the middle of the first request of this kind. Returns how many of them there were in all. */
async function endedInFirst(t: TestContext, kind: 'put' | 'delete', isVolatile: boolean): Promise<number> {
  const { bucket, uploads, path } = rig(t, isVolatile);
  for (const phone of ['+50', '+51', '+52'])
    bucket.store(trashObject(trashName(`old-${phone}`, NOW - 8 * 24 * 3_600_000)), Buffer.from('old'));
  const isFirst = deferred<void>();
  const mayGoOn = deferred<void>();
  bucket.before = async ({ operation }) => {
    if (operation !== kind) return;
    isFirst.resolve();
    await mayGoOn.promise;
  };
  for (const phone of ['+60', '+61', '+62']) {
    const name = trashName(`user-${phone}`, NOW);
    writeFileSync(join(dirname(path), name), 'archive');
    uploads.add(name, undefined);
  }
  await isFirst.promise;
  const ended = uploads.end();
  mayGoOn.resolve();
  await ended;
  return bucket.calls.filter(({ operation }) => operation === kind).length;
}

test('the end of a mount waits for the request under way, not for all that waits', async (t) => {
  assert.equal(await endedInFirst(t, 'put', false), 1);
  assert.equal(await endedInFirst(t, 'delete', false), 1);
});

test('a cache in memory ends when all archives are in the bucket', async (t) => {
  assert.equal(await endedInFirst(t, 'put', true), 3);
  assert.equal(await endedInFirst(t, 'delete', true), 1);
});

/** Far more turns than the uploads take from their last request to their end. */
const TURNS = 30;

for (const isRefused of [false, true])
  test(`one that is removed while the uploads end, ${isRefused ? 'another one being refused' : 'all being stored'}, goes out`, async (t) => {
    for (let turns = 0; turns < TURNS; turns++) {
      const { bucket, uploads, path } = rig(t);
      const next = trashName('user-+51', NOW);
      writeFileSync(join(dirname(path), next), 'archive');
      const last = isRefused ? 'put' : 'list';
      bucket.before = async ({ operation, name }) => {
        if (operation === last && !name.includes('+51')) {
          bucket.before = async () => {};
          void later(turns).then(() => uploads.add(next, undefined));
          if (isRefused) throw new BucketError('permission', 'no');
        }
      };
      uploads.add(NAME, undefined);
      await until(() => bucket.objects.has(trashObject(next)));
      await uploads.end();
    }
  });

async function later(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await undefined;
}
