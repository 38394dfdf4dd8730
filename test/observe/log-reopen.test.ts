import assert from 'node:assert/strict';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LogOutput } from '../../src/observe/log-output.ts';
import { cleanUp } from '../support/cleanup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a log of root in a folder that others may write is not opened anew: a link may be there by now', (t) => {
  const within = temporaryDirectory(t);
  const [folder, victim] = [join(within, 'open'), join(within, 'victim')];
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  writeFileSync(victim, 'own');
  const log = join(folder, 'log');
  const fd = openSync(log, 'a');
  cleanUp(t, () => closeSync(fd));
  const output = new LogOutput(fd);
  renameSync(log, `${log}.1`);
  symlinkSync(victim, log);
  output.named(log);
  assert.throws(() => output.reopen(), { code: 'UNSAFE_PATH' });
  output.write('goes on\n');
  assert.equal(readFileSync(victim, 'utf8'), 'own');
  assert.equal(readFileSync(`${log}.1`, 'utf8'), 'goes on\n');
});
