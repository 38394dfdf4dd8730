/** A call that fails changes nothing, now and for the next daemon; one that cannot be undone says so. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext, test } from 'node:test';
import { Keyring } from '../../src/crypto/keyring.ts';
import { ROOT_NODE } from '../../src/fs/contract.ts';
import { judgePieces, judgeWhole } from '../../src/fs/model/json-gate.ts';
import { DirectoryNode, FileNode } from '../../src/fs/model/node.ts';
import { Tree } from '../../src/fs/model/tree.ts';
import { WorkingCopy } from '../../src/fs/model/working-copy.ts';
import { record } from '../../src/fs/operations/commit.ts';
import type { Core } from '../../src/fs/state/core.ts';
import { JournaledFiles } from '../../src/fs/state/journaled-files.ts';
import { Records } from '../../src/fs/state/records.ts';
import { Errno } from '../../src/lib/errno.ts';
import { syncFileOperations } from '../../src/lib/file-operations.ts';
import { S_IFREG } from '../../src/lib/file-type.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { JournalProgress } from '../../src/store/journal/progress.ts';
import { JournalWriter } from '../../src/store/journal/writer.ts';
import { replay, temporaryDirectory } from '../store/support.ts';
import { CALLER, type Harness, KEY, newAttributes, newEntry } from './harness.ts';
import { find, harness, mkdir, read, unlink, write } from './support.ts';

const HALF = '{"half":';

/** A harness whose journal takes nothing while `disk.isFull`. */
function onDisk(t: TestContext): { h: Harness; disk: { isFull: boolean } } {
  const disk = { isFull: false };
  const journalFiles = {
    ...syncFileOperations,
    write: (...given: Parameters<typeof syncFileOperations.write>) => {
      if (disk.isFull) throw systemError('ENOSPC', 'write', 'injected');
      return syncFileOperations.write(...given);
    },
  };
  return { h: harness(t, { journalFiles }), disk };
}

const attributes = (h: Harness, path: string) => {
  const out = newAttributes();
  assert.equal(h.fs.getattr(find(h, path), out), 0);
  const { size, mode, mtimeSec, ctimeSec } = out;
  return { size, mode, mtimeSec, ctimeSec };
};

