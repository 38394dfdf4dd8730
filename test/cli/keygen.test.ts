import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Keyring } from '../../src/crypto/keyring.ts';
import { exitStatus } from '../../src/lib/errors.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { runCli } from './run-cli.ts';

test('keygen --out makes a key file that only its owner can read, and prints the id of the key, not the key', (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'sessionfs.key');
  const { status, stdout, stderr } = runCli(['keygen', '--out', path, '--json']);
  assert.deepEqual([status, stderr], [0, '']);
  const hex = readFileSync(path, 'utf8').trimEnd();
  assert.match(hex, /^[0-9a-f]{64}$/);
  assert.deepEqual(JSON.parse(stdout), { path, keyId: Keyring.fromHex(hex).currentId });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(directory), ['sessionfs.key']);
});

test('keygen never overwrites a file, nor what a link leads to', (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'sessionfs.key');
  assert.equal(runCli(['keygen', '--out', path]).status, 0);
  const before = readFileSync(path, 'utf8');
  symlinkSync('sessionfs.key', join(directory, 'link'));
  symlinkSync('nothing', join(directory, 'dangling'));
  for (const name of ['sessionfs.key', 'link', 'dangling']) {
    const { status, stdout, stderr } = runCli(['keygen', '--out', join(directory, name)]);
    assert.deepEqual([status, stdout], [exitStatus.KEY_FILE_EXISTS, '']);
    assert.match(stderr, /is there already, and is left as it is\n {2}\S/);
  }
  assert.equal(readFileSync(path, 'utf8'), before);
  assert.deepEqual(readdirSync(directory).sort(), ['dangling', 'link', 'sessionfs.key']);
  const nowhere = runCli(['keygen', '--out', join(directory, 'none/key')]);
  assert.equal(nowhere.status, exitStatus.KEY_FILE_NOT_WRITABLE, nowhere.stderr);
});

test('keygen without --out prints the key and nothing else', () => {
  const { stdout } = runCli(['keygen']);
  assert.match(stdout, /^[0-9a-f]{64}\n$/);
  assert.notEqual(stdout, runCli(['keygen']).stdout);
});
