import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { actsAsRoot, exposureOf, requirePrivatePath } from '../../src/lib/private-path.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const USER = 4321;

function folder(within: string, name: string, mode: number, owner = 0): string {
  const path = join(within, name);
  mkdirSync(path);
  chownSync(path, owner, owner);
  chmodSync(path, mode);
  return path;
}

test('a path is private where only root owns and writes each directory, also below a sticky one', (t) => {
  const within = temporaryDirectory(t);
  assert.equal(exposureOf(join(within, 'cache')), undefined);
  assert.equal(exposureOf(join(folder(within, 'a', 0o755), 'deep/cache')), undefined);
  const sticky = folder(within, 'sticky', 0o1777);
  assert.equal(exposureOf(join(sticky, 'new')), undefined);
  folder(sticky, 'own', 0o700);
  assert.equal(exposureOf(join(sticky, 'own/cache')), undefined);
});

test('a directory on the way that another user owns or may write exposes it, and so does what lies there', (t) => {
  const within = temporaryDirectory(t);
  const of = (path: string) => exposureOf(path)?.place;
  const users = folder(within, 'users', 0o755, USER);
  assert.equal(of(join(users, 'deep/cache')), users);
  const open = folder(within, 'open', 0o777);
  assert.equal(of(join(open, 'cache')), open);
  assert.equal(exposureOf(join(open, 'cache'))?.mend, `chmod go-w ${open}`);
  assert.equal(of(join(folder(within, 'group', 0o775), 'cache')), join(within, 'group'));
  assert.equal(of(folder(within, 'cache', 0o700, USER)), join(within, 'cache'));
  const sticky = folder(within, 'sticky', 0o1777);
  writeFileSync(join(sticky, 'planted'), '');
  chownSync(join(sticky, 'planted'), USER, USER);
  assert.equal(of(join(sticky, 'planted')), join(sticky, 'planted'));
});

test('a link is followed as far as root made it', (t) => {
  const within = temporaryDirectory(t);
  const open = folder(within, 'open', 0o777);
  symlinkSync(folder(within, 'real', 0o700), join(within, 'good'));
  symlinkSync(open, join(within, 'bad'));
  assert.equal(exposureOf(join(within, 'good/cache')), undefined);
  assert.equal(exposureOf(join(within, 'bad/cache'))?.place, open);
});

test('root of a namespace with one user has nothing that the user has not', (t) => {
  const map = join(temporaryDirectory(t), 'uid_map');
  writeFileSync(map, '         0       1000          1\n');
  assert.equal(actsAsRoot(map), false);
  writeFileSync(map, '         0          0 4294967295\n');
  assert.equal(actsAsRoot(map), true);
});

test('the refusal names the place and what mends it', (t) => {
  const open = folder(temporaryDirectory(t), 'open', 0o777);
  assert.throws(() => requirePrivatePath(join(open, 'cache'), 'the cache', 'SESSION_CACHE_PATH'), {
    code: 'UNSAFE_PATH',
    message: `the cache ${open}/cache is not safe for root: ${open} can be written by other users (mode 777)`,
  });
});
