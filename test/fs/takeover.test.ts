/** What a daemon that takes a connection over must know: the kernel's numbers, and what was done but not answered. */

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { RENAME_EXCHANGE, ROOT_NODE } from '../../src/fs/contract.ts';
import { Errno } from '../../src/lib/errno.ts';
import { S_IFREG } from '../../src/lib/file-type.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { Cache } from '../../src/store/cache/cache.ts';
import { CALLER, Harness, newAttributes, newEntry } from './harness.ts';

const JSON_A = Buffer.from('{"a":1}');
const JSON_B = Buffer.from('{"b":2}');

function harness(t: TestContext): Harness {
  const made = new Harness();
  t.after(() => made.remove());
  return made;
}

let nextRequest = 100;

/** Carries `call` out as a request of the kernel, and answers the request's number. */
function request(h: Harness, call: () => number, expected = 0): number {
  nextRequest += 2;
  h.fs.begin(nextRequest);
  assert.equal(call(), expected);
  h.fs.begin(0);
  return nextRequest;
}

function make(h: Harness, name: string, content?: Buffer, parent: number = ROOT_NODE): number {
  const entry = newEntry();
  request(h, () => h.fs.mknod(parent, name, S_IFREG | 0o600, CALLER, entry));
  if (content !== undefined) request(h, () => h.fs.write(entry.nodeId, 0, content, false), content.length);
  return entry.nodeId;
}

function makeDirectory(h: Harness, name: string): number {
  const entry = newEntry();
  request(h, () => h.fs.mkdir(ROOT_NODE, name, 0o700, CALLER, entry));
  return entry.nodeId;
}

function lookup(h: Harness, name: string, parent: number = ROOT_NODE): number {
  const entry = newEntry();
  return h.fs.lookup(parent, name, entry) === 0 ? entry.nodeId : 0;
}

function attributesOf(h: Harness, node: number) {
  const attributes = newAttributes();
  assert.equal(h.fs.getattr(node, attributes), 0);
  return attributes;
}

function contentOf(h: Harness, node: number): string {
  const out = Buffer.alloc(1000);
  const length = h.fs.read(node, 0, out.length, out, 0);
  return length < 0 ? `error ${length}` : out.toString('utf8', 0, length);
}

/** The daemon died after it did this and before it answered; the kernel sends it to the next one. */
function again(h: Harness, number: number, call: () => number, expected = 0): void {
  h.takeOver();
  h.fs.begin(number);
  assert.equal(call(), expected);
  h.fs.begin(0);
}

