import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { PidFile } from '../../src/cli/pid-file.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a pid file holds the process id on one line, and replaces one that a dead process left', (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'pid');
  writeFileSync(path, '999999999\n');
  PidFile.write(path);
  assert.equal(readFileSync(path, 'utf8'), `${process.pid}\n`);
  assert.deepEqual(readdirSync(directory), ['pid']);
});

test('it is removed if it is still ours, and left to another process', (t) => {
  const path = join(temporaryDirectory(t), 'pid');
  const ours = PidFile.write(path);
  const theirs = PidFile.write(path, 12345);
  ours.remove();
  assert.equal(readFileSync(path, 'utf8'), '12345\n');
  theirs.remove();
  assert.ok(!existsSync(path));
  theirs.remove();
});

test('a path that cannot be written is a clear error and leaves nothing', (t) => {
  const directory = temporaryDirectory(t);
  assert.throws(() => PidFile.write(join(directory, 'none', 'pid')), {
    code: 'CONFIG_INVALID',
    message: /none\/pid/,
  });
  assert.throws(() => PidFile.write(directory), { code: 'CONFIG_INVALID' });
  assert.deepEqual(readdirSync(directory), []);
});
