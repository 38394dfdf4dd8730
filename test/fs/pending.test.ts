/** Files in the making, whose bytes only the journal has, when the journal goes on in another segment. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT_NODE } from '../../src/fs/contract.ts';
import { syncFileOperations } from '../../src/lib/file-operations.ts';
import type { Harness } from './harness.ts';
import { find, harness, mkdir, read, write } from './support.ts';

const OLD = '{"version":1}';
const NEW = '{"version":2,"filler":"0123456789"}';
const HALF = NEW.slice(0, 20);
const REST = NEW.slice(20);

/** One of each kind: plain, held back over an old version, held back and never published. */
function begin(h: Harness): Record<'plain' | 'held' | 'hidden', number> {
  mkdir(h, 'u-+1');
  write(h, 'u-+1/creds.json', OLD);
  return {
    plain: write(h, 'u-+1/notes.txt', 'some text'),
    held: write(h, 'u-+1/creds.json', HALF),
    hidden: write(h, 'u-+1/pre-key-1.json', HALF),
  };
}

function fillSegments(h: Harness): void {
  for (let i = 0; i < 30; i++) {
    write(h, 'u-+1/other.json', JSON.stringify({ i, filler: 'x'.repeat(300) }));
    h.fs.takeClosedSegment();
  }
}

function completed(h: Harness, nodes: ReturnType<typeof begin>): void {
  assert.equal(read(h, 'u-+1/notes.txt'), 'some text');
  assert.equal(read(h, 'u-+1/creds.json'), OLD);
  assert.equal(read(h, 'u-+1/pre-key-1.json'), 'no such file');
  assert.equal(h.fs.write(nodes.held, HALF.length, Buffer.from(REST), false), REST.length);
  assert.equal(h.fs.write(nodes.hidden, HALF.length, Buffer.from(REST), false), REST.length);
  assert.equal(read(h, 'u-+1/creds.json'), NEW);
  assert.equal(read(h, 'u-+1/pre-key-1.json'), NEW);
}

describe('working copies when the journal goes on in another segment', () => {
  it('are there for the next daemon after the segments that had them went to the cache, gated ones too', async (t) => {
    const h = harness(t, { segmentBytes: 2000 });
    const nodes = begin(h);
    fillSegments(h);
    await h.checkpoint();
    const first = readdirSync(join(h.cachePath, 'journal')).sort()[0];
    assert.notEqual(first, '0000000001.log', 'the segment they began in is gone');
    h.takeOver();
    completed(h, nodes);
  });

  it('are there after one checkpoint on each daemon of a row', async (t) => {
    const h = harness(t, { segmentBytes: 2000 });
    const nodes = begin(h);
    for (let daemon = 0; daemon < 3; daemon++) {
      fillSegments(h);
      await h.checkpoint();
      h.takeOver();
    }
    completed(h, nodes);
  });

  it('of a new mount: what was never published stays out of sight, and goes when it rests', async (t) => {
    const h = harness(t, { segmentBytes: 2000 });
    begin(h);
    fillSegments(h);
    await h.checkpoint();
    h.restart();
    assert.equal(read(h, 'u-+1/creds.json'), OLD);
    assert.equal(read(h, 'u-+1/pre-key-1.json'), 'no such file');
    h.settle();
    await h.checkpoint();
    h.restart();
    assert.equal(read(h, 'u-+1/notes.txt'), 'some text');
    assert.equal(read(h, 'u-+1/creds.json'), OLD);
    assert.equal(h.fs.hasPending, false);
  });
});

describe('a version that is shorter than the one before it', () => {
  it('has nothing of that behind it in the next daemon', async (t) => {
    const h = harness(t);
    write(h, 'a.json', NEW);
    write(h, 'notes.txt', 'a longer text');
    const node = write(h, 'a.json', '{"a":');
    h.fs.fsync(write(h, 'notes.txt', 'text'));
    write(h, 'notes.txt', 'x');
    await h.checkpoint();
    h.takeOver();
    assert.equal(read(h, 'notes.txt'), 'x');
    assert.equal(h.fs.write(node, 5, Buffer.from('1}'), false), 2);
    assert.equal(read(h, 'a.json'), '{"a":1}');
  });
});

