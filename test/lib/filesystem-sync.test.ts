import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { prepareFilesystemSync, syncFilesystem } from '../../src/lib/filesystem-sync.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

function children(): number[] {
  const text = readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1');
  return text.split(' ').filter(Boolean).map(Number);
}

test('one process syncs all filesystems that are asked for, and says of which it could not', async (t) => {
  const directory = temporaryDirectory(t);
  prepareFilesystemSync();
  const [shell] = children();
  const paths = [directory, join(directory, 'none'), join(directory, 'two\nlines'), `${directory}/.`];
  assert.deepEqual(await Promise.all(paths.map(syncFilesystem)), [true, false, false, true]);
  prepareFilesystemSync();
  assert.deepEqual(children(), [shell]);
});

test('what it was to do when it was killed is not done, and another one does the next', async (t) => {
  const directory = temporaryDirectory(t);
  prepareFilesystemSync();
  const [shell = 0] = children();
  process.kill(shell, 'SIGSTOP');
  const asked = [syncFilesystem(directory), syncFilesystem(directory)];
  process.kill(shell, 'SIGKILL');
  assert.deepEqual(await Promise.all(asked), [false, false]);
  await until(() => !children().includes(shell));
  assert.equal(await syncFilesystem(directory), true);
});