describe('numbers of nodes', () => {
  it('mean the same after a take-over', (t) => {
    const h = harness(t);
    const folder = makeDirectory(h, 'u-+1');
    const file = make(h, 'creds.json', JSON_A, folder);
    h.takeOver();
    assert.equal(contentOf(h, file), '{"a":1}');
    assert.equal(lookup(h, 'u-+1'), folder);
    assert.equal(lookup(h, 'creds.json', folder), file);
  });

  it('survive a checkpoint, which removes their records from the journal', async (t) => {
    const h = harness(t);
    const file = make(h, 'creds.json', JSON_A);
    await h.checkpoint();
    h.takeOver();
    assert.equal(contentOf(h, file), '{"a":1}');
    await h.checkpoint();
    h.takeOver();
    assert.equal(contentOf(h, file), '{"a":1}');
  });

  it('of files that an earlier mount made are given at the first look, and kept', async (t) => {
    const h = harness(t);
    make(h, 'creds.json', JSON_A);
    await h.checkpoint();
    h.restart();
    const file = lookup(h, 'creds.json');
    h.takeOver();
    assert.equal(contentOf(h, file), '{"a":1}');
  });

  it('follow a file and all below a directory through renames', async (t) => {
    const h = harness(t);
    const folder = makeDirectory(h, 'd');
    const inside = make(h, 'creds.json', JSON_A, folder);
    const file = make(h, 'a.txt', JSON_B);
    request(h, () => h.fs.rename(ROOT_NODE, 'd', ROOT_NODE, 'e', 0));
    request(h, () => h.fs.rename(ROOT_NODE, 'a.txt', folder, 'b.txt', 0));
    h.takeOver();
    assert.equal(lookup(h, 'e'), folder);
    assert.equal(contentOf(h, inside), '{"a":1}');
    assert.equal(lookup(h, 'b.txt', folder), file);
    await h.checkpoint();
    h.takeOver();
    assert.equal(lookup(h, 'b.txt', folder), file);
  });

  it('are never given twice, even if the one who had it is gone', async (t) => {
    const h = harness(t);
    const file = make(h, 'a.json', JSON_A);
    request(h, () => h.fs.unlink(ROOT_NODE, 'a.json'));
    h.takeOver();
    assert.equal(h.fs.getattr(file, newAttributes()), Errno.ESTALE);
    assert.ok(make(h, 'b.json', JSON_A) > file);
    await h.checkpoint();
    h.takeOver();
    assert.ok(make(h, 'c.json', JSON_A) > file + 1);
  });

  it('of a file that was created and not yet written let the writer go on', async (t) => {
    const h = harness(t);
    const first = make(h, 'a.json');
    h.takeOver();
    const second = make(h, 'b.json');
    await h.checkpoint();
    h.takeOver();
    for (const file of [first, second]) {
      assert.equal(h.fs.write(file, 0, JSON_A, false), JSON_A.length);
      assert.equal(contentOf(h, file), '{"a":1}');
    }
    assert.equal(lookup(h, 'a.json'), first);
  });

  it('leave the mode of a file alone that is half-written and lies in the cache', async (t) => {
    const h = harness(t);
    const file = make(h, 'notes.txt', Buffer.from('one\n'));
    const attributes = newAttributes();
    request(h, () => h.fs.setattr(file, { mode: 0o640 }, attributes));
    await h.checkpoint();
    request(h, () => h.fs.write(file, 4, JSON_A, false), JSON_A.length);
    h.takeOver();
    h.settle();
    assert.equal(h.fs.getattr(file, attributes), 0);
    assert.equal(attributes.mode, S_IFREG | 0o640);
  });

  it('of a half-written file let the writer complete it', async (t) => {
    const h = harness(t);
    const file = make(h, 'a.json');
    request(h, () => h.fs.write(file, 0, Buffer.from('{"a":'), false), 5);
    await h.checkpoint();
    h.takeOver();
    assert.equal(lookup(h, 'a.json'), 0, 'it is not published yet');
    assert.equal(h.fs.write(file, 5, Buffer.from('1}'), false), 2);
    assert.equal(contentOf(h, file), '{"a":1}');
  });

  it('that could not be written down do not make a write fail that was carried out', (t) => {
    const h = harness(t);
    const file = make(h, 'a.json');
    const done = request(h, () => h.fs.write(file, 0, JSON_A, false), JSON_A.length);
    h.takeOver({ unanswered: [done] });
    const unknown = 2 ** 20;
    h.fs.begin(done);
    assert.equal(h.fs.write(unknown, 0, JSON_A, false), JSON_A.length);
    h.fs.begin(0);
    assert.equal(h.fs.write(unknown, 0, JSON_A, false), Errno.ESTALE);
    assert.equal(contentOf(h, lookup(h, 'a.json')), String(JSON_A));
  });

  it('of files that only the cache has are good for writing, before anyone looks the file up', async (t) => {
    const h = harness(t);
    const file = make(h, 'creds.json', JSON_A);
    const other = make(h, 'notes.txt', Buffer.from('one\n'));
    const attributes = newAttributes();
    request(h, () => h.fs.setattr(file, { mode: 0o640 }, attributes));
    await h.checkpoint();
    h.takeOver();
    const longer = Buffer.from('{"a":1,"b":"longer than before"}');
    assert.equal(h.fs.write(file, 0, longer, false), longer.length);
    assert.equal(h.fs.write(other, 0, Buffer.from('two\n'), true), 4);
    assert.equal(contentOf(h, other), 'one\ntwo\n');
    for (const restart of [() => {}, () => h.takeOver()]) {
      restart();
      assert.equal(h.fs.getattr(file, attributes), 0);
      assert.deepEqual([attributes.size, attributes.mode & 0o777], [longer.length, 0o640]);
      assert.equal(contentOf(h, file), longer.toString());
    }
  });

  it('of control files are the same in every daemon', (t) => {
    const h = harness(t);
    h.fs.addControlFile('status.json', () => '{}\n');
    const folder = lookup(h, '.sessionfs');
    const file = lookup(h, 'status.json', folder);
    h.takeOver();
    h.fs.addControlFile('status.json', () => '{}\n');
    assert.equal(lookup(h, '.sessionfs'), folder);
    assert.equal(lookup(h, 'status.json', folder), file);
  });

  it('mean nothing to a new mount', (t) => {
    const h = harness(t);
    const file = make(h, 'a.json', JSON_A);
    const begun = make(h, 'b.json');
    h.restart();
    assert.equal(h.fs.getattr(file, newAttributes()), Errno.ESTALE);
    assert.equal(h.fs.getattr(begun, newAttributes()), Errno.ESTALE);
  });
});

