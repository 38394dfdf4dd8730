import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { RENAME_EXCHANGE, ROOT_NODE } from '../../src/fs/contract.ts';
import { Errno } from '../../src/lib/errno.ts';
import { S_IFIFO, S_IFMT, S_IFSOCK } from '../../src/lib/file-type.ts';
import { CALLER, type Harness, newAttributes, newEntry } from './harness.ts';
import { find, harness, mkdir, read, unlink, write } from './support.ts';

/** Returns its number. */
function special(h: Harness, name: string, type: number = S_IFIFO, parent: number = ROOT_NODE): number {
  const entry = newEntry();
  assert.equal(h.fs.mknod(parent, name, type | 0o640, CALLER, entry), 0);
  return entry.nodeId;
}

function typeOf(h: Harness, path: string): number {
  const node = find(h, path);
  const attributes = newAttributes();
  return node !== 0 && h.fs.getattr(node, attributes) === 0 ? attributes.mode & S_IFMT : 0;
}

function names(h: Harness): string[] {
  const found: string[] = [];
  h.fs.readdir(ROOT_NODE, 0, ({ name }) => found.push(name) > 0);
  return found.sort();
}

describe('a FIFO or socket', () => {
  it('has its type, owner and mode, in listings too, and nothing to read or write', (t) => {
    const h = harness(t);
    const node = special(h, 'a', S_IFSOCK);
    const attributes = newAttributes();
    assert.equal(h.fs.getattr(node, attributes), 0);
    assert.deepEqual(
      [attributes.mode, attributes.uid, attributes.size, attributes.nlink],
      [S_IFSOCK | 0o600, CALLER.uid, 0, 1],
    );
    assert.equal(h.fs.setattr(node, { mode: 0o700 }, attributes), 0);
    assert.equal(attributes.mode, S_IFSOCK | 0o700);
    const types: number[] = [];
    h.fs.readdir(ROOT_NODE, 0, ({ type }) => types.push(type) > 0);
    assert.deepEqual(types, [S_IFSOCK]);
    assert.equal(h.fs.read(node, 0, 10, Buffer.alloc(10), 0), Errno.EINVAL);
    assert.equal(h.fs.write(node, 0, Buffer.from('x'), false), Errno.EPERM);
    assert.equal(h.fs.mknod(ROOT_NODE, 'a', S_IFIFO | 0o600, CALLER, newEntry()), Errno.EEXIST);
    for (const type of [0o020000, 0o060000, 0o040000])
      assert.equal(h.fs.mknod(ROOT_NODE, 'b', type | 0o600, CALLER, newEntry()), Errno.EPERM);
  });

  it('keeps name, number and attributes for the next daemon, although the segment that had them is gone', async (t) => {
    const h = harness(t);
    mkdir(h, 's');
    const node = special(h, 'pipe', S_IFIFO, find(h, 's'));
    assert.equal(h.fs.setattr(node, { mode: 0o700 }, newAttributes()), 0);
    for (let i = 0; i < 3; i++) {
      write(h, `s/${i}.txt`, 'another segment');
      await h.checkpoint();
    }
    h.takeOver();
    assert.equal(find(h, 's/pipe'), node);
    const attributes = newAttributes();
    assert.equal(h.fs.getattr(node, attributes), 0);
    assert.equal(attributes.mode, S_IFIFO | 0o700);
    const stored = readdirSync(join(h.cachePath, 'sessions'), { recursive: true }).map(String);
    assert.ok(stored.some((name) => name.includes('0.txt')));
    assert.ok(!stored.some((name) => name.includes('pipe')), stored.join());
  });

  it('is gone for the next daemon once it was removed, and for the next mount in any case', (t) => {
    const h = harness(t);
    special(h, 'removed');
    special(h, 'left');
    unlink(h, 'removed');
    h.takeOver();
    assert.deepEqual(names(h), ['left']);
    h.restart();
    assert.deepEqual(names(h), []);
  });

  it('gives its number to no file that takes its place', (t) => {
    const h = harness(t);
    const node = special(h, 'a.txt');
    unlink(h, 'a.txt');
    write(h, 'a.txt', 'content');
    h.opened.filesystem.settleAll();
    h.takeOver();
    assert.notEqual(find(h, 'a.txt'), node);
    assert.equal(read(h, 'a.txt'), 'content');
  });

  it('moves alone, in place of a file, in exchange with one, and with its folder', (t) => {
    const h = harness(t);
    const fifo = special(h, 'fifo');
    write(h, 'file.txt', 'content');
    assert.equal(h.fs.rename(ROOT_NODE, 'fifo', ROOT_NODE, 'file.txt', 0), 0);
    write(h, 'other.txt', 'other');
    assert.equal(h.fs.rename(ROOT_NODE, 'file.txt', ROOT_NODE, 'other.txt', RENAME_EXCHANGE), 0);
    mkdir(h, 'd');
    const socket = special(h, 'socket', S_IFSOCK, find(h, 'd'));
    assert.equal(h.fs.rename(ROOT_NODE, 'd', ROOT_NODE, 'e', 0), 0);
    for (const step of ['before', 'after'] as const) {
      if (step === 'after') h.takeOver();
      assert.deepEqual(names(h), ['e', 'file.txt', 'other.txt'], step);
      assert.deepEqual([find(h, 'other.txt'), typeOf(h, 'other.txt')], [fifo, S_IFIFO], step);
      assert.equal(read(h, 'file.txt'), 'other', step);
      assert.deepEqual([find(h, 'e/socket'), typeOf(h, 'e/socket')], [socket, S_IFSOCK], step);
    }
    assert.equal(h.fs.rmdir(ROOT_NODE, 'e'), Errno.ENOTEMPTY);
    write(h, 'last.txt', 'last');
    assert.equal(h.fs.rename(ROOT_NODE, 'last.txt', ROOT_NODE, 'other.txt', 0), 0);
    h.opened.filesystem.settleAll();
    h.takeOver();
    assert.equal(read(h, 'other.txt'), 'last');
  });

  it('leaves no segment in the journal once the mount is gone', async (t) => {
    const left = async (make: (h: Harness) => void) => {
      const h = harness(t);
      make(h);
      h.opened.filesystem.settleAll();
      h.opened.filesystem.forgetSpecials();
      await h.checkpoint();
      const journal = join(h.cachePath, 'journal');
      return readdirSync(journal).map((name) => statSync(join(journal, name)).size);
    };
    assert.deepEqual(await left((h) => void special(h, 'left')), await left((h) => void write(h, 'a', 'b')));
  });

  it('is not made where the journal cannot take it', (t) => {
    const h = harness(t);
    h.opened.core.records.suspended = true;
    assert.equal(h.fs.mknod(ROOT_NODE, 'a', S_IFIFO | 0o600, CALLER, newEntry()), Errno.ENOSPC);
    h.opened.core.records.suspended = false;
    assert.equal(find(h, 'a'), 0);
  });
});
