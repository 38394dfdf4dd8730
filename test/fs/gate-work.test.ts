/** What one writer makes the core do is in proportion to what it writes: everybody else waits meanwhile. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { JsonScanner } from '../../src/fs/model/json-gate.ts';
import { Records } from '../../src/fs/state/records.ts';
import type { Harness } from './harness.ts';
import { harness, read, write } from './support.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const PIECE = 4 * KiB;
/** A look at all of a document of 1 or 2 MiB at each of them is several times what the tests allow. */
const CHANGES = 60;

interface Work {
  scanned: number;
  parsed: number;
  sealed: number;
}

/** Counts the bytes that the core looks at while `act` runs. Mocks would keep them all. */
function count(act: (work: Work) => void): void {
  const work: Work = { scanned: 0, parsed: 0, sealed: 0 };
  const { feed } = JsonScanner.prototype;
  const { parse } = JSON;
  const { put } = Records.prototype;
  JsonScanner.prototype.feed = function (data) {
    const scanned = feed.call(this, data);
    work.scanned += scanned;
    return scanned;
  };
  JSON.parse = (text: string) => {
    work.parsed += text.length;
    return parse(text);
  };
  Records.prototype.put = function (...given) {
    work.sealed += given[2].length;
    return put.apply(this, given);
  };
  try {
    act(work);
  } finally {
    JsonScanner.prototype.feed = feed;
    JSON.parse = parse;
    Records.prototype.put = put;
  }
}

function writeAt(h: Harness, node: number, offset: number, data: Buffer): void {
  assert.equal(h.fs.write(node, offset, data, false), data.length);
  h.fs.takeClosedSegment();
}

/** `line` again and again, in pieces of 4 KiB, from `offset` on. Returns where it ends. */
function writeLines(h: Harness, node: number, offset: number, line: string, bytes: number): number {
  const piece = Buffer.from(line.repeat(PIECE / line.length));
  let at = offset;
  for (; at < offset + bytes; at += piece.length) writeAt(h, node, at, piece);
  return at;
}

describe('the work of the gate', () => {
  it('is in proportion to what is written, for closed lines of which one is invalid', (t) => {
    const firsts = [['{"a" 1}\n'], ['{"a"', ' 1}\n'], ['{"a"', ':1\n}\n{"b":2}\n']];
    for (const pieces of firsts) {
      const h = harness(t);
      const node = write(h, 'a.json');
      count((work) => {
        let bytes = 0;
        for (const piece of pieces) {
          writeAt(h, node, bytes, Buffer.from(piece));
          bytes += piece.length;
        }
        bytes = writeLines(h, node, bytes, '{"a":1}\n', 2 * MiB);
        assert.ok(work.scanned + work.parsed <= 2 * bytes, `${pieces}: ${JSON.stringify(work)}`);
        assert.ok(work.sealed < 100, `${pieces}: ${JSON.stringify(work)}`);
      });
    }
  });

  it('is bounded for a document that is complete after each of many pieces, and the last of them is published', (t) => {
    const h = harness(t);
    const node = write(h, 'a.json');
    let bytes = 0;
    count((work) => {
      bytes = writeLines(h, node, 0, '{"a":1}\n', 960 * KiB);
      for (let i = 0; i < 300; i++, bytes += 8) writeAt(h, node, bytes, Buffer.from('{"b":1}\n'));
      assert.ok(work.scanned + work.parsed <= 540 * 64 * KiB + 20 * MiB, JSON.stringify(work));
      assert.ok(work.sealed <= 30 * MiB, JSON.stringify(work));
    });
    h.nowMs += 1_000;
    h.fs.settleIdle();
    assert.equal(read(h, 'a.json').length, bytes);
  });

  it('is bounded for changes in the middle of a long document, whether they leave it complete or not', (t) => {
    for (const poke of ['2', '"', ' 2 3 ']) {
      const h = harness(t);
      const node = write(h, 'a.json');
      writeAt(h, node, 0, Buffer.from('[1'));
      const end = writeLines(h, node, 2, ',1      ', 2 * MiB);
      writeAt(h, node, end, Buffer.from(']'));
      count((work) => {
        for (let i = 0; i < CHANGES; i++) writeAt(h, node, end - PIECE * (i + 1), Buffer.from(poke));
        assert.ok(
          work.scanned + work.parsed <= CHANGES * 64 * KiB + 20 * MiB,
          `${poke}: ${JSON.stringify(work)}`,
        );
        assert.ok(work.sealed <= 20 * MiB, `${poke}: ${JSON.stringify(work)}`);
      });
    }
  });

  it('is bounded for changes at the end of what is no JSON', (t) => {
    const h = harness(t);
    const node = write(h, 'a.json');
    const end = writeLines(h, node, 0, 'no JSON ', 1 * MiB);
    count((work) => {
      for (let i = 0; i < CHANGES; i++) writeAt(h, node, end - 8 * (i + 1), Buffer.from('other   '));
      assert.ok(work.scanned + work.parsed <= CHANGES * 64 * KiB, JSON.stringify(work));
    });
    assert.equal(read(h, 'a.json').slice(-8), 'other   ', 'each is visible at once');
  });
});

describe('a long document that was changed too often to be looked at each time', () => {
  const LINE = '{"a":1}\n';
  /** Leaves a file that readers see without its last line. */
  function exhausted(t: TestContext): { h: Harness; node: number; end: number } {
    const h = harness(t);
    const node = write(h, 'a.json');
    let end = writeLines(h, node, 0, LINE, 512 * KiB);
    for (let i = 0; i < 100; i++, end += LINE.length) writeAt(h, node, end, Buffer.from(LINE));
    assert.ok(read(h, 'a.json').length < end);
    return { h, node, end };
  }

  it('is published when it rests, soon', (t) => {
    const { h, end } = exhausted(t);
    h.nowMs += 1_000;
    h.fs.settleIdle();
    assert.equal(read(h, 'a.json').length, end);
    assert.equal(h.fs.hasPending, false);
  });

  it('is held back when it rests if it is incomplete, and given up when it rests for long', (t) => {
    const { h, node, end } = exhausted(t);
    const before = read(h, 'a.json');
    writeAt(h, node, end, Buffer.from('{"a":'));
    h.nowMs += 1_000;
    h.fs.settleIdle();
    assert.equal(h.fs.hasPending, true);
    assert.equal(read(h, 'a.json'), before);
    writeAt(h, node, end + 5, Buffer.from('2}\n'));
    assert.equal(read(h, 'a.json').slice(-8), '{"a":2}\n', 'time has passed: it is looked at again');
  });

  it('is published at an unmount, and before a backup of everything', (t) => {
    const first = exhausted(t);
    assert.deepEqual(first.h.fs.settleAll(), []);
    assert.equal(read(first.h, 'a.json').length, first.end);
    const second = exhausted(t);
    second.h.fs.commitPlainFiles();
    assert.equal(read(second.h, 'a.json').length, second.end);
  });

  it('is there with the next daemon', (t) => {
    const { h, end } = exhausted(t);
    h.takeOver();
    h.settle();
    assert.equal(read(h, 'a.json').length, end);
  });
});