describe('times', () => {
  const timeOf = (h: Harness, node: number): string => {
    const { mtimeSec, mtimeNsec } = attributesOf(h, node);
    return `${mtimeSec}.${mtimeNsec}`;
  };

  it('of a file that is written all the time are those of the last write, for the next daemon and the next mount too', async (t) => {
    const h = harness(t);
    const file = make(h, 'log.txt', Buffer.from('one'));
    const cut = make(h, 'cut.txt', Buffer.from('one'));
    const plain = make(h, 'plain.json', Buffer.from('true'));
    const held = make(h, 'held.json', JSON_A);
    h.settle();
    const before = timeOf(h, held);
    h.nowMs += 5000;
    request(h, () => h.fs.write(file, 3, Buffer.from('two'), false), 3);
    request(h, () => h.fs.write(plain, 0, Buffer.from('false'), false), 5);
    request(h, () => h.fs.write(held, 0, Buffer.from('['), false), 1);
    const written = timeOf(h, file);
    h.nowMs += 5000;
    request(h, () => h.fs.setattr(cut, { size: 1 }, newAttributes()));
    const truncated = attributesOf(h, cut).mtimeSec;
    h.nowMs += 5000;
    for (const next of [() => h.takeOver(), () => h.takeOver(), () => h.restart()]) {
      next();
      const [a, b, c] = ['log.txt', 'plain.json', 'cut.txt'].map((name) => lookup(h, name)) as [
        number,
        number,
        number,
      ];
      assert.deepEqual([timeOf(h, a), timeOf(h, b)], [written, written]);
      assert.ok(attributesOf(h, c).mtimeSec >= truncated);
    }
    h.settle();
    assert.equal(timeOf(h, lookup(h, 'log.txt')), written, 'the version has it');
    assert.equal(timeOf(h, lookup(h, 'held.json')), before);
  });

  it('of a change that failed are those before it', (t) => {
    const h = harness(t);
    const file = make(h, 'log.txt', Buffer.from('one'));
    const before = timeOf(h, file);
    h.nowMs += 5000;
    h.fs.suspend(true);
    request(h, () => h.fs.write(file, 3, Buffer.from('two'), false), Errno.ENOSPC);
    request(h, () => h.fs.setattr(file, { size: 1 }, newAttributes()), Errno.ENOSPC);
    assert.equal(timeOf(h, file), before);
  });

  it('of a folder are none that it had before: the kernel may keep a listing of then', async (t) => {
    const h = harness(t);
    const entry = newEntry();
    request(h, () => h.fs.mkdir(ROOT_NODE, 'open', 0o1700, CALLER, entry));
    const folder = entry.nodeId;
    const file = make(h, 'a.json', undefined, folder);
    const listed = timeOf(h, folder);
    request(h, () => h.fs.write(file, 0, JSON_A, false), JSON_A.length);
    for (let daemon = 0; daemon < 2; daemon++) {
      h.nowMs += 5000;
      h.takeOver();
      assert.notEqual(timeOf(h, folder), listed);
      assert.equal(attributesOf(h, folder).mode & 0o7777, 0o1700);
      await h.checkpoint();
    }
  });
});

