import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { LogOutput } from '../../src/observe/log-output.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

function opened(t: TestContext) {
  const path = join(temporaryDirectory(t), 'daemon.log');
  const output = new LogOutput(openSync(path, 'a'));
  t.after(() => closeSync(output.fd));
  return { path, output };
}

test('a log that was renamed goes on in a new file of its name, for its owner only', (t) => {
  const { path, output } = opened(t);
  output.write('one\n');
  renameSync(path, `${path}.1`);
  output.write('two\n');
  assert.equal(output.reopen(), true);
  output.write('three\n');
  assert.deepEqual(
    [readFileSync(`${path}.1`, 'utf8'), readFileSync(path, 'utf8')],
    ['one\ntwo\n', 'three\n'],
  );
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('a process that was started after the renaming is told the name', (t) => {
  const { path, output } = opened(t);
  renameSync(path, `${path}.1`);
  const later = new LogOutput(openSync(`${path}.1`, 'a'));
  t.after(() => closeSync(later.fd));
  later.named(output.path);
  later.reopen();
  later.write('mine\n');
  assert.equal(readFileSync(path, 'utf8'), 'mine\n');
});

test('a link in its place is not followed, and the log goes on where it was', (t) => {
  const { path, output } = opened(t);
  renameSync(path, `${path}.1`);
  const other = join(temporaryDirectory(t), 'other');
  writeFileSync(other, 'as it was');
  symlinkSync(other, path);
  assert.throws(() => output.reopen(), { code: 'ELOOP' });
  output.write('on\n');
  assert.equal(readFileSync(other, 'utf8'), 'as it was');
  assert.equal(readFileSync(`${path}.1`, 'utf8'), 'on\n');
});

test('what is no file has nothing to open anew', (t) => {
  const output = new LogOutput(openSync('/dev/null', 'a'));
  t.after(() => closeSync(output.fd));
  assert.equal(output.path, undefined);
  assert.equal(output.reopen(), false);
});
