/** A call that fails because the disk is full has changed nothing, now and later. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { ROOT_NODE } from '../../src/fs/contract.ts';
import { Errno } from '../../src/lib/errno.ts';
import { syncFileOperations } from '../../src/lib/file-operations.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { FOR_REMOVALS } from '../../src/store/cache/ballast.ts';
import { CALLER, type Harness, newAttributes, newEntry } from './harness.ts';
import { find, harness, names, read, write } from './support.ts';

const OLD = '{"old":true}';
const HALF = `{"filler":"${'x'.repeat(3000)}"`;

interface Disk {
  /** Longer records do not fit. */
  room: number;
  /** While this file is there; all fit once it is gone. */
  reserve?: string;
}

function almostFull(t: TestContext): { h: Harness; disk: Disk } {
  const disk: Disk = { room: Number.POSITIVE_INFINITY };
  const append: typeof syncFileOperations.write = (fd, bytes, offset, length) => {
    const isFull = disk.reserve === undefined || existsSync(disk.reserve);
    if (isFull && length > disk.room) throw systemError('ENOSPC', 'write', 'injected');
    return syncFileOperations.write(fd, bytes, offset, length);
  };
  return { h: harness(t, { journalFiles: { ...syncFileOperations, write: append } }), disk };
}

const append = (h: Harness, node: number, text: string) => h.fs.write(node, 0, Buffer.from(text), true);

function sizeOf(h: Harness, node: number): number {
  const attributes = newAttributes();
  assert.equal(h.fs.getattr(node, attributes), 0);
  return attributes.size;
}

describe('an append that completes a document', () => {
  it('is done once, when it succeeds after it failed', (t) => {
    const { h, disk } = almostFull(t);
    const node = write(h, 'a.json', HALF);
    disk.room = 1000;
    for (let attempt = 0; attempt < 3; attempt++) assert.equal(append(h, node, '}'), Errno.ENOSPC);
    disk.room = Number.POSITIVE_INFINITY;
    assert.equal(append(h, node, '}'), 1);
    assert.equal(read(h, 'a.json'), `${HALF}}`);
  });

  it('publishes nothing after it failed, neither here nor in the next daemon', (t) => {
    for (const takeOver of [false, true]) {
      const { h, disk } = almostFull(t);
      write(h, 'a.json', OLD);
      const node = write(h, 'a.json', HALF);
      disk.room = 1000;
      assert.equal(append(h, node, '}'), Errno.ENOSPC);
      disk.room = Number.POSITIVE_INFINITY;
      if (takeOver) h.takeOver();
      h.settle();
      assert.equal(read(h, 'a.json'), OLD);
    }
  });
});

describe('a write that fails', () => {
  it('leaves the bytes that it would have replaced, and what was behind them', (t) => {
    const { h, disk } = almostFull(t);
    // Complete but for one byte in the middle, where a string ends.
    const text = `${HALF.slice(0, -1)}y,"b":1}`;
    const node = write(h, 'a.json', OLD);
    assert.equal(h.fs.setattr(node, { size: 0 }, newAttributes()), 0);
    assert.equal(append(h, node, text), text.length);
    disk.room = 1000;
    assert.equal(h.fs.write(node, HALF.length - 1, Buffer.from('"'), false), Errno.ENOSPC);
    disk.room = Number.POSITIVE_INFINITY;
    h.settle();
    assert.equal(read(h, 'a.json'), OLD);
  });

  it('to a plain file leaves size and content', (t) => {
    const { h, disk } = almostFull(t);
    const node = write(h, 'log.txt', 'one\n');
    h.settle();
    disk.room = 100;
    assert.equal(append(h, node, 'two\n'.repeat(100)), Errno.ENOSPC);
    assert.equal(sizeOf(h, node), 4);
    assert.equal(read(h, 'log.txt'), 'one\n');
    disk.room = Number.POSITIVE_INFINITY;
    assert.equal(find(h, 'log.txt'), node);
    h.takeOver();
    assert.equal(read(h, 'log.txt'), 'one\n');
  });
});

describe('a removal', () => {
  it('gets the room that is kept for it where no other could be made, and no other change does', (t) => {
    const { h, disk } = almostFull(t);
    write(h, 'a.json', OLD);
    assert.equal(h.fs.mkdir(ROOT_NODE, 'folder', 0o700, CALLER, newEntry()), 0);
    const reserve = join(h.cachePath, FOR_REMOVALS.file);
    writeFileSync(reserve, '');
    disk.room = 0;
    disk.reserve = reserve;
    assert.equal(h.fs.unlink(ROOT_NODE, 'a.json'), Errno.ENOSPC, 'room is made first');
    h.fs.lastTry(() => {
      assert.equal(h.fs.mkdir(ROOT_NODE, 'other', 0o700, CALLER, newEntry()), Errno.ENOSPC);
      assert.ok(existsSync(reserve));
      assert.equal(h.fs.unlink(ROOT_NODE, 'a.json'), 0);
      assert.equal(h.fs.rmdir(ROOT_NODE, 'folder'), 0);
    });
    assert.ok(!existsSync(reserve));
    h.takeOver();
    assert.deepEqual(names(h, ''), []);
  });
});
