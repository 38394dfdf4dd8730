/** What a directory bucket has brought to stable storage when a call resolves, and in which order. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ABSENT, type Bucket } from '../../src/bucket/bucket.ts';
import { openBucket } from '../../src/bucket/open.ts';
import { type DiskEntry, recordDisk } from '../support/recorded-disk.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const NAME = 'sessions/u/+1/creds.json';

async function bucketIn(t: TestContext): Promise<{ root: string; bucket: Bucket; done: DiskEntry[] }> {
  const root = join(temporaryDirectory(t), 'bucket');
  mkdirSync(root);
  const bucket = await openBucket({ kind: 'directory', path: root }, {});
  t.after(() => bucket.close());
  await bucket.put('sessions/first', Buffer.from('x'), { ifGeneration: ABSENT, metadata: {} });
  return { root, bucket, done: await recordDisk(t, root) };
}

const at = (done: readonly DiskEntry[], what: DiskEntry['what'], path: string, from = 0) =>
  done.findIndex((entry, index) => index >= from && entry.what === what && entry.path === path);

/** Locks are no part of what is stored. */
const stored = (done: readonly DiskEntry[]) => done.filter(({ path }) => !/lock/.test(path));

/** Each file is synced before it gets its name, and the name before anything else gets one. */
function requireDurable(done: readonly DiskEntry[]): void {
  const names = done.flatMap((entry, index) => (entry.what === 'name' ? [{ ...entry, index }] : []));
  for (const [turn, { path, from = '', index }] of names.entries()) {
    const wasNamed = at(done, 'name', from);
    const synced = at(done, 'sync', from);
    assert.ok(wasNamed >= 0 || (synced >= 0 && synced < index), `${from} is not synced before its rename`);
    const next = names[turn + 1]?.index ?? done.length;
    const directory = at(done, 'sync', dirname(path), index);
    assert.ok(directory > index && directory < next, `the name ${path} is not durable before the next step`);
  }
}

test('a put that resolved has content, record and their names on stable storage, one after the other', async (t) => {
  const { root, bucket, done } = await bucketIn(t);
  await bucket.put(NAME, Buffer.from('content'), { ifGeneration: ABSENT, metadata: {} });
  const file = join(root, NAME);
  const steps = stored(done);
  requireDurable(steps);
  const names = steps.filter(({ what }) => what === 'name').map(({ path }) => path);
  // The record of what is to come, the content, the record of what is there.
  assert.equal(names.length, 3);
  assert.equal(names[1], file);
  // Each new folder of the way there is synced into its parent.
  for (let folder = dirname(file); folder !== join(root, 'sessions'); folder = dirname(folder))
    assert.ok(at(done, 'sync', dirname(folder)) >= 0, `${folder} is not durable`);
});

test('a delete that resolved is on stable storage', async (t) => {
  const { root, bucket, done } = await bucketIn(t);
  const put = await bucket.put(NAME, Buffer.from('content'), { ifGeneration: ABSENT, metadata: {} });
  done.length = 0;
  await bucket.delete(NAME, { ifGeneration: put.generation });
  const removed = at(done, 'remove', join(root, NAME));
  assert.ok(removed >= 0);
  assert.ok(
    at(done, 'sync', dirname(join(root, NAME)), removed) > removed,
    'it comes back after a power cut',
  );
});