describe('on a disk that is full', () => {
  const calls: Record<string, (h: Harness) => unknown> = {
    'a write of a whole *.json': (h) =>
      h.fs.write(find(h, 's/a.json'), 0, Buffer.from('{"new":"longer"}'), false),
    'a write of a part of a *.json': (h) => h.fs.write(find(h, 's/a.json'), 1, Buffer.from('"x'), false),
    'a write to a plain file': (h) => h.fs.write(find(h, 's/b.txt'), 1, Buffer.from('xyz'), false),
    'a truncation': (h) => h.fs.setattr(find(h, 's/b.txt'), { size: 1 }, newAttributes()),
    'a chmod': (h) => h.fs.setattr(find(h, 's/a.json'), { mode: 0o640 }, newAttributes()),
    'a chmod of a folder': (h) => h.fs.setattr(find(h, 's'), { mode: 0o750 }, newAttributes()),
    'an unlink': (h) => h.fs.unlink(find(h, 's'), 'a.json'),
    'an rmdir': (h) => h.fs.rmdir(find(h, 's'), 'empty'),
    'a mkdir': (h) => h.fs.mkdir(find(h, 's'), 'new', 0o700, CALLER, newEntry()),
    'a mknod': (h) => h.fs.mknod(find(h, 's'), 'new.txt', S_IFREG | 0o600, CALLER, newEntry()),
    'a symlink': (h) => h.fs.symlink(find(h, 's'), 'new', 'x', CALLER, newEntry()),
    'a rename': (h) => h.fs.rename(find(h, 's'), 'a.json', find(h, 's'), 'c.json', 0),
    'a rename over a file': (h) => h.fs.rename(find(h, 's'), 'a.json', find(h, 's'), 'b.txt', 0),
    'a rename of a folder': (h) => h.fs.rename(ROOT_NODE, 's', ROOT_NODE, 'z', 0),
  };

  for (const [name, call] of Object.entries(calls))
    it(`${name} fails and changes nothing, also for the next daemon`, (t) => {
      const { h, disk } = onDisk(t);
      mkdir(h, 's');
      mkdir(h, 's/empty');
      write(h, 's/a.json', '{"a":1}');
      write(h, 's/b.txt', 'text');
      h.settle();
      const files = ['s/a.json', 's/b.txt'];
      const state = (paths: readonly string[]) => paths.map((path) => attributes(h, path));
      const [before, filesBefore] = [state(['s', 's/empty']), state(files)];
      h.nowMs += 5_000;
      disk.isFull = true;
      assert.equal(call(h), Errno.ENOSPC);
      const check = () => {
        assert.deepEqual(state(files), filesBefore);
        assert.deepEqual(
          files.map((path) => read(h, path)),
          ['{"a":1}', 'text'],
        );
        for (const path of ['s/new', 's/new.txt', 's/c.json', 'z']) assert.equal(find(h, path), 0, path);
      };
      check();
      assert.deepEqual(state(['s', 's/empty']), before);
      disk.isFull = false;
      h.takeOver();
      check();
      assert.notEqual(find(h, 's/empty'), 0);
    });

  it('mapped pages that it does not take at the last try stay, and no fsync says that they are durable', (t) => {
    const { h, disk } = onDisk(t);
    mkdir(h, 's');
    const node = write(h, 's/index', 'the old index');
    h.settle();
    disk.isFull = true;
    const pages = (text: string) => h.fs.write(node, 4, Buffer.from(text), false, 'kernel');
    assert.equal(pages('new'), Errno.ENOSPC, 'room is made first');
    h.fs.lastTry(() => {
      assert.equal(pages('new'), 3);
      assert.equal(
        h.fs.write(node, 4, Buffer.from('own'), false, 1),
        Errno.ENOSPC,
        'a process gets the error',
      );
    });
    assert.equal(pages('big'), Errno.ENOSPC);
    assert.equal(read(h, 's/index'), 'the new index');
    assert.equal(h.fs.fsync(node), Errno.ENOSPC);
    h.settle();
    assert.equal(read(h, 's/index'), 'the new index');
    disk.isFull = false;
    assert.equal(h.fs.fsync(node), 0);
    h.takeOver();
    assert.equal(read(h, 's/index'), 'the new index');
  });

  it('mapped pages of a file that is in the journal are in the next segment, and an fsync needs no version then', (t) => {
    const { h, disk } = onDisk(t);
    mkdir(h, 's');
    const node = write(h, 's/index', 'the old index, and much that is not written again');
    h.settle();
    assert.equal(h.fs.write(node, 0, Buffer.from('T'), false, 1), 1);
    disk.isFull = true;
    h.fs.lastTry(() => assert.equal(h.fs.write(node, 4, Buffer.from('new'), false, 'kernel'), 3));
    disk.isFull = false;
    h.fs.rollJournal();
    assert.notEqual(h.fs.takeClosedSegment(), undefined);
    assert.equal(h.fs.fsync(node), 0);
    assert.equal(h.fs.hasPending, true);
    h.takeOver();
    assert.match(read(h, 's/index'), /^The new index/);
  });

  it('a *.json takes no mapped page that the journal does not take', (t) => {
    const { h, disk } = onDisk(t);
    mkdir(h, 's');
    const node = write(h, 's/a.json', '{"a":1}');
    disk.isFull = true;
    h.fs.lastTry(() => assert.equal(h.fs.write(node, 5, Buffer.from('2'), false, 'kernel'), Errno.ENOSPC));
    assert.equal(read(h, 's/a.json'), '{"a":1}');
  });

  it('a stop names what could not be committed, and commits it once there is room', (t) => {
    const { h, disk } = onDisk(t);
    mkdir(h, 's');
    write(h, 's/b.txt', 'text');
    disk.isFull = true;
    assert.deepEqual(h.fs.settleAll(), ['s/b.txt']);
    disk.isFull = false;
    assert.deepEqual(h.fs.settleAll(), []);
    h.restart();
    assert.equal(read(h, 's/b.txt'), 'text');
  });

  it('incomplete JSON is given up only once that is written down', (t) => {
    const { h, disk } = onDisk(t);
    mkdir(h, 's');
    write(h, 's/a.json', '{"a":1}');
    const node = write(h, 's/a.json', HALF);
    disk.isFull = true;
    h.settle();
    assert.equal(h.fs.hasPending, true);
    disk.isFull = false;
    assert.equal(h.fs.write(node, HALF.length, Buffer.from('2}'), false), 2);
    assert.equal(read(h, 's/a.json'), '{"half":2}');
  });
});

