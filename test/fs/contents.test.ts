import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext, test } from 'node:test';
import { ROOT_NODE } from '../../src/fs/contract.ts';
import { Errno } from '../../src/lib/errno.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { type Harness, newAttributes, newEntry } from './harness.ts';
import { find, harness, mkdir, read, unlink, write } from './support.ts';

const MIB = 2 ** 20;
const document = (version: number) => JSON.stringify({ version, filler: 'x'.repeat(400) });

describe('contents that do not fit into memory', () => {
  it('are read again from the journal, and from the cache once a checkpoint moved them', async (t) => {
    const h = harness(t, { memoryLimit: 2000, segmentBytes: 3000 });
    const files = 40;
    for (let i = 0; i < files; i++) write(h, `f${i}.json`, document(i));
    const readAll = () => Array.from({ length: files }, (_, i) => read(h, `f${i}.json`));
    const expected = Array.from({ length: files }, (_, i) => document(i));
    assert.deepEqual(readAll(), expected, 'from the journal');
    await h.checkpoint();
    assert.deepEqual(readdirSync(join(h.cachePath, 'journal')).length <= 1, true);
    assert.deepEqual(readAll(), expected, 'from the cache');
    write(h, 'f0.json', document(99));
    assert.equal(read(h, 'f1.json'), document(1));
    assert.equal(read(h, 'f0.json'), document(99), 'the newer one, in the journal again');
  });

  it('an evicted file that is overwritten while a checkpoint moves the version before shows the new one', async (t) => {
    const h = harness(t, { memoryLimit: 1 });
    write(h, 'creds.json', document(1));
    const moved = h.checkpoint();
    write(h, 'creds.json', document(2));
    await moved;
    assert.equal(read(h, 'creds.json'), document(2));
    h.restart();
    assert.equal(read(h, 'creds.json'), document(2));
  });
});

describe('a file that is larger than the memory for contents', () => {
  const PATH = 'u-+1/app.sqlite';
  const block = (h: Harness, at: number) => {
    const out = Buffer.alloc(4096);
    const length = h.fs.read(find(h, PATH), at, out.length, out, 0);
    return length < 0 ? length : out.readUInt32LE(0);
  };
  const withLargeFile = async (t: TestContext) => {
    const h = harness(t, { memoryLimit: 1.5 * MIB });
    mkdir(h, 'u-+1');
    const content = Buffer.alloc(2 * MIB);
    for (let at = 0; at < content.length; at += 4096) content.writeUInt32LE(at, at);
    write(h, PATH, content);
    h.settle();
    await h.checkpoint();
    return h;
  };
  const damage = (h: Harness) => writeFileSync(join(h.cachePath, 'sessions/u/+1/app.sqlite'), 'damaged');

  it('is opened once while it is read, and leaves memory after a rest', async (t) => {
    const h = await withLargeFile(t);
    h.settle();
    assert.equal(block(h, 0), 0);
    assert.equal(h.fs.hasPending, true, 'a rest is waited for');
    damage(h);
    h.nowMs += 9_999;
    h.fs.settleIdle();
    assert.equal(block(h, MIB), MIB, 'not opened again');
    h.nowMs += 9_999;
    h.fs.settleIdle();
    assert.equal(block(h, 4096), 4096, 'each read counts');
    h.nowMs += 10_000;
    h.fs.settleIdle();
    assert.equal(h.fs.hasPending, false);
    assert.equal(block(h, 4096), Errno.EIO, 'opened again');
  });

  it('makes room for the next one, and is never shown for a newer version', async (t) => {
    const h = await withLargeFile(t);
    assert.equal(block(h, 4096), 4096);
    const changed = Buffer.alloc(4096, 7);
    assert.equal(h.fs.write(find(h, PATH), 4096, changed, false), changed.length);
    assert.equal(block(h, 4096), 0x07070707);
    h.settle();
    assert.equal(block(h, 4096), 0x07070707);
    write(h, 'u-+1/other.sqlite', Buffer.alloc(2 * MIB, 1));
    h.settle();
    await h.checkpoint();
    damage(h);
    assert.equal(block(h, 4096), Errno.EIO);
  });
});

describe('a segment that a checkpoint has done with', () => {
  it('is read from the cache when it goes between the look at it and the reading', async (t) => {
    const h = harness(t, { memoryLimit: 1 });
    write(h, 'creds.json', document(1));
    await h.checkpoint();
    const { contents } = h.opened.core;
    const isInJournal = contents.isInJournal.bind(contents);
    let looks = 0;
    contents.isInJournal = (node) => looks++ === 0 || isInJournal(node);
    assert.equal(read(h, 'creds.json'), document(1));
    assert.ok(looks > 1);
  });
});

