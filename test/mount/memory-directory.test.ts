/** A directory that is nowhere but in memory. */
import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isInMemory, openMemoryDirectory, pathOfDescriptor } from '../../src/mount/memory-directory.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const TMPFS_MAGIC = 0x01021994;
const LIMIT = 8 * 1024 * 1024;

test('it is a tmpfs of its own, closed to others, in no mount table, and limited', async (t) => {
  const over = temporaryDirectory(t);
  writeFileSync(join(over, 'what was there'), '');
  const fd = await openMemoryDirectory(over, LIMIT);
  t.after(() => closeSync(fd));
  const path = pathOfDescriptor(fd);
  assert.equal(statfsSync(path).type, TMPFS_MAGIC);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(over), ['what was there']);
  assert.ok(!readFileSync('/proc/self/mounts', 'utf8').includes(over));
  mkdirSync(join(path, 'a'));
  writeFileSync(join(path, 'a/file'), 'kept');
  renameSync(join(path, 'a/file'), join(path, 'file'));
  assert.equal(readFileSync(join(path, 'file'), 'utf8'), 'kept');
  assert.throws(() => writeFileSync(join(path, 'large'), Buffer.alloc(LIMIT + 1)), { code: 'ENOSPC' });
  assert.ok(!existsSync(join(over, 'file')));
});

test('where nothing may be mounted, the error says what to do', async (t) => {
  const fails = openMemoryDirectory(join(temporaryDirectory(t), 'missing'), LIMIT);
  await assert.rejects(fails, (error: { code?: string; hint?: string }) => {
    assert.equal(error.code, 'MEMORY_UNAVAILABLE');
    assert.match(error.hint ?? '', /CAP_SYS_ADMIN.*SESSION_CACHE_PATH/s);
    return true;
  });
});

test('a directory of a tmpfs is known, also before it is made', async (t) => {
  const fd = await openMemoryDirectory(temporaryDirectory(t), LIMIT);
  t.after(() => closeSync(fd));
  assert.ok(isInMemory(join(pathOfDescriptor(fd), 'not/there/yet')));
  assert.ok(!isInMemory('/proc/self'));
});