describe('what was given up', () => {
  it('is not there for a writer that goes on: its write fails', (t) => {
    const h = harness(t);
    mkdir(h, 's');
    const node = write(h, 's/a.json', HALF);
    h.settle();
    assert.equal(h.fs.write(node, HALF.length, Buffer.from('2}'), false), Errno.EIO);
    assert.equal(h.fs.setattr(node, { size: 0 }, newAttributes()), Errno.EIO);
    assert.equal(read(h, 's/a.json'), 'no such file');
  });

  it('is not there for a writer in a folder that is gone either', (t) => {
    const h = harness(t);
    mkdir(h, 's');
    mkdir(h, 's/sub');
    const node = write(h, 's/sub/a.json', HALF);
    assert.equal(h.fs.rmdir(find(h, 's'), 'sub'), 0);
    assert.equal(h.fs.write(node, HALF.length, Buffer.from('2}'), false), Errno.EIO);
    assert.equal(h.fs.setattr(node, { size: 0 }, newAttributes()), Errno.EIO);
  });

  it('stays so after the daemons that follow', (t) => {
    const h = harness(t);
    mkdir(h, 's');
    write(h, 's/a.json', '{"a":1}');
    write(h, 's/a.json', HALF);
    h.settle();
    h.takeOver();
    assert.equal(h.fs.hasPending, false);
    assert.equal(read(h, 's/a.json'), '{"a":1}');
  });
});

test('complete content that an earlier daemon did not commit is committed, not given up', (t) => {
  const h = harness(t);
  mkdir(h, 's');
  write(h, 's/a.json', HALF);
  h.crash();
  // Until 0.1.0 the last bytes and the commit were two records.
  const directory = join(h.cachePath, 'journal');
  const journal = new JournalWriter(directory, { ...replay(directory), progress: new JournalProgress() });
  const tree = new Tree(new DirectoryNode(0o755, 0, 0));
  const journaled = new JournaledFiles({ tree, isInJournal: () => true });
  const records = new Records(
    journal,
    Keyring.fromHex(KEY),
    { uid: 0, gid: 0 },
    { remote: undefined, journaled },
  );
  records.begin(0);
  records.workWrite(new FileNode(S_IFREG | 0o600, 0, 0), 's/a.json', HALF.length, Buffer.from('2}'), true);
  records.commit();
  h.takeOver();
  assert.equal(read(h, 's/a.json'), 'no such file');
  h.settle();
  assert.equal(read(h, 's/a.json'), '{"half":2}');
});

test('a chmod in the middle of a write keeps what was written', (t) => {
  const h = harness(t);
  mkdir(h, 's');
  write(h, 's/a.json', '{"a":1}');
  const node = write(h, 's/a.json', HALF);
  assert.equal(h.fs.setattr(node, { mode: 0o640 }, newAttributes()), 0);
  h.takeOver();
  assert.equal(read(h, 's/a.json'), '{"a":1}');
  assert.equal(h.fs.write(node, HALF.length, Buffer.from('2}'), false), 2);
  assert.equal(read(h, 's/a.json'), '{"half":2}');
  assert.equal(attributes(h, 's/a.json').mode & 0o777, 0o640);
});