describe('a request that was carried out but not answered', () => {
  it('mkdir answers with the directory it made', (t) => {
    const h = harness(t);
    const entry = newEntry();
    const number = request(h, () => h.fs.mkdir(ROOT_NODE, 'd', 0o700, CALLER, entry));
    again(h, number, () => h.fs.mkdir(ROOT_NODE, 'd', 0o700, CALLER, entry));
    assert.equal(lookup(h, 'd'), entry.nodeId);
    request(h, () => h.fs.mkdir(ROOT_NODE, 'd', 0o700, CALLER, entry), Errno.EEXIST);
  });

  it('mknod and symlink answer with what they made, hidden or not', (t) => {
    const h = harness(t);
    for (const name of ['a.json', 'b.txt']) {
      const entry = newEntry();
      const call = () => h.fs.mknod(ROOT_NODE, name, S_IFREG | 0o600, CALLER, entry);
      again(h, request(h, call), call);
      assert.equal(h.fs.write(entry.nodeId, 0, JSON_A, false), JSON_A.length);
      assert.equal(lookup(h, name), entry.nodeId);
    }
    const entry = newEntry();
    const call = () => h.fs.symlink(ROOT_NODE, 'l', 'a.json', CALLER, entry);
    again(h, request(h, call), call);
    assert.equal(h.fs.readlink(entry.nodeId), 'a.json');
  });

  it('unlink and rmdir succeed once more', (t) => {
    const h = harness(t);
    make(h, 'a.json', JSON_A);
    const unlink = () => h.fs.unlink(ROOT_NODE, 'a.json');
    again(h, request(h, unlink), unlink);
    request(h, unlink, Errno.ENOENT);
    makeDirectory(h, 'd');
    const rmdir = () => h.fs.rmdir(ROOT_NODE, 'd');
    again(h, request(h, rmdir), rmdir);
    request(h, rmdir, Errno.ENOENT);
  });

  it('rename succeeds once more, and does not move what came to the old name', (t) => {
    const h = harness(t);
    make(h, 'a.json', JSON_A);
    make(h, 'b.json', JSON_B);
    const rename = () => h.fs.rename(ROOT_NODE, 'a.json', ROOT_NODE, 'b.json', 0);
    again(h, request(h, rename), rename);
    assert.equal(contentOf(h, lookup(h, 'b.json')), '{"a":1}');
    request(h, rename, Errno.ENOENT);
  });

  it('an exchange is not undone by being repeated', (t) => {
    const h = harness(t);
    make(h, 'a.json', JSON_A);
    make(h, 'b.json', JSON_B);
    const exchange = () => h.fs.rename(ROOT_NODE, 'a.json', ROOT_NODE, 'b.json', RENAME_EXCHANGE);
    again(h, request(h, exchange), exchange);
    assert.equal(contentOf(h, lookup(h, 'a.json')), '{"b":2}');
  });

  it('a chmod that came with a truncation is carried out where only the truncation was', (t) => {
    const h = harness(t);
    const file = make(h, 'notes.txt', Buffer.from('notes'));
    const truncated = request(h, () => h.fs.setattr(file, { size: 1 }, newAttributes()));
    const out = newAttributes();
    again(h, truncated, () => h.fs.setattr(file, { size: 1, mode: 0o640 }, out));
    assert.deepEqual([out.size, out.mode & 0o777], [1, 0o640]);
  });

  it('an append is not written twice', (t) => {
    const h = harness(t);
    const file = make(h, 'log.txt', Buffer.from('one\n'));
    const append = () => h.fs.write(file, 0, Buffer.from('two\n'), true);
    again(h, request(h, append, 4), append, 4);
    assert.equal(contentOf(h, file), 'one\ntwo\n');
  });

  it('an append that completes a document publishes it, wherever the daemon died', (t) => {
    const h = harness(t);
    const file = make(h, 'a.json');
    request(h, () => h.fs.write(file, 0, Buffer.from('{"a":'), true), 5);
    const append = () => h.fs.write(file, 0, Buffer.from('1}'), true);
    again(h, request(h, append, 2), append, 2);
    h.settle();
    assert.equal(contentOf(h, lookup(h, 'a.json')), '{"a":1}');
  });

  it('is carried out when the daemon died before it did anything', (t) => {
    const h = harness(t);
    const file = make(h, 'log.txt', Buffer.from('one\n'));
    h.takeOver();
    request(h, () => h.fs.write(file, 0, Buffer.from('two\n'), true), 4);
    assert.equal(contentOf(h, file), 'one\ntwo\n');
  });
});