describe('a file that does not open', () => {
  it('is kept in set-aside when it is overwritten, byte for byte, and only once', async (t) => {
    const h = harness(t);
    mkdir(h, 'u-+1');
    write(h, 'u-+1/creds.json', document(1));
    await h.checkpoint();
    const file = join(h.cachePath, 'sessions/u/+1/creds.json');
    const damaged = readFileSync(file);
    damaged[100] = (damaged[100] as number) ^ 1;
    writeFileSync(file, damaged);
    h.restart();
    assert.equal(read(h, 'u-+1/creds.json'), 'error -5');
    write(h, 'u-+1/creds.json', document(2));
    assert.equal(read(h, 'u-+1/creds.json'), document(2), 'the new version');
    write(h, 'u-+1/creds.json', document(3));
    h.restart();
    await h.checkpoint();
    await h.checkpoint();
    const kept = readdirSync(join(h.cachePath, 'set-aside'));
    assert.equal(kept.length, 1);
    assert.deepEqual(readFileSync(join(h.cachePath, 'set-aside', kept[0] as string)), damaged);
    h.restart();
    assert.equal(read(h, 'u-+1/creds.json'), document(3));
    assert.notEqual(find(h, 'u-+1/creds.json'), 0);
  });
});

describe('a file that does not open, and that another one is renamed over', () => {
  it('is kept in set-aside as well', async (t) => {
    const h = harness(t);
    mkdir(h, 'u-+1');
    write(h, 'u-+1/creds.json', document(1));
    await h.checkpoint();
    const file = join(h.cachePath, 'sessions/u/+1/creds.json');
    const damaged = readFileSync(file);
    damaged[100] = (damaged[100] as number) ^ 1;
    writeFileSync(file, damaged);
    h.restart();
    write(h, 'u-+1/creds.json.tmp', document(2));
    const folder = find(h, 'u-+1');
    assert.equal(h.fs.rename(folder, 'creds.json.tmp', folder, 'creds.json', 0), 0);
    assert.equal(read(h, 'u-+1/creds.json'), document(2));
    await h.checkpoint();
    const kept = readdirSync(join(h.cachePath, 'set-aside'));
    assert.equal(kept.length, 1);
    assert.deepEqual(readFileSync(join(h.cachePath, 'set-aside', kept[0] as string)), damaged);
  });
});

describe('a read error of the disk', () => {
  it('fails one call, and the next one reads again', async (t) => {
    const h = harness(t, { memoryLimit: 1 });
    write(h, 'creds.json', document(1));
    await h.checkpoint();
    const { cache } = h.opened.core;
    const failing = () => {
      throw systemError('EIO', 'read', 'injected');
    };
    const { readSync } = cache;
    cache.readSync = failing;
    for (let i = 0; i < 3; i++) assert.equal(read(h, 'creds.json'), `error ${Errno.EIO}`);
    assert.equal(h.logs.length, 1, 'told once');
    cache.readSync = readSync;
    assert.equal(read(h, 'creds.json'), document(1));
  });

  it('of a header is not remembered either', async (t) => {
    const h = harness(t);
    write(h, 'creds.json', document(1));
    await h.checkpoint();
    h.restart();
    const { cache } = h.opened.core;
    const { readHeaderSync } = cache;
    cache.readHeaderSync = () => {
      throw systemError('EIO', 'read', 'injected');
    };
    const attributes = newAttributes();
    const entry = newEntry();
    assert.equal(h.fs.lookup(ROOT_NODE, 'creds.json', entry), 0, 'its name can be removed');
    assert.ok(entry.size > 0, 'a reader must ask, and not take it for empty');
    assert.equal(entry.attributesValidMs, 0, 'the kernel does not keep what is not known');
    const node = entry.nodeId;
    assert.equal(h.fs.getattr(node, attributes), Errno.EIO);
    cache.readHeaderSync = readHeaderSync;
    assert.equal(h.fs.getattr(node, attributes), 0);
    assert.equal(attributes.size, document(1).length);
    assert.equal(read(h, 'creds.json'), document(1));
  });
});