test('a record that cannot be made is dropped, and the next one is made', (t) => {
  const directory = temporaryDirectory(t);
  const journal = new JournalWriter(directory, {
    nextSegment: 1,
    nextSeq: 1,
    progress: new JournalProgress(),
  });
  t.after(() => journal.close());
  const tree = new Tree(new DirectoryNode(0o755, 0, 0));
  const journaled = new JournaledFiles({ tree, isInJournal: () => true });
  const records = new Records(
    journal,
    Keyring.fromHex(KEY),
    { uid: 0, gid: 0 },
    { remote: undefined, journaled },
  );
  const core = { records, request: 2, log: () => {} } as unknown as Core;
  const node = new FileNode(S_IFREG | 0o600, 0, 0);
  const failed = record(core, () => {
    records.put(node, 'never', Buffer.from('x'));
    records.put(node, 'x'.repeat(70_000), Buffer.from('x'));
  });
  assert.equal(failed, Errno.ENAMETOOLONG);
  assert.equal(
    record(core, () => records.put(node, 'a', Buffer.from('x'))),
    0,
  );
  records.begin(0);
  records.abort();
  assert.equal(
    record(core, () => records.put(node, 'b', Buffer.from('x'))),
    0,
  );
  assert.deepEqual(
    replay(directory).seen.map(([op]) => op?.path),
    ['a', 'b'],
  );
});

test('a file that is renamed or removed is not there again after a take-over', (t) => {
  const h = harness(t);
  mkdir(h, 's');
  write(h, 's/a.json', '{"a":1}');
  write(h, 's/b.json', '{"b":1}');
  assert.equal(h.fs.rename(find(h, 's'), 'a.json', find(h, 's'), 'c.json', 0), 0);
  unlink(h, 's/b.json');
  h.takeOver();
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => read(h, `s/${name}.json`)),
    ['no such file', 'no such file', '{"a":1}'],
  );
});

test('when the names of the bucket are known the kernel drops the listing that an earlier daemon let it keep', (t) => {
  const h = harness(t, { bucket: { absent: [], namesKnown: false, rootListable: false } });
  h.invalidated.length = 0;
  h.hybrid.learnNames();
  assert.deepEqual(h.invalidated, [`inode ${ROOT_NODE} -1`]);
  h.hybrid.learnNames();
  assert.equal(h.invalidated.length, 1, 'once');
});

test('a file that is being written is not given up before it has rested', (t) => {
  const h = harness(t);
  mkdir(h, 's');
  const node = write(h, 's/a.json', HALF);
  h.nowMs += 1_000;
  h.fs.settleIdle();
  assert.equal(h.fs.write(node, HALF.length, Buffer.from('2}'), false), 2);
  assert.equal(read(h, 's/a.json'), '{"half":2}');
});

test('no file grows beyond the limit', (t) => {
  const h = harness(t, { maxFileSize: 10 });
  const node = write(h, 'a.txt', '0123456789');
  const one = Buffer.from('x');
  assert.equal(h.fs.write(node, 10, one, false), Errno.EFBIG);
  assert.equal(h.fs.write(node, 0, one, true), Errno.EFBIG);
  assert.equal(h.fs.setattr(node, { size: 11 }, newAttributes()), Errno.EFBIG);
  assert.equal(h.fs.fallocate(node, 5, 6, false), Errno.EFBIG);
  assert.equal(read(h, 'a.txt'), '0123456789');
});

test('a whole document that is written over the beginning of a longer one leaves its end', (t) => {
  const h = harness(t);
  const node = write(h, 'a.json', '{"a":1}\n{"b":2}');
  assert.equal(h.fs.write(node, 0, Buffer.from('{"a":3}'), false), 7);
  assert.equal(read(h, 'a.json'), '{"a":3}\n{"b":2}');
});

