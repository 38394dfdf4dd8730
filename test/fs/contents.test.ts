import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Errno } from '../../src/lib/errno.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { newAttributes } from './harness.ts';
import { find, harness, mkdir, read, write } from './support.ts';

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
    const node = find(h, 'creds.json');
    assert.equal(h.fs.getattr(node, attributes), 0);
    assert.ok(attributes.size > 0, 'a reader must ask, and not take it for empty');
    assert.equal(attributes.attributesValidMs, 0, 'the kernel does not keep what is not known');
    cache.readHeaderSync = readHeaderSync;
    assert.equal(h.fs.getattr(node, attributes), 0);
    assert.equal(attributes.size, document(1).length);
    assert.equal(read(h, 'creds.json'), document(1));
  });
});
