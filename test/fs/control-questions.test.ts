/** The control files of hybrid mode: a caller that reads or writes them waits for the answer of the side that knows the bucket. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { PARKED, ROOT_NODE } from '../../src/fs/contract.ts';
import { Errno } from '../../src/lib/errno.ts';
import { type Harness, newAttributes, newEntry } from './harness.ts';
import { BUCKET, find, harness, mkdir, write } from './support.ts';

function opened(t: TestContext): Harness {
  const h = harness(t, { bucket: BUCKET });
  h.hybrid.addControlFiles(() => '{"files":7}');
  return h;
}

/** As a request of the kernel of that number. */
function as<T>(h: Harness, request: number, call: () => T): T {
  h.fs.begin(request);
  const answer = call();
  h.fs.begin(0);
  return answer;
}

function lookup(h: Harness, name: string, request = 0): number {
  return as(h, request, () => h.fs.lookup(find(h, '.sessionfs'), name, newEntry()));
}

/** The file's number, once its first question was answered. */
function nodeOf(h: Harness, name: string, text = 'first'): number {
  const entry = newEntry();
  const folder = find(h, '.sessionfs');
  if (h.fs.lookup(folder, name, entry) === PARKED) {
    h.hybrid.answer(h.asks.at(-1)?.id ?? 0, text);
    assert.equal(h.fs.lookup(folder, name, entry), 0);
  }
  return entry.nodeId;
}

function contentOf(h: Harness, node: number): string | number {
  const out = Buffer.alloc(100);
  const length = h.fs.read(node, 0, 100, out, 0);
  return length < 0 ? length : out.toString('utf8', 0, length);
}

const flush = (h: Harness, request: number, text: string, offset = 0) =>
  as(h, request, () => h.fs.write(nodeOf(h, 'flush'), offset, Buffer.from(text), false));

for (const [name, question] of [
  ['status.json', 'status'],
  ['metrics', 'metrics'],
] as const) {
  describe(`.sessionfs/${name}`, () => {
    it('is what the answer says, with what this thread knows and what is dirty in the question', async (t) => {
      const h = opened(t);
      mkdir(h, 'u-+1');
      write(h, 'u-+1/creds.json', '{"a":1}');
      await h.checkpoint();
      write(h, 'u-+1/creds.json', '{"a":2}');
      write(h, 'u-+1/begun.txt', '');
      assert.equal(lookup(h, name), PARKED);
      const dirtyPaths = ['u-+1/creds.json', 'u-+1/begun.txt'];
      assert.deepEqual(h.asks, [{ id: 1, question, argument: '{"files":7}', dirtyPaths }]);
      h.hybrid.answer(1, 'the answer');
      const node = nodeOf(h, name);
      const attributes = newAttributes();
      assert.equal(h.fs.getattr(node, attributes), 0);
      assert.deepEqual([attributes.size, attributes.mode, attributes.attributesValidMs], [10, 0o100400, 0]);
      assert.equal(contentOf(h, node), 'the answer');
      assert.equal(h.asks.length, 1);
    });

    it('is good for a moment, then asked for again', (t) => {
      const h = opened(t);
      const node = nodeOf(h, name);
      h.nowMs += 49;
      assert.equal(contentOf(h, node), 'first');
      h.nowMs += 1;
      assert.equal(h.fs.getattr(node, newAttributes()), PARKED);
      assert.equal(contentOf(h, node), PARKED);
      assert.equal(h.asks.length, 2);
      h.hybrid.answer(2, 'second');
      assert.equal(contentOf(h, node), 'second');
    });

    it('is good for those who waited for it, however late they are carried out again', (t) => {
      const h = opened(t);
      assert.equal(lookup(h, name, 10), PARKED);
      assert.equal(lookup(h, name, 12), PARKED);
      assert.equal(h.asks.length, 1);
      h.hybrid.answer(1, 'late');
      h.nowMs += 1000;
      assert.equal(lookup(h, name, 10), 0);
      assert.equal(lookup(h, name, 14), PARKED);
      assert.equal(lookup(h, name, 12), 0);
      assert.equal(lookup(h, name, 12), PARKED);
    });

    it('is EIO for the callers that waited when no answer was possible, and asked for again by the next', (t) => {
      const h = opened(t);
      assert.equal(lookup(h, name, 10), PARKED);
      h.hybrid.answer(1, undefined);
      assert.equal(lookup(h, name, 10), Errno.EIO);
      assert.equal(lookup(h, name, 12), PARKED);
      h.hybrid.answer(2, 'well');
      assert.equal(lookup(h, name, 12), 0);
    });

    it('is listed without a question, has a new time with each answer, and takes no writes', (t) => {
      const h = opened(t);
      const entry = newEntry();
      h.fs.readdir(find(h, '.sessionfs'), 0, ({ handle }) => {
        h.fs.enter(handle, entry);
        return true;
      });
      assert.equal(h.asks.length, 0);
      const node = nodeOf(h, name);
      const before = newAttributes();
      h.fs.getattr(node, before);
      h.nowMs += 1000;
      nodeOf(h, name);
      const after = newAttributes();
      assert.equal(h.fs.getattr(node, after), 0);
      assert.equal(after.mtimeSec, before.mtimeSec + 1);
      assert.equal(h.fs.write(node, 0, Buffer.from('x'), false), Errno.EPERM);
      assert.equal(h.fs.setattr(node, { size: 0 }, newAttributes()), Errno.EPERM);
    });
  });
}

