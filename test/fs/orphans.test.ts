/** Files that were unlinked while they are open: where their content is, and how much of it there may be. */
import assert from 'node:assert/strict';
import fs, { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT_NODE } from '../../src/fs/contract.ts';
import { Errno } from '../../src/lib/errno.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { openFiles } from '../support/open-files.ts';
import { type Harness, newAttributes } from './harness.ts';
import { harness, read, unlink, write } from './support.ts';

const MIB = 1024 * 1024;
const SLOT = 16_384;
const MARK = Buffer.from('plain text that must not be on the disk; ');

function contentOf(h: Harness, node: number): Buffer {
  const attributes = newAttributes();
  assert.equal(h.fs.getattr(node, attributes), 0);
  const content = Buffer.alloc(attributes.size);
  assert.equal(h.fs.read(node, 0, content.length + 1, content, 0), content.length);
  return content;
}

function put(h: Harness, node: number, at: number, data: Buffer): void {
  assert.equal(h.fs.write(node, at, data, false), data.length);
}

function sizeOf(h: Harness, node: number): number {
  const attributes = newAttributes();
  assert.equal(h.fs.getattr(node, attributes), 0);
  return attributes.size;
}

/** Open and unlinked. */
function unlinked(h: Harness, name: string, content = ''): number {
  const node = write(h, name, content);
  unlink(h, name);
  return node;
}

/** The files of this process that have no name any more, below the cache. */
function spillFiles(h: Harness): string[] {
  const spilled = openFiles('self').filter(({ target }) => target.startsWith(join(h.cachePath, 'tmp')));
  return spilled.map(({ fd }) => fd);
}

function filled(bytes: number): Buffer {
  return Buffer.alloc(bytes, MARK);
}

