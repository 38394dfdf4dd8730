import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ROOT_NODE } from '../../src/fs/contract.ts';
import { CALLER, type Harness, newEntry } from './harness.ts';
import { harness, unlink, write } from './support.ts';

interface Page {
  names: string[];
  offsets: number[];
}

/** One READDIR with room for so many entries. */
function page(h: Harness, offset: number, room: number): Page {
  const names: string[] = [];
  const offsets: number[] = [];
  h.fs.readdir(ROOT_NODE, offset, ({ name, nextOffset }) => {
    if (names.length === room) return false;
    names.push(name);
    offsets.push(nextOffset);
    return true;
  });
  return { names, offsets };
}

function fill(h: Harness, count: number): string[] {
  const names = Array.from({ length: count }, (_, i) => `f${i}`);
  for (const name of names) write(h, name);
  return names;
}

describe('a listing in pages', () => {
  it('goes on behind any entry that it has shown, in any order, as often as asked', (t) => {
    const h = harness(t);
    const names = fill(h, 20);
    const whole = page(h, 0, 100);
    assert.deepEqual(whole.names, names);
    for (const at of [3, 11, 3, 0, 18, 7]) {
      const rest = page(h, whole.offsets[at] as number, 4);
      assert.deepEqual(rest.names, names.slice(at + 1, at + 5), `behind entry ${at}`);
    }
    assert.deepEqual(page(h, whole.offsets[19] as number, 4).names, []);
  });

  it('shows from its first page on what was renamed into the folder, whatever was listed before', (t) => {
    const h = harness(t);
    write(h, 'old');
    const entry = newEntry();
    assert.equal(h.fs.mkdir(ROOT_NODE, 'd', 0o700, CALLER, entry), 0);
    const folder = entry.nodeId;
    write(h, 'd/new');
    const names = (): string[] => {
      const shown: string[] = [];
      h.fs.readdir(folder, 0, ({ name }) => shown.push(name) > 0);
      return shown;
    };
    assert.deepEqual(names(), ['new']);
    assert.equal(h.fs.rename(ROOT_NODE, 'old', folder, 'old', 0), 0);
    assert.deepEqual(names(), ['old', 'new']);
  });

  it('shows once each what was there all the time, when the entry at which it goes on is removed', (t) => {
    for (const gone of ['the last one shown', 'the next one'] as const) {
      const h = harness(t);
      const names = fill(h, 9);
      const first = page(h, 0, 4);
      unlink(h, gone === 'the next one' ? 'f4' : 'f3');
      const second = page(h, first.offsets.at(-1) as number, 100);
      const expected = gone === 'the next one' ? names.slice(5) : names.slice(4);
      assert.deepEqual(second.names, expected, gone);
    }
  });

  it('neither repeats nor skips while everything shown is removed behind it and new names come', (t) => {
    const h = harness(t);
    const names = fill(h, 30);
    const shown: string[] = [];
    for (let offset = 0; ; ) {
      const { names: next, offsets } = page(h, offset, 3);
      if (next.length === 0) break;
      shown.push(...next);
      offset = offsets.at(-1) as number;
      for (const name of next) unlink(h, name);
      if (shown.length < 15) write(h, `new-${shown.length}`);
    }
    assert.deepEqual(
      shown.filter((name) => !name.startsWith('new')),
      names,
    );
    assert.equal(new Set(shown).size, shown.length);
  });

  it('shows a name again that was removed and made anew behind its offset, as another file', (t) => {
    const h = harness(t);
    fill(h, 3);
    const { offsets } = page(h, 0, 2);
    unlink(h, 'f0');
    write(h, 'f0');
    assert.deepEqual(page(h, offsets.at(-1) as number, 100).names, ['f2', 'f0']);
  });
});

describe('a listing that another daemon goes on with', () => {
  it('neither repeats nor skips a name, whatever lies in the cache and what in the journal', async (t) => {
    for (const checkpointed of [false, true]) {
      const h = harness(t);
      // Created in another order than names sort in.
      const names = Array.from({ length: 60 }, (_, i) => `f${(i * 37) % 60}.json`);
      for (const name of names) write(h, name, '{"a":1}');
      if (checkpointed) await h.checkpoint();
      for (const name of names.slice(20, 30)) write(h, name, '{"a":2}');
      const shown: string[] = [];
      for (let offset = 0; ; h.takeOver()) {
        const { names: more, offsets } = page(h, offset, 7);
        if (more.length === 0) break;
        shown.push(...more);
        offset = offsets.at(-1) as number;
      }
      assert.deepEqual(shown.sort(), names.sort());
    }
  });

  it('of files that an earlier mount made, too', async (t) => {
    const h = harness(t);
    const names = fill(h, 40);
    await h.checkpoint();
    h.restart();
    const first = page(h, 0, 11);
    h.takeOver();
    const rest = page(h, first.offsets.at(-1) as number, 100);
    assert.deepEqual([...first.names, ...rest.names].sort(), names.sort());
  });
});