describe('a number is given once in the life of a connection', () => {
  it('although what had it is gone, and a checkpoint has forgotten it', async (t) => {
    const h = harness(t);
    const file = make(h, 'a.json', JSON_A);
    request(h, () => h.fs.unlink(ROOT_NODE, 'a.json'));
    await h.checkpoint();
    h.takeOver();
    const other = make(h, 'creds.json', JSON_B);
    assert.notEqual(other, file);
    assert.equal(h.fs.write(file, 0, JSON_A, false), Errno.ESTALE);
    assert.equal(contentOf(h, other), '{"b":2}');
  });

  it('of a removed directory as well', async (t) => {
    const h = harness(t);
    const folder = makeDirectory(h, 'd');
    request(h, () => h.fs.rmdir(ROOT_NODE, 'd'));
    await h.checkpoint();
    h.takeOver();
    assert.notEqual(makeDirectory(h, 'e'), folder);
  });

  it('although the disk was full, so that it was never written down', async (t) => {
    const h = harness(t);
    make(h, 'a.json', JSON_A);
    await h.checkpoint();
    h.restart();
    h.fs.suspend(true);
    const file = lookup(h, 'a.json');
    assert.notEqual(file, 0, 'a full disk does not keep anyone from reading');
    for (let daemon = 0; daemon < 3; daemon++) {
      h.takeOver();
      const other = make(h, `b${daemon}.json`, JSON_B);
      assert.notEqual(other, file);
      assert.equal(h.fs.getattr(file, newAttributes()), Errno.ESTALE);
    }
  });
});

describe('a request that was not carried out', () => {
  it('is carried out by the next daemon, although unfinished files were repeated meanwhile', (t) => {
    const h = harness(t);
    make(h, 'a.json', JSON_A);
    const half = make(h, 'half.json');
    request(h, () => h.fs.write(half, 0, Buffer.from('{"a":'), false), 5);
    const rename = () => h.fs.rename(ROOT_NODE, 'a.json', ROOT_NODE, 'b.json', 0);
    // As on a full disk: the rename waits for room, and making it begins a new segment.
    h.fs.begin(7000);
    h.fs.suspend(true);
    assert.equal(rename(), Errno.ENOSPC);
    h.fs.suspend(false);
    h.fs.rollJournal();
    assert.notEqual(h.fs.takeClosedSegment(), undefined);
    again(h, 7000, rename);
    assert.equal(lookup(h, 'a.json'), 0);
    assert.equal(contentOf(h, lookup(h, 'b.json')), '{"a":1}');
  });
});

describe('unfinished files of a directory that is removed', () => {
  const old = Buffer.from('{"old":"more than the new one has"');

  function begin(h: Harness): void {
    const folder = makeDirectory(h, 'd');
    const file = make(h, 'x.json', undefined, folder);
    request(h, () => h.fs.write(file, 0, old, false), old.length);
  }

  /** A new file of the same name is written in two pieces, by two daemons. */
  function completes(h: Harness, folder: number): void {
    const file = make(h, 'x.json', undefined, folder);
    request(h, () => h.fs.write(file, 0, Buffer.from('{"b":'), false), 5);
    h.takeOver();
    request(h, () => h.fs.write(file, 5, Buffer.from('2}'), false), 2);
    request(h, () => h.fs.fsync(file));
    assert.equal(contentOf(h, lookup(h, 'x.json', folder)), '{"b":2}');
  }

  it('end with it', (t) => {
    const h = harness(t);
    begin(h);
    request(h, () => h.fs.rmdir(ROOT_NODE, 'd'));
    completes(h, makeDirectory(h, 'd'));
  });

  it('end when another directory takes its name', (t) => {
    const h = harness(t);
    begin(h);
    const folder = makeDirectory(h, 'e');
    request(h, () => h.fs.rename(ROOT_NODE, 'e', ROOT_NODE, 'd', 0));
    completes(h, folder);
  });

  it('do not give their numbers to files of their names', async (t) => {
    const h = harness(t);
    const folder = makeDirectory(h, 'd');
    const file = make(h, 'x.json', undefined, folder);
    request(h, () => h.fs.rmdir(ROOT_NODE, 'd'));
    makeDirectory(h, 'd');
    await h.checkpoint();
    h.takeOver();
    assert.equal(h.fs.getattr(file, newAttributes()), Errno.ESTALE);
  });
});