describe('an unlinked open file', () => {
  it('that was cut before holds no more memory than what is left of it wants', (t) => {
    const h = harness(t);
    const id = write(h, 'cut', 'x');
    for (let i = 0; i < 40; i++) put(h, id, i * MIB, filled(MIB));
    assert.equal(h.fs.setattr(id, { size: 1000 }, newAttributes()), 0);
    unlink(h, 'cut');
    assert.ok(contentOf(h, id).equals(filled(40 * MIB).subarray(0, 1000)));
    const node = h.opened.core.tree.byId(id);
    assert.ok(node?.kind === 'file');
    const bytes = node.orphan?.blocks[0]?.plain?.buffer.byteLength;
    assert.ok(bytes !== undefined && bytes <= MIB, `${bytes}`);
  });

  it('has the time of its last change', (t) => {
    const h = harness(t);
    const node = unlinked(h, 'f', 'begun before');
    const changes: [string, () => unknown][] = [
      ['write', () => h.fs.write(node, 3, Buffer.from('more'), false)],
      ['truncate', () => h.fs.setattr(node, { size: 2 }, newAttributes())],
      ['fallocate', () => h.fs.fallocate(node, 0, 9, false)],
    ];
    for (const [name, change] of changes) {
      h.nowMs += 5000;
      change();
      const attributes = newAttributes();
      h.fs.getattr(node, attributes);
      assert.deepEqual(
        [attributes.mtimeSec, attributes.ctimeSec],
        [Math.floor(h.nowMs / 1000), Math.floor(h.nowMs / 1000)],
        name,
      );
    }
  });

  it('is what a local file would be, whatever is written, cut and extended', (t) => {
    const h = harness(t);
    const node = unlinked(h, 'f', 'begun before');
    const model = { content: Buffer.from('begun before') };
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    let spilled = 0;
    for (let step = 0; step < 300; step++) {
      const at = random(8 * MIB);
      if (step % 7 === 6) {
        const size = step % 70 === 6 ? at : Math.max(0, model.content.length + random(600_000) - 300_000);
        assert.equal(h.fs.setattr(node, { size }, newAttributes()), 0);
        model.content = Buffer.concat([model.content.subarray(0, size)], size);
      } else {
        const data = Buffer.alloc(1 + random(300_000), step);
        put(h, node, at, data);
        if (at + data.length > model.content.length)
          model.content = Buffer.concat([model.content], at + data.length);
        data.copy(model.content, at);
      }
      spilled = Math.max(spilled, spillFiles(h).length);
      if (step % 30 === 29) assert.ok(contentOf(h, node).equals(model.content), `step ${step}`);
    }
    assert.equal(spilled, 1, 'some of it was too much for memory');
  });

  it('lies sealed in a private file without a name once it is too much for memory, until the kernel forgets it', (t) => {
    const h = harness(t);
    const large = write(h, 'large', filled(6 * MIB).toString());
    const grown = unlinked(h, 'grown');
    unlink(h, 'large');
    for (let at = 0; at < 6 * MIB; at += MIB / 8) put(h, grown, at, filled(MIB / 8));
    for (let i = 0; h.fs.hasPending; i++) {
      assert.ok(i < 100, 'time moves it out');
      h.settle();
    }
    const [file, ...more] = spillFiles(h);
    assert.ok(file !== undefined && more.length === 0);
    const { size, mode, nlink } = fs.statSync(file);
    assert.ok(size >= 8 * MIB, `${size} bytes are not in memory`);
    assert.equal(mode & 0o777, 0o600);
    assert.equal(nlink, 0);
    assert.deepEqual(readdirSync(join(h.cachePath, 'tmp')), []);
    assert.ok(!readFileSync(file).includes(MARK.subarray(0, 16)));
    const piece = filled(MIB / 8);
    assert.ok(contentOf(h, grown).equals(Buffer.concat(Array.from({ length: 48 }, () => piece))));
    assert.ok(contentOf(h, large).equals(filled(6 * MIB)));
    for (const node of [large, grown]) h.fs.forget(node, 100);
    assert.deepEqual(spillFiles(h), []);
  });

  it('is refused with EIO where its sealed bytes were changed or swapped', (t) => {
    const h = harness(t);
    const node = unlinked(h, 'f');
    for (let at = 0; at < 6 * MIB; at += MIB / 8) put(h, node, at, Buffer.alloc(MIB / 8, at / MIB));
    const [file = ''] = spillFiles(h);
    const sealed = readFileSync(file);
    const half = Math.floor(sealed.length / 2 / SLOT) * SLOT;
    fs.writeFileSync(file, Buffer.concat([sealed.subarray(half), sealed.subarray(0, half)]));
    assert.equal(h.fs.read(node, 0, 4096, Buffer.alloc(4096), 0), Errno.EIO);
    assert.equal(h.fs.write(node, 100, MARK, false), Errno.EIO);
  });

  it('gets ENOSPC beyond the limit, and keeps what it had; other files go on, and can be removed', (t) => {
    const h = harness(t, { unlinkedLimit: MIB });
    const node = unlinked(h, 'f');
    put(h, node, 0, Buffer.alloc(MIB - 16_384, 1));
    const before = contentOf(h, node);
    assert.equal(h.fs.write(node, MIB - 20_000, Buffer.alloc(60_000, 2), false), Errno.ENOSPC);
    assert.equal(h.fs.write(node, 0, Buffer.alloc(60_000, 2), true), Errno.ENOSPC);
    assert.ok(contentOf(h, node).equals(before));
    assert.ok(h.fs.takeUnlinkedLimitReached(), 'no checkpoint would help');
    assert.ok(!h.fs.takeUnlinkedLimitReached());
    put(h, node, 0, Buffer.alloc(60_000, 3));
    write(h, 'other', 'x');
    unlink(h, 'other');
    const limits = () =>
      h.logs.filter(({ message }) => message.startsWith('Files that were removed while open'));
    assert.equal(limits().length, 1, 'said once');
    assert.equal(h.fs.setattr(node, { size: 0 }, newAttributes()), 0);
    put(h, node, 0, Buffer.alloc(MIB - 16_384, 4));
    assert.equal(h.fs.write(node, MIB, Buffer.alloc(60_000, 5), false), Errno.ENOSPC);
    assert.equal(limits().length, 2, 'and again after there was room');
  });

  it('is not made where its content goes beyond the limit: unlink and rename get ENOSPC and leave the names', (t) => {
    const h = harness(t, { unlinkedLimit: MIB });
    const held = write(h, 'held', filled(1.5 * MIB).toString());
    unlink(h, 'held');
    write(h, 'large', filled(MIB).toString());
    write(h, 'new', 'new');
    assert.equal(h.fs.unlink(ROOT_NODE, 'large'), Errno.ENOSPC);
    assert.equal(h.fs.rename(ROOT_NODE, 'new', ROOT_NODE, 'large', 0), Errno.ENOSPC);
    assert.equal(read(h, 'new'), 'new');
    assert.equal(read(h, 'large').length, MIB);
    h.fs.forget(held, 100);
    assert.equal(h.fs.rename(ROOT_NODE, 'new', ROOT_NODE, 'large', 0), 0);
    assert.equal(read(h, 'large'), 'new');
  });

  it('keeps what it had where the disk takes no more, and gets ENOSPC', (t) => {
    const h = harness(t);
    const node = unlinked(h, 'f');
    const piece = Buffer.alloc(MIB / 4, 1);
    for (let at = 0; at < 4 * MIB; at += piece.length) put(h, node, at, piece);
    const { mock } = t.mock.method(fs, 'writeSync', () => {
      throw systemError('ENOSPC', 'write', 'injected');
    });
    assert.equal(h.fs.write(node, 4 * MIB, piece, false), Errno.ENOSPC);
    assert.ok(!h.fs.takeUnlinkedLimitReached(), 'a checkpoint may help');
    assert.equal(h.fs.write(node, 0, Buffer.alloc(10, 2), false), 10, 'what memory has room for goes on');
    assert.equal(sizeOf(h, node), 4 * MIB);
    mock.restore();
    put(h, node, 4 * MIB, piece);
    const content = contentOf(h, node);
    assert.deepEqual([content.length, content[9], content[10]], [4.25 * MIB, 2, 1]);
  });

  it('is gone with the daemon: the next one never takes another file for it', (t) => {
    const h = harness(t);
    const node = unlinked(h, 'f', 'secret');
    h.fs.write(node, 6, Buffer.alloc(6 * MIB), false);
    write(h, 'f', 'another');
    h.takeOver();
    const out = Buffer.alloc(100);
    assert.equal(h.fs.read(node, 0, 100, out, 0), Errno.ESTALE);
    assert.equal(h.fs.write(node, 0, MARK, false), Errno.ESTALE);
    assert.deepEqual(readdirSync(join(h.cachePath, 'tmp')), []);
    assert.equal(read(h, 'f'), 'another');
  });
});
