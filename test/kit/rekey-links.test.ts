/** rekey, which root runs, changes nothing that the application's user leads it to. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import fsp from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { touch } from '../../src/kit/rekey.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a link that comes into the place of a file meanwhile is not followed', async (t) => {
  const directory = temporaryDirectory(t);
  const [place, victim] = [join(directory, 'creds.json'), join(directory, 'victim')];
  writeFileSync(place, '{}');
  chmodSync(place, 0o666);
  writeFileSync(victim, 'of root');
  chmodSync(victim, 0o600);
  const { open, lstat } = fsp;
  const swap = () => {
    renameSync(place, `${place}.moved`);
    symlinkSync(victim, place);
  };
  /** The worst moment: when its mode is known. */
  const thenSwap =
    <Given extends unknown[], Result>(work: (...given: Given) => Promise<Result>) =>
    async (...given: Given) => {
      const result = await work(...given);
      swap();
      return result;
    };
  Object.assign(fsp, { open: thenSwap(open), lstat: thenSwap(lstat) });
  syncBuiltinESMExports();
  try {
    assert.equal(await touch(place, statSync(directory).dev), true);
  } finally {
    Object.assign(fsp, { open, lstat });
    syncBuiltinESMExports();
  }
  assert.equal(statSync(victim).mode & 0o777, 0o600);
});

test('what a linked folder leads out of the mount to is left alone', async (t) => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, 'deep'));
  symlinkSync('/proc/self', join(directory, 'out'));
  assert.equal(await touch(join(directory, 'out/status'), statSync(directory).dev), false);
});