describe('what a roll has closed', () => {
  it('is not told while unfinished files cannot be repeated', (t) => {
    const h = harness(t);
    write(h, 'a.json', '{"a":1}');
    h.fs.rollJournal();
    assert.equal(h.fs.takeClosedSegment(), 1);
    write(h, 'a.json', '{"a":');
    h.fs.rollJournal();
    h.fs.suspend(true);
    assert.equal(h.fs.takeClosedSegment(), undefined);
    assert.equal(h.fs.closedSegment, 1);
    h.fs.suspend(false);
    assert.equal(h.fs.takeClosedSegment(), 2);
    assert.equal(h.fs.closedSegment, 2);
  });

  it('is told although repeating them closes segments as well, which follow', async (t) => {
    const h = harness(t, { segmentBytes: 4096 });
    const begun = `{"a":"${'x'.repeat(3000)}`;
    const names = ['a.json', 'b.json', 'c.json'];
    const nodes = names.map((name) => write(h, name, begun));
    h.fs.takeClosedSegment();
    h.fs.rollJournal();
    const { segment } = h.progress;
    assert.equal(h.fs.takeClosedSegment(), segment);
    assert.ok(h.progress.segment > segment + 1, 'no segment was filled');
    await h.checkpoint();
    h.takeOver();
    for (const node of nodes) assert.equal(h.fs.write(node, begun.length, Buffer.from('"}'), false), 2);
    for (const name of names) assert.equal(read(h, name), `${begun}"}`);
  });
});

describe('a rename of a folder', () => {
  it('takes along what is being written in it in one record: a disk that is full after it changes nothing', async (t) => {
    const h = harness(t);
    const nodes = begin(h);
    let records = 0;
    const { write: append } = syncFileOperations;
    h.crash();
    h.takeOver({
      journalFiles: {
        ...syncFileOperations,
        write: (...given) => {
          records++;
          return append(...given);
        },
      },
    });
    const before = records;
    assert.equal(h.fs.rename(ROOT_NODE, 'u-+1', ROOT_NODE, 'u-+2', 0), 0);
    assert.equal(records, before + 1);
    h.takeOver();
    assert.equal(h.fs.write(nodes.hidden, HALF.length, Buffer.from(REST), false), REST.length);
    assert.equal(h.fs.write(nodes.held, HALF.length, Buffer.from(REST), false), REST.length);
    assert.equal(read(h, 'u-+2/creds.json'), NEW);
    assert.equal(read(h, 'u-+2/pre-key-1.json'), NEW);
  });
});

describe('an exchange of two folders', () => {
  const EXCHANGE = 2;
  const names = (h: Harness, folder: string) => {
    const found: string[] = [];
    h.fs.readdir(find(h, folder), 0, ({ name }) => found.push(name) > 0);
    return found.sort();
  };

  it('takes along what is being written in them: the next daemon finds it there, and nothing where it was', async (t) => {
    const h = harness(t);
    const nodes = begin(h);
    mkdir(h, 'u-+2');
    assert.equal(h.fs.rename(ROOT_NODE, 'u-+2', ROOT_NODE, 'u-+1', EXCHANGE), 0);
    // Of the same name as one that was begun and is not published.
    const other = write(h, 'u-+1/pre-key-1.json', '{"a":1');
    h.takeOver();
    assert.deepEqual(names(h, 'u-+1'), []);
    assert.deepEqual(names(h, 'u-+2'), ['creds.json', 'notes.txt']);
    assert.equal(read(h, 'u-+2/notes.txt'), 'some text');
    assert.equal(h.fs.write(nodes.held, HALF.length, Buffer.from(REST), false), REST.length);
    assert.equal(h.fs.write(nodes.hidden, HALF.length, Buffer.from(REST), false), REST.length);
    assert.equal(h.fs.write(other, 6, Buffer.from('}'), false), 1);
    assert.equal(read(h, 'u-+2/creds.json'), NEW);
    assert.equal(read(h, 'u-+2/pre-key-1.json'), NEW);
    assert.equal(read(h, 'u-+1/pre-key-1.json'), '{"a":1}');
    await h.checkpoint();
    h.restart();
    assert.deepEqual(names(h, 'u-+1'), ['pre-key-1.json']);
    assert.deepEqual(names(h, 'u-+2'), ['creds.json', 'notes.txt', 'pre-key-1.json']);
  });
});