describe('what is held back', () => {
  const timeOf = (h: Harness, node: number): number => {
    const attributes = newAttributes();
    assert.equal(h.fs.getattr(node, attributes), 0);
    assert.ok(attributes.mtimeNsec >= 0 && attributes.mtimeNsec < 1e9);
    return attributes.mtimeNsec;
  };

  it('makes the kernel drop pages after a take-over too: each held-back write has a time of its own', (t) => {
    const h = harness(t);
    const file = make(h, 'a.json', JSON_A);
    const told = new Set<number>();
    let writes = 0;
    for (let daemon = 0; daemon < 3; daemon++) {
      for (let piece = 0; piece < 3; piece++) {
        request(h, () => h.fs.write(file, writes, Buffer.from('['), false), 1);
        writes++;
        told.add(timeOf(h, file));
      }
      h.takeOver();
    }
    assert.equal(told.size, writes);
  });

  it('and after incomplete content was given up under an open descriptor', (t) => {
    const h = harness(t);
    const file = make(h, 'a.json', JSON_A);
    const told = new Set<number>();
    for (let round = 0; round < 3; round++) {
      request(h, () => h.fs.write(file, 0, Buffer.from('['), false), 1);
      told.add(timeOf(h, file));
      h.settle();
    }
    assert.equal(told.size, 3);
  });

  it('asks for no attributes between a truncation and the write that completes it, unless there is something to hide', (t) => {
    const h = harness(t);
    const file = make(h, 'a.json', JSON_A);
    const told = newAttributes();
    const truncated = () => {
      request(h, () => h.fs.setattr(file, { size: 0 }, told));
      return [told.attributesValidMs > 0, told.size];
    };
    const whole = () => request(h, () => h.fs.write(file, 0, JSON_A, false), JSON_A.length);
    assert.deepEqual(truncated(), [true, JSON_A.length]);
    whole();
    assert.equal(h.fs.read(file, 0, 1, Buffer.alloc(1), 0), 1);
    assert.deepEqual(truncated(), [false, JSON_A.length - 1], 'the kernel may keep a page');
    whole();
    assert.deepEqual(truncated(), [true, JSON_A.length]);
    request(h, () => h.fs.write(file, 0, Buffer.from('['), false), 1);
    assert.deepEqual(truncated(), [false, JSON_A.length], 'something was written that readers do not get');
    whole();
    h.takeOver();
    assert.deepEqual(truncated(), [false, JSON_A.length - 1], 'an earlier daemon may have let it keep one');
  });

  it('keeps the mode that fchmod gave it, through a take-over', (t) => {
    const h = harness(t);
    const attributes = newAttributes();
    const file = make(h, 'a.json');
    request(h, () => h.fs.setattr(file, { mode: 0o640 }, attributes));
    h.takeOver();
    request(h, () => h.fs.write(file, 0, JSON_A, false), JSON_A.length);
    assert.equal(h.fs.getattr(file, attributes), 0);
    assert.equal(attributes.mode & 0o777, 0o640);
  });
});

describe('an inherited file that is unlinked', () => {
  it('stays readable while the kernel knows it, and leaves memory when the kernel forgets it', (t) => {
    const h = harness(t);
    const file = make(h, 'a.json', JSON_A);
    h.takeOver();
    assert.equal(lookup(h, 'a.json'), file);
    request(h, () => h.fs.unlink(ROOT_NODE, 'a.json'));
    assert.equal(contentOf(h, file), '{"a":1}');
    h.fs.forget(file, 2);
    assert.equal(h.fs.getattr(file, newAttributes()), Errno.ESTALE);
  });
});

