import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  renameDurably,
  syncDirectory,
  syncDirectorySync,
  writeDurably,
} from '../../src/lib/durable-files.ts';
import { recordDisk } from '../support/recorded-disk.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const sync = (path: string) => ({ what: 'sync', path });
const named = (from: string, path: string) => ({ what: 'name', path, from });

test('a written file is on stable storage, whole and readable by its owner only', async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'file');
  const done = await recordDisk(t, directory);
  await writeDurably(path, 'content');
  assert.deepEqual(done, [sync(path)]);
  assert.equal(readFileSync(path, 'utf8'), 'content');
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('a rename syncs the directory it leads to, then the one it comes from', async (t) => {
  const directory = temporaryDirectory(t);
  const [from, to] = [join(directory, 'from'), join(directory, 'to')];
  for (const folder of [from, to]) mkdirSync(folder);
  await writeDurably(join(from, 'x'), '');
  const done = await recordDisk(t, directory);
  await renameDurably(join(from, 'x'), join(to, 'x'));
  assert.deepEqual(done, [named(join(from, 'x'), join(to, 'x')), sync(to), sync(from)]);
  await renameDurably(join(to, 'x'), join(to, 'y'));
  assert.deepEqual(done.slice(3), [named(join(to, 'x'), join(to, 'y')), sync(to)]);
});

test('a directory is synced, and one that is missing is an error', async (t) => {
  const directory = temporaryDirectory(t);
  const done = await recordDisk(t, directory);
  await syncDirectory(directory);
  syncDirectorySync(directory);
  assert.deepEqual(done, [sync(directory), sync(directory)]);
  await assert.rejects(syncDirectory(join(directory, 'missing')), { code: 'ENOENT' });
  assert.throws(() => syncDirectorySync(join(directory, 'missing')), { code: 'ENOENT' });
});