describe('.sessionfs/flush', () => {
  it('is an empty file of the owner, which may be truncated, but not changed otherwise', (t) => {
    const h = opened(t);
    const node = nodeOf(h, 'flush');
    const attributes = newAttributes();
    for (const change of [{ size: 0 }, { size: 0, mtime: 'now' as const }, { size: 5 }]) {
      assert.equal(h.fs.setattr(node, change, attributes), 0);
      assert.deepEqual([attributes.size, attributes.mode], [0, 0o100600]);
    }
    assert.equal(contentOf(h, node), '');
    assert.equal(h.fs.setattr(node, { mode: 0o666 }, attributes), Errno.EPERM);
    assert.equal(h.fs.setattr(node, { uid: 0 }, attributes), Errno.EPERM);
    assert.equal(h.fs.unlink(find(h, '.sessionfs'), 'flush'), Errno.EPERM);
    assert.equal(h.fs.rename(find(h, '.sessionfs'), 'flush', ROOT_NODE, 'x', 0), Errno.EPERM);
    assert.deepEqual(h.asks, []);
  });

  it('takes the order, and the write returns in full once it was carried out', (t) => {
    const h = opened(t);
    assert.equal(flush(h, 10, ' u-+1\n'), PARKED);
    assert.equal(flush(h, 10, ' u-+1\n'), PARKED);
    assert.deepEqual(h.asks, [{ id: 1, question: 'flush', argument: 'u-+1', dirtyPaths: [] }]);
    h.hybrid.answer(1, '');
    assert.equal(flush(h, 10, ' u-+1\n'), 6);
    assert.equal(contentOf(h, nodeOf(h, 'flush')), '');
  });

  it('takes it at any offset, and refuses what is too long for one', (t) => {
    const h = opened(t);
    assert.equal(flush(h, 10, 'all', 500), PARKED);
    assert.equal(h.asks[0]?.argument, 'all');
    assert.equal(flush(h, 12, 'x'.repeat(5000)), Errno.EINVAL);
    assert.equal(h.asks.length, 1);
  });

  it('keeps two writers apart: each gets its own answer', (t) => {
    const h = opened(t);
    assert.equal(flush(h, 10, 'a'), PARKED);
    assert.equal(flush(h, 12, 'bcd'), PARKED);
    h.hybrid.answer(2, undefined);
    assert.equal(flush(h, 10, 'a'), PARKED);
    assert.equal(flush(h, 12, 'bcd'), Errno.EIO);
    h.hybrid.answer(1, 'done');
    assert.equal(flush(h, 10, 'a'), 1);
  });

  it('forgets an interrupted writer: its answer is dropped', (t) => {
    const h = opened(t);
    assert.equal(flush(h, 10, 'a'), PARKED);
    h.fs.interrupted(10);
    h.hybrid.answer(1, 'done');
    assert.equal(flush(h, 10, 'b'), PARKED);
    assert.equal(h.asks[1]?.argument, 'b');
  });

  it('is asked again by the next daemon, whose files have the same numbers', (t) => {
    const h = opened(t);
    const node = nodeOf(h, 'flush');
    assert.equal(flush(h, 10, 'a'), PARKED);
    h.takeOver();
    h.hybrid.addControlFiles(() => '{}');
    assert.equal(nodeOf(h, 'flush'), node);
    assert.equal(flush(h, 10, 'a'), PARKED);
    assert.deepEqual(
      h.asks.map(({ argument }) => argument),
      ['a', 'a'],
    );
  });
});