describe('what a write costs', () => {
  const PIECE = Buffer.alloc(16 * 1024, 'x');
  const PIECES = 64;
  const appended = (h: Harness) => h.opened.journal.appendedBytes;

  function writePieces(h: Harness, path: string): number {
    const node = write(h, path, '');
    for (let i = 0; i < PIECES; i++) {
      assert.equal(h.fs.write(node, i * PIECE.length, PIECE, false), PIECE.length);
      h.fs.takeClosedSegment();
    }
    return node;
  }

  it('is its own bytes, and once more those of the file: however many segments the file is larger than', (t) => {
    for (const path of ['database', 'large.json']) {
      const h = harness(t, { segmentBytes: 64 * 1024 });
      writePieces(h, path);
      const ratio = appended(h) / (PIECES * PIECE.length);
      assert.ok(ratio < 2.5, `${path}: ${ratio} bytes appended for each byte written`);
    }
  });

  it('does not grow with the file, when each write is synced', (t) => {
    const h = harness(t, { segmentBytes: 64 * 1024 });
    const node = writePieces(h, 'database');
    h.settle();
    const before = appended(h);
    const writes = 4 * PIECES;
    for (let i = 0; i < writes; i++) {
      assert.equal(h.fs.write(node, (i % PIECES) * PIECE.length, PIECE, false), PIECE.length);
      assert.equal(h.fs.fsync(node), 0);
      h.fs.takeClosedSegment();
    }
    const ratio = (appended(h) - before) / (writes * PIECE.length);
    assert.ok(ratio < 3.5, `${ratio} bytes appended for each byte written`);
  });

  it('of what lies beside a database is its own bytes: an fsync does not seal it whole, for it is written over soon', (t) => {
    for (const path of ['state.db-wal', 'state.db-journal']) {
      const h = harness(t);
      const node = writePieces(h, path);
      assert.equal(h.fs.fsync(node), 0);
      const ratio = appended(h) / (PIECES * PIECE.length);
      assert.ok(ratio < 1.5, `${path}: ${ratio} bytes appended for each byte written`);
    }
  });

  it('is all that a new daemon needs: what was synced and not committed is there', async (t) => {
    const h = harness(t, { segmentBytes: 64 * 1024 });
    const node = writePieces(h, 'database');
    h.settle();
    assert.equal(h.fs.write(node, 5, Buffer.from('page'), false), 4);
    assert.equal(h.fs.fsync(node), 0);
    h.fs.rollJournal();
    await h.checkpoint();
    h.restart();
    assert.equal(read(h, 'database').slice(0, 12), 'xxxxxpagexxx');
  });

  it('of a file that never rests: it is committed every few seconds, since only that is backed up', (t) => {
    const h = harness(t);
    const node = writePieces(h, 'database');
    h.settle();
    for (let tenth = 0; tenth < 80; tenth++) {
      assert.equal(h.fs.write(node, tenth, Buffer.from('y'), false), 1);
      h.nowMs += 100;
      h.fs.settleIdle();
      if (!h.fs.hasPending) return;
    }
    assert.fail('it was never committed');
  });
});
