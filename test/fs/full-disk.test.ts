/** A call that fails because the disk is full has changed nothing, now and later. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Errno } from '../../src/lib/errno.ts';
import { syncFileOperations } from '../../src/lib/file-operations.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { type Harness, newAttributes } from './harness.ts';
import { find, harness, read, write } from './support.ts';

const OLD = '{"old":true}';
const HALF = `{"filler":"${'x'.repeat(3000)}"`;

/** While `full`, records of more than `room` bytes do not fit. */
function almostFull(t: TestContext): { h: Harness; disk: { room: number } } {
  const disk = { room: Number.POSITIVE_INFINITY };
  const append: typeof syncFileOperations.write = (fd, bytes, offset, length) => {
    if (length > disk.room) throw systemError('ENOSPC', 'write', 'injected');
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