test('a *.json that turns out to be other text is a plain file, and keeps that version when the next one is begun', (t) => {
  const h = harness(t);
  mkdir(h, 's');
  write(h, 's/a.json', '{"a":1}');
  const node = write(h, 's/a.json', 'other text');
  assert.equal(read(h, 's/a.json'), 'other text');
  assert.equal(h.fs.setattr(node, { size: 0 }, newAttributes()), 0);
  assert.equal(read(h, 's/a.json'), 'other text');
  h.takeOver();
  assert.equal(read(h, 's/a.json'), 'other text');
});

test('a folder with a file that was just published is not empty', (t) => {
  const h = harness(t);
  mkdir(h, 's');
  mkdir(h, 's/sub');
  write(h, 's/sub/a.json', HALF);
  write(h, 's/sub/b.json', '{"b":1}');
  assert.equal(h.fs.rmdir(find(h, 's'), 'sub'), Errno.ENOTEMPTY);
  assert.equal(read(h, 's/sub/b.json'), '{"b":1}');
});

test('an append that failed is not done when the next one is, whether it would have completed the file or not', (t) => {
  for (const failing of ['"x', '0}']) {
    const { h, disk } = onDisk(t);
    mkdir(h, 's');
    write(h, 's/a.json', '{"a":1}');
    const node = write(h, 's/a.json', HALF);
    disk.isFull = true;
    assert.equal(h.fs.write(node, 0, Buffer.from(failing), true), Errno.ENOSPC);
    assert.equal(read(h, 's/a.json'), '{"a":1}');
    disk.isFull = false;
    assert.equal(h.fs.write(node, 0, Buffer.from('2}'), true), 2);
    assert.equal(read(h, 's/a.json'), '{"half":2}');
  }
});

test('a segment that is full is handed over without being asked to close', (t) => {
  const h = harness(t, { segmentBytes: 2000 });
  for (let i = 0; i < 20; i++) write(h, 'a.json', JSON.stringify({ i, filler: 'x'.repeat(300) }));
  assert.ok(h.progress.segment > 2);
  assert.equal(h.fs.takeClosedSegment(), h.progress.segment - 1);
});

test('what came in pieces is complete only if each document in it can be parsed', () => {
  const verdicts = ['{"a":1}', '{"a":1}\n{"b":2}', '{"a":1}\n{"b" 2}', '{"a" 1}', '\0\0', '\0{}', 'text'].map(
    (text) => [judgeWhole(Buffer.from(text)), judgePieces(Buffer.from(text))],
  );
  assert.deepEqual(
    verdicts.map(([, pieces]) => pieces),
    ['complete', 'complete', 'incomplete', 'incomplete', 'incomplete', 'incomplete', 'plain'],
  );
  assert.equal(verdicts[4]?.[0], 'incomplete', 'a hole is yet to be filled');
});

test('a large file that grows needs no more addresses than there are, and what does not fit is not in the journal', (t) => {
  const h = harness(t, { maxFileSize: 2 ** 30 });
  const entry = newEntry();
  assert.equal(h.fs.mknod(ROOT_NODE, 'large', S_IFREG | 0o600, CALLER, entry), 0);
  const at = 260 * 2 ** 20;
  assert.equal(h.fs.write(entry.nodeId, at, Buffer.from('end'), false), 3);
  h.takeOver();
  const out = Buffer.alloc(10);
  assert.equal(h.fs.read(entry.nodeId, at, 10, out, 0), 3);
  const { appendedBytes } = h.opened.journal;
  const reserve = t.mock.method(WorkingCopy.prototype, 'reserve', () => {
    throw new RangeError('no memory');
  });
  assert.throws(() => h.fs.write(entry.nodeId, at, Buffer.from('new'), false), /no memory/);
  assert.equal(reserve.mock.callCount(), 1);
  assert.equal(h.opened.journal.appendedBytes, appendedBytes);
});
