/** Whatever the kernel lets through (a mount that root remounted for writing), the core refuses every change. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROOT_NODE } from '../../src/fs/contract.ts';
import { Errno } from '../../src/lib/errno.ts';
import { S_IFREG } from '../../src/lib/file-type.ts';
import { readTree } from '../mounted/session-files.ts';
import { CALLER, newAttributes, newEntry } from './harness.ts';
import { find, harness, mkdir, read, write } from './support.ts';

test('every call that would change anything fails with EROFS, and nothing changes', async (t) => {
  const h = harness(t);
  const folder = mkdir(h, 'user-+1');
  write(h, 'user-+1/creds.json', '{"a":1}');
  await h.checkpoint();
  h.restart({ readOnly: true });
  const before = readTree(h.cachePath);
  const [session, creds] = [find(h, 'user-+1'), find(h, 'user-+1/creds.json')];
  assert.notEqual(folder, 0);
  const calls: Readonly<Record<string, () => number>> = {
    setattr: () => h.fs.setattr(creds, { size: 0 }, newAttributes()),
    chmod: () => h.fs.setattr(session, { mode: 0o777 }, newAttributes()),
    mknod: () => h.fs.mknod(session, 'new.json', S_IFREG | 0o600, CALLER, newEntry()),
    mkdir: () => h.fs.mkdir(ROOT_NODE, 'user-+2', 0o700, CALLER, newEntry()),
    symlink: () => h.fs.symlink(session, 'link', 'creds.json', CALLER, newEntry()),
    unlink: () => h.fs.unlink(session, 'creds.json'),
    rmdir: () => h.fs.rmdir(ROOT_NODE, 'user-+1'),
    rename: () => h.fs.rename(session, 'creds.json', session, 'other.json', 0),
    write: () => h.fs.write(creds, 0, Buffer.from('{}'), false),
    fallocate: () => h.fs.fallocate(creds, 0, 100, false),
  };
  for (const [name, call] of Object.entries(calls)) assert.equal(call(), Errno.EROFS, name);
  assert.equal(read(h, 'user-+1/creds.json'), '{"a":1}');
  assert.equal(h.fs.fsync(creds), 0);
  assert.equal(h.fs.dirtyFiles(), 0);
  const after = readTree(h.cachePath);
  const sealed = (tree: typeof before) =>
    Object.entries(tree).filter(([name]) => name.startsWith('sessions/'));
  assert.deepEqual(sealed(after), sealed(before));
});