describe('a file that the disk does not give', () => {
  const JSON_NEW = Buffer.from('{"version":9}');

  /** In the cache with a mode of its own, and known to the next daemon by its name only. */
  async function inherited(
    t: TestContext,
  ): Promise<{ h: Harness; node: number; fail: (fails: boolean) => void }> {
    const h = harness(t, { memoryLimit: 1 });
    mkdir(h, 's');
    const node = write(h, 's/creds.json', document(1));
    assert.equal(h.fs.setattr(node, { mode: 0o640 }, newAttributes()), 0);
    await h.checkpoint();
    h.takeOver();
    const { cache } = h.opened.core;
    const { readSync, readHeaderSync } = cache;
    const failing = () => {
      throw systemError('EIO', 'read', 'injected');
    };
    return {
      h,
      node,
      fail: (fails) =>
        Object.assign(
          cache,
          fails ? { readSync: failing, readHeaderSync: failing } : { readSync, readHeaderSync },
        ),
    };
  }

  const contentOf = (h: Harness, node: number) => {
    const out = Buffer.alloc(1000);
    const length = h.fs.read(node, 0, out.length, out, 0);
    return length < 0 ? `error ${length}` : out.toString('utf8', 0, length);
  };

  it('is changed by no call that would seal it with attributes that are not its own', async (t) => {
    const { h, node, fail } = await inherited(t);
    const calls: Record<string, () => number> = {
      'a write of a whole one': () => h.fs.write(node, 0, Buffer.from(document(2)), false),
      'a truncation': () => h.fs.setattr(node, { size: 0 }, newAttributes()),
      'a chmod': () => h.fs.setattr(node, { mode: 0o600 }, newAttributes()),
      'a rename': () => h.fs.rename(find(h, 's'), 'creds.json', find(h, 's'), 'x.json', 0),
      'a rename of its folder': () => h.fs.rename(ROOT_NODE, 's', ROOT_NODE, 'z', 0),
    };
    fail(true);
    for (const [name, call] of Object.entries(calls)) assert.equal(call(), Errno.EIO, name);
    fail(false);
    assert.equal(read(h, 's/creds.json'), document(1));
    const attributes = newAttributes();
    assert.equal(h.fs.getattr(node, attributes), 0);
    assert.equal(attributes.mode & 0o777, 0o640);
  });

  it('is never taken for empty, nor for another file, by those who have it open when it is unlinked', async (t) => {
    const { h, node, fail } = await inherited(t);
    write(h, 'creds.json', document(7));
    await h.checkpoint();
    fail(true);
    unlink(h, 's/creds.json');
    fail(false);
    const calls: Record<string, () => number | string> = {
      'a read': () => contentOf(h, node),
      'a stat': () => `error ${h.fs.getattr(node, newAttributes())}`,
      'a write': () => `error ${h.fs.write(node, 0, JSON_NEW, false)}`,
      'an append': () => `error ${h.fs.write(node, 0, JSON_NEW, true)}`,
      'a truncation': () => `error ${h.fs.setattr(node, { size: 3 }, newAttributes())}`,
    };
    for (const [name, call] of Object.entries(calls)) assert.equal(call(), `error ${Errno.EIO}`, name);
    assert.equal(read(h, 's/creds.json'), 'no such file');
    assert.equal(read(h, 'creds.json'), document(7));
  });

  it('goes on as an empty one when it is truncated after that, if its attributes are known', async (t) => {
    const { h, node, fail } = await inherited(t);
    assert.equal(h.fs.getattr(node, newAttributes()), 0);
    fail(true);
    unlink(h, 's/creds.json');
    fail(false);
    assert.equal(h.fs.write(node, 0, JSON_NEW, false), Errno.EIO);
    assert.equal(h.fs.setattr(node, { size: 0 }, newAttributes()), 0);
    assert.equal(h.fs.write(node, 0, JSON_NEW, false), JSON_NEW.length);
    assert.equal(contentOf(h, node), JSON_NEW.toString());
  });
});

describe('a file that another daemon knew', () => {
  for (const how of ['unlinked', 'replaced'] as const)
    it(`keeps its own attributes when it is ${how} before any call asked for them`, async (t) => {
      const h = harness(t);
      mkdir(h, 's');
      const node = write(h, 's/notes.txt', 'one');
      assert.equal(h.fs.setattr(node, { mode: 0o400 }, newAttributes()), 0);
      write(h, 'notes.txt', 'of the same name at the top');
      write(h, 's/other.txt', 'two');
      h.settle();
      await h.checkpoint();
      h.takeOver();
      if (how === 'unlinked') unlink(h, 's/notes.txt');
      else assert.equal(h.fs.rename(find(h, 's'), 'other.txt', find(h, 's'), 'notes.txt', 0), 0);
      await h.checkpoint();
      const attributes = newAttributes();
      assert.equal(h.fs.getattr(node, attributes), 0);
      assert.equal(attributes.mode & 0o777, 0o400);
      assert.equal(attributes.size, 3);
      assert.equal(h.fs.write(node, 0, Buffer.from('!'), true), 1);
    });
});

test('a large file that was cut holds no more memory than twice what is left of it', (t) => {
  const h = harness(t);
  const { core } = h.opened;
  for (const [cut, most] of [
    [30, 60],
    [3, 6],
  ] as const) {
    const id = write(h, `cut-${cut}`, 'x');
    for (let i = 0; i < 40; i++) h.fs.write(id, i * MIB, Buffer.alloc(MIB, i), false);
    assert.equal(h.fs.setattr(id, { size: cut * MIB }, newAttributes()), 0);
    assert.equal(h.fs.fsync(id), 0);
    const node = core.tree.byId(id);
    assert.ok(node?.kind === 'file');
    const content = core.contents.peek(node);
    assert.equal(content?.length, cut * MIB);
    assert.ok(content.buffer.byteLength <= most * MIB);
  }
});
