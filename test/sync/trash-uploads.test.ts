/** An archive of a removed session goes to the bucket as one object, and from there after its days. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BucketError } from '../../src/bucket/bucket-error.ts';
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
  const log = createLogger({ level: 'silent', destination: { write: () => {} } });
  const uploads = new TrashUploads({ bucket, cachePath, days: 7, isVolatile, nowMs: () => NOW, log });
  cleanUp(t, () => uploads.end());
  return { bucket, uploads, path };
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