describe('what was begun before a take-over in a file that the disk does not give at first', () => {
  const LATER = Buffer.from('later');

  /** Written to without a rest; the next daemon cannot read the version before. */
  async function begun(t: TestContext, name: string, content: string) {
    const h = harness(t);
    const node = make(h, name, Buffer.from(content));
    h.settle();
    await h.checkpoint();
    request(h, () => h.fs.write(node, 1, LATER, false), LATER.length);
    const { mock } = t.mock.method(Cache.prototype, 'readSync', () => {
      throw systemError('EIO', 'read', 'injected');
    });
    h.takeOver();
    return { h, node, heal: () => mock.restore() };
  }

  it('is there once it can be read, and until then no call takes the version before for it', async (t) => {
    const { h, node, heal } = await begun(t, 'notes.txt', 'earlier notes');
    assert.equal(contentOf(h, node), `error ${Errno.EIO}`);
    assert.equal(h.fs.write(node, 0, JSON_A, true), Errno.EIO);
    assert.equal(h.fs.setattr(node, { mode: 0o640 }, newAttributes()), Errno.EIO);
    assert.equal(h.fs.rename(ROOT_NODE, 'notes.txt', ROOT_NODE, 'x.txt', 0), Errno.EIO);
    assert.deepEqual(h.fs.settleAll(), ['notes.txt'], 'a stop says that it is not in the cache');
    heal();
    assert.equal(contentOf(h, node), 'elaterr notes');
    h.settle();
    await h.checkpoint();
    h.restart();
    assert.equal(contentOf(h, lookup(h, 'notes.txt')), 'elaterr notes');
  });

  it('goes along with a rename that is the first call once the disk gives it', async (t) => {
    const { h, heal } = await begun(t, 'notes.txt', 'earlier notes');
    heal();
    assert.equal(h.fs.rename(ROOT_NODE, 'notes.txt', ROOT_NODE, 'x.txt', 0), 0);
    assert.equal(contentOf(h, lookup(h, 'x.txt')), 'elaterr notes');
    await h.checkpoint();
    h.restart();
    assert.equal(contentOf(h, lookup(h, 'x.txt')), 'elaterr notes');
  });

  it('outlives the segments that have it, and another take-over', async (t) => {
    const { h, node, heal } = await begun(t, 'notes.txt', 'earlier notes');
    h.settle();
    make(h, 'other.json', JSON_B);
    await h.checkpoint();
    await h.checkpoint();
    h.takeOver();
    heal();
    assert.equal(contentOf(h, node), 'elaterr notes');
  });

  it('is settled without a call, and ends with its file', async (t) => {
    const { h, node, heal } = await begun(t, 'notes.txt', 'earlier notes');
    heal();
    h.settle();
    h.settle();
    assert.equal(h.fs.hasPending, false);
    assert.equal(contentOf(h, node), 'elaterr notes');
    const other = await begun(t, 'creds.json', '{"a":"earlier"}');
    request(other.h, () => other.h.fs.unlink(ROOT_NODE, 'creds.json'));
    other.heal();
    assert.equal(contentOf(other.h, other.node), `error ${Errno.EIO}`);
    assert.equal(other.h.fs.hasPending, false);
    await other.h.checkpoint();
    other.h.takeOver();
    assert.equal(lookup(other.h, 'creds.json'), 0);
  });
});

describe('a request that was carried out, and comes again when nothing can be written', () => {
  const changes: Record<string, (h: Harness, node: number) => number> = {
    'a write': (h, node) => h.fs.write(node, 0, JSON_B, false),
    'a write of a part': (h, node) => h.fs.write(node, 2, Buffer.from('x'), false),
    'an append': (h, node) => h.fs.write(node, 0, JSON_B, true),
    'a truncation': (h, node) => h.fs.setattr(node, { size: 3 }, newAttributes()),
    'a chmod': (h, node) => h.fs.setattr(node, { mode: 0o640 }, newAttributes()),
    'a chown': (h, node) => h.fs.setattr(node, { uid: 7, gid: 8 }, newAttributes()),
    'a change of its time': (h, node) => h.fs.setattr(node, { mtime: { sec: 5, nsec: 6 } }, newAttributes()),
  };
  for (const [name, change] of Object.entries(changes))
    for (const file of ['creds.json', 'notes.txt'])
      it(`succeeds, since it has its effect: ${name}, ${file}`, (t) => {
        const h = harness(t);
        const node = make(h, file, JSON_A);
        let status = 0;
        const number = request(h, () => {
          status = change(h, node);
          return Math.min(0, status);
        });
        h.takeOver();
        h.fs.suspend(true);
        h.fs.begin(number);
        assert.equal(change(h, node), status);
      });
});
