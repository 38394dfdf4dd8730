import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { OpenDirectory, readExactly } from '../../src/lib/open-directory.ts';
import { cleanUp } from '../support/cleanup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('no step follows a link, waits for a FIFO, or leaves the directory that was opened', (t) => {
  const within = temporaryDirectory(t);
  const [folder, victim] = [join(within, 'folder'), join(within, 'victim')];
  for (const path of [folder, victim]) mkdirSync(path);
  writeFileSync(join(victim, 'file'), 'secret');
  writeFileSync(join(folder, 'file'), 'own');
  symlinkSync(join(victim, 'file'), join(folder, 'link'));
  symlinkSync(victim, join(folder, 'folder-link'));
  symlinkSync(folder, join(within, 'top-link'));
  assert.equal(spawnSync('mkfifo', [join(folder, 'fifo')]).status, 0);
  const directory = OpenDirectory.open(folder);
  cleanUp(t, () => directory.close());

  const use = () => assert.fail('it was opened');
  assert.throws(() => OpenDirectory.open(join(within, 'top-link')), { code: 'ENOTDIR' });
  assert.throws(() => directory.withFile('link', use), { code: 'ELOOP' });
  assert.throws(() => directory.directory('folder-link'), { code: 'ENOTDIR' });
  assert.throws(() => directory.makeDirectory('folder-link'), { code: 'EEXIST' });
  assert.throws(() => directory.withFile('fifo', use), { code: 'EINVAL' });
  assert.throws(() => directory.withFile('.', use), { code: 'EINVAL' });

  // Another process puts a link in the directory's place.
  renameSync(folder, join(within, 'moved'));
  symlinkSync(victim, folder);
  const read = directory.withFile('file', (fd, { size }) => readExactly(fd, size)?.toString());
  assert.equal(read, 'own');
});

test('a file is read whole at the size that was checked, or not at all', (t) => {
  const path = join(temporaryDirectory(t), 'file');
  writeFileSync(path, 'five!');
  const fd = openSync(path, 'r');
  cleanUp(t, () => closeSync(fd));
  assert.equal(readExactly(fd, 5)?.toString(), 'five!');
  assert.equal(readExactly(fd, 4), undefined);
  assert.equal(readExactly(fd, 6), undefined);
});
