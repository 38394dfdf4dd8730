/** What the cache has brought to stable storage when a call resolves, and who may read it. */
import assert from 'node:assert/strict';
import { readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemError } from '../../src/lib/system-error.ts';
import { Cache } from '../../src/store/cache/cache.ts';
import { recordedDisk, type Step, stepAt } from './recorded-cache-disk.ts';
import { KEY_ID, temporaryDirectory } from './support.ts';

const PATH = 'u-+1/sub/creds.json';

function opened(t: TestContext): { cache: Cache; steps: Step[]; file: string } {
  const path = join(temporaryDirectory(t), 'cache');
  Cache.open(path, { mountPoint: '/nowhere/sessions', keyId: KEY_ID });
  const { steps, operations } = recordedDisk();
  const cache = new Cache(path, operations);
  return { cache, steps, file: join(path, 'sessions/u/+1/sub/creds.json') };
}

/** Each folder on the way to the file is synced after the step. */
function requireSyncedAfter(steps: readonly Step[], file: string, at: number): void {
  for (let folder = dirname(file); !folder.endsWith('/cache'); folder = dirname(folder))
    assert.ok(stepAt(steps, 'sync', folder, at) > at, `${folder} is not durable`);
}

test('a file that was put has its content on stable storage before its name, and its name on return', async (t) => {
  const { cache, steps, file } = opened(t);
  await cache.put(PATH, Buffer.from('sealed'));
  const named = stepAt(steps, 'rename', file);
  const { from = '' } = steps[named] ?? {};
  const synced = stepAt(steps, 'sync', from);
  assert.ok(stepAt(steps, 'write', from) < synced && synced < named);
  requireSyncedAfter(steps, file, named);
});

test('a file that was removed is gone for good on return, and so is a folder', async (t) => {
  const { cache, steps, file } = opened(t);
  await cache.put(PATH, Buffer.from('sealed'));
  await cache.remove(PATH);
  requireSyncedAfter(steps, file, stepAt(steps, 'unlink', file));
  await cache.rmdir('u-+1/sub');
  const removed = stepAt(steps, 'rmdir', dirname(file));
  requireSyncedAfter(steps, dirname(file), removed);
});

test('files are 0600 and folders 0700, in every place', async (t) => {
  const { cache, steps } = opened(t);
  await cache.put(PATH, Buffer.from('sealed'));
  await cache.mkdir('u-+2', Buffer.from('meta'));
  const staged = steps.filter(
    ({ what, path }) => what === 'open' && path.startsWith(join(cache.path, 'tmp/')),
  );
  const made = steps.filter(({ what }) => what === 'mkdir');
  assert.ok(staged.length >= 2 && made.length >= 3);
  for (const { mode } of staged) assert.equal(mode, 0o600);
  for (const { mode } of made) assert.equal(mode, 0o700);
});

test('what could not be written leaves nothing behind', async (t) => {
  const { cache, file } = opened(t);
  const { operations } = cache.files;
  for (const operation of ['write', 'fsync', 'rename'] as const) {
    const broken = new Cache(cache.path, {
      ...operations,
      [operation]: () => Promise.reject(systemError('ENOSPC', operation, 'injected')),
    });
    await assert.rejects(broken.put(PATH, Buffer.from('sealed')), { code: 'ENOSPC' });
    assert.deepEqual(readdirSync(join(cache.path, 'tmp')), [], operation);
  }
  assert.throws(() => cache.readSync(PATH), { code: 'ENOENT' }, file);
});

test('a link in the place of a sealed file is not followed', async (t) => {
  const { cache, file } = opened(t);
  await cache.put(PATH, Buffer.from('sealed'));
  const outside = join(temporaryDirectory(t), 'outside');
  writeFileSync(outside, 'not of this cache');
  await cache.remove(PATH);
  symlinkSync(outside, file);
  assert.throws(() => cache.readSync(PATH), { code: 'ELOOP' });
  assert.throws(() => cache.readHeaderSync(PATH, Buffer.alloc(8)), { code: 'ELOOP' });
});
