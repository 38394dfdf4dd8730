import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { SyncFileOperations } from '../../src/lib/file-operations.ts';
import { syncFileOperations } from '../../src/lib/file-operations.ts';
import { OpFlag, OpType, SegmentHeader, segmentPath } from '../../src/store/journal/format.ts';
import { JournalProgress } from '../../src/store/journal/progress.ts';
import { JournalWriter } from '../../src/store/journal/writer.ts';
import { append, faultySync, mkdir, put, remove, replay, temporaryDirectory } from './support.ts';

function open(t: TestContext, directory: string, files?: SyncFileOperations, segmentBytes = 1 << 20) {
  const { nextSegment, nextSeq } = replay(directory);
  const progress = new JournalProgress();
  const options = { nextSegment, nextSeq, progress, segmentBytes };
  const writer = new JournalWriter(directory, files ? { ...options, files } : options);
  t.after(() => writer.close());
  return { writer, progress };
}

test('what was appended is replayed, record by record, with every field', (t) => {
  const directory = temporaryDirectory(t);
  const { writer } = open(t, directory);
  append(writer, [put('a/b', 'x', OpFlag.KEEP_OLD), remove('é\n')], 7);
  append(writer, [{ type: OpType.WORK_WRITE, path: 'w', arg: 2 ** 40 + 5, data: 'chunk' }], 2 ** 33);
  const result = replay(directory);
  assert.deepEqual(result.seen, [
    [
      { type: OpType.PUT, path: 'a/b', flags: OpFlag.KEEP_OLD, arg: 0, data: 'x' },
      { type: OpType.DELETE, path: 'é\n', flags: 0, arg: 0, data: '' },
    ],
    [{ type: OpType.WORK_WRITE, path: 'w', flags: 0, arg: 2 ** 40 + 5, data: 'chunk' }],
  ]);
  assert.deepEqual([result.nextSegment, result.nextSeq, result.droppedBytes], [2, 3, 0]);
});

test('data can be read back from where the writer says it is, by this process and the next', (t) => {
  const directory = temporaryDirectory(t);
  const { writer } = open(t, directory);
  append(writer, [put('first', 'one')]);
  const position = append(writer, [mkdir('d'), put('second', 'two')]);
  const { segment } = writer;
  assert.equal(writer.readSync(segment, position, 3).toString(), 'two');
  const next = open(t, directory).writer;
  assert.equal(next.readSync(segment, position, 3, Buffer.alloc(10)).toString(), 'two');
  assert.throws(() => next.readSync(segment, position, 4), { code: 'EIO' });
});

test('a record larger than the buffer and the segment is one record in a segment of its own', (t) => {
  const directory = temporaryDirectory(t);
  const { writer } = open(t, directory, undefined, 4096);
  const large = 'x'.repeat(5 << 20);
  append(writer, [put('small', 's')]);
  append(writer, [put('a', 'before'), put('large', large), put('z', 'after')]);
  append(writer, [put('small', 't')]);
  assert.ok(writer.buffer.length < large.length, 'the memory of a large record is given back');
  const { seen, segments } = replay(directory);
  assert.deepEqual(segments, [1, 2, 3]);
  assert.equal(seen[1]?.[1]?.data, large);
  assert.deepEqual([seen[1]?.[0]?.data, seen[1]?.[2]?.data], ['before', 'after']);
});

test('roll answers the last closed segment, and the next append opens a new one', (t) => {
  const directory = temporaryDirectory(t);
  const { writer, progress } = open(t, directory);
  assert.equal(writer.roll(), 0);
  append(writer, [remove('a')]);
  assert.equal(writer.roll(), 1);
  assert.equal(writer.roll(), 1);
  append(writer, [remove('b')]);
  assert.equal(writer.segment, 2);
  assert.equal(progress.segment, 2);
  assert.equal(replay(directory).records, 2);
});

test('an aborted or empty record leaves nothing', (t) => {
  const directory = temporaryDirectory(t);
  const { writer } = open(t, directory);
  writer.begin(1);
  writer.add(OpType.DELETE, 0, 'gone', 0, 0);
  writer.abort();
  writer.begin(1);
  writer.commit();
  assert.deepEqual(fs.readdirSync(directory), []);
  append(writer, [remove('kept')]);
  assert.deepEqual(
    replay(directory)
      .seen.flat()
      .map(({ path }) => path),
    ['kept'],
  );
});

test('misuse throws: two begins, add or commit without begin', (t) => {
  const { writer } = open(t, temporaryDirectory(t));
  assert.throws(() => writer.commit());
  assert.throws(() => writer.add(OpType.DELETE, 0, 'a', 0, 0));
  writer.begin(0);
  assert.throws(() => writer.begin(0));
});

test('what no record can hold is refused, and the record goes on without it', (t) => {
  const directory = temporaryDirectory(t);
  const { writer } = open(t, directory);
  writer.begin(0);
  assert.throws(() => writer.add(OpType.PUT, 0, 'p', 0, 2 ** 30), { code: 'EFBIG' });
  assert.throws(() => writer.add(OpType.PUT, 0, 'p'.repeat(65_536), 0, 0), { code: 'ENAMETOOLONG' });
  writer.add(OpType.DELETE, 0, 'fine', 0, 0);
  writer.commit();
  assert.equal(replay(directory).records, 1);
});

test('short writes of the disk are gone on with', (t) => {
  const directory = temporaryDirectory(t);
  const files = {
    ...syncFileOperations,
    write: (fd: number, bytes: Uint8Array, offset: number, length: number) =>
      syncFileOperations.write(fd, bytes, offset, Math.min(length, 5)),
  };
  const { writer } = open(t, directory, files);
  append(writer, [put('a', 'longer than five bytes')]);
  assert.equal(replay(directory).seen[0]?.[0]?.data, 'longer than five bytes');
});

for (const code of ['ENOSPC', 'EIO']) {
  test(`${code} at any single operation fails that commit alone, and no later one is lost`, (t) => {
    let failures = 0;
    for (let failing = 0; failing < 14; failing++) {
      const directory = temporaryDirectory(t);
      const files = faultySync((_, index) => (index === failing ? code : undefined));
      // Every second record needs a new segment.
      const { writer } = open(t, directory, files, 120);
      const committed: string[] = [];
      for (let record = 0; record < 8; record++) {
        try {
          append(writer, [put(`f${record}`, 'content')]);
          committed.push(`f${record}`);
        } catch (error) {
          assert.equal((error as NodeJS.ErrnoException).code, code);
          failures++;
        }
      }
      assert.deepEqual(
        replay(directory)
          .seen.flat()
          .map(({ path }) => path),
        committed,
      );
      writer.close();
    }
    assert.ok(failures >= 10, `${failures} commits failed`);
  });
}

test('a record that was cut short by ENOSPC is cut off again', (t) => {
  const directory = temporaryDirectory(t);
  let full = false;
  const files = {
    ...syncFileOperations,
    write: (fd: number, bytes: Uint8Array, offset: number, length: number) => {
      if (!full) return syncFileOperations.write(fd, bytes, offset, length);
      if (length < 20) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
      return syncFileOperations.write(fd, bytes, offset, length - 10);
    },
  };
  const { writer } = open(t, directory, files);
  append(writer, [put('a', 'a')]);
  const path = join(directory, '0000000001.log');
  const { size } = fs.statSync(path);
  full = true;
  assert.throws(() => append(writer, [put('b', 'b'.repeat(40))]), { code: 'ENOSPC' });
  assert.equal(fs.statSync(path).size, size);
  full = false;
  append(writer, [put('c', 'c')]);
  assert.equal(writer.segment, 1);
  assert.deepEqual(
    replay(directory)
      .seen.flat()
      .map(({ path }) => path),
    ['a', 'c'],
  );
});

test('where a torn record cannot be cut off the segment is abandoned, and the next goes on without a hole', (t) => {
  const directory = temporaryDirectory(t);
  let broken = false;
  const refuse = () => {
    throw Object.assign(new Error('broken'), { code: 'EIO' });
  };
  const files: SyncFileOperations = {
    ...syncFileOperations,
    write: (fd, bytes, offset, length) => {
      if (!broken) return syncFileOperations.write(fd, bytes, offset, length);
      return length < 20 ? refuse() : syncFileOperations.write(fd, bytes, offset, 15);
    },
    ftruncate: (fd, size) => (broken ? refuse() : syncFileOperations.ftruncate(fd, size)),
  };
  const { writer } = open(t, directory, files);
  append(writer, [put('a', 'a')]);
  broken = true;
  assert.throws(() => append(writer, [put('b', 'b')]), { code: 'EIO' });
  broken = false;
  append(writer, [put('c', 'c')]);
  assert.equal(writer.segment, 2);
  const result = replay(directory);
  assert.deepEqual(
    result.seen.flat().map(({ path }) => path),
    ['a', 'c'],
  );
  assert.ok(result.droppedBytes > 0);
});

test('a segment without a record is not abandoned: nothing would tell that none is missing before the next one', (t) => {
  const directory = temporaryDirectory(t);
  let broken = true;
  const refuse = () => {
    throw Object.assign(new Error('broken'), { code: 'EIO' });
  };
  const files: SyncFileOperations = {
    ...syncFileOperations,
    write: (fd, bytes, offset, length) => {
      if (!broken || length === SegmentHeader.SIZE)
        return syncFileOperations.write(fd, bytes, offset, length);
      return length < 20 ? refuse() : syncFileOperations.write(fd, bytes, offset, 15);
    },
    ftruncate: (fd, size) => (broken ? refuse() : syncFileOperations.ftruncate(fd, size)),
  };
  const { writer } = open(t, directory, files);
  assert.throws(() => append(writer, [put('a', 'a')]), { code: 'EIO' });
  writer.roll();
  assert.throws(() => append(writer, [put('b', 'b')]), { code: 'EIO' });
  broken = false;
  append(writer, [put('c', 'c')]);
  const result = replay(directory);
  assert.deepEqual(
    result.seen.flat().map(({ path }) => path),
    ['c'],
  );
  assert.equal(result.droppedBytes, 0);
});

test('a segment without a record that is gone meanwhile is not cut off: what is appended goes into the next one', (t) => {
  const directory = temporaryDirectory(t);
  let broken = true;
  const refuse = () => {
    throw Object.assign(new Error('broken'), { code: 'EIO' });
  };
  const files: SyncFileOperations = {
    ...syncFileOperations,
    write: (fd, bytes, offset, length) =>
      broken && length !== SegmentHeader.SIZE
        ? refuse()
        : syncFileOperations.write(fd, bytes, offset, length),
    ftruncate: (fd, size) => (broken ? refuse() : syncFileOperations.ftruncate(fd, size)),
  };
  const { writer, progress } = open(t, directory, files);
  assert.throws(() => append(writer, [put('a', 'a')]), { code: 'EIO' });
  const number = writer.roll();
  progress.setRetired(number);
  fs.rmSync(segmentPath(directory, number));
  writer.closeRetired();
  broken = false;
  append(writer, [put('b', 'b')]);
  assert.deepEqual(
    replay(directory)
      .seen.flat()
      .map(({ path }) => path),
    ['b'],
  );
});

test('a segment is on stable storage before the next one starts, unless it was already', (t) => {
  const directory = temporaryDirectory(t);
  const calls: string[] = [];
  const files = faultySync((operation) => void calls.push(operation));
  const { writer, progress } = open(t, directory, files);
  append(writer, [remove('a')]);
  writer.roll();
  append(writer, [remove('b')]);
  assert.equal(calls.filter((call) => call === 'fdatasync').length, 1);
  assert.ok(calls.indexOf('fdatasync') < calls.lastIndexOf('write'));
  progress.setSynced(progress.mark().appends);
  writer.roll();
  append(writer, [remove('c')]);
  assert.equal(calls.filter((call) => call === 'fdatasync').length, 1);
});

test('a retired segment is closed and answers ENOENT, the current one goes on', {
  skip: process.platform !== 'linux',
}, (t) => {
  const directory = temporaryDirectory(t);
  const { writer, progress } = open(t, directory);
  const position = append(writer, [put('a', 'old')]);
  writer.roll();
  const live = append(writer, [put('a', 'new')]);
  const descriptors = () => fs.readdirSync('/proc/self/fd').length;
  const before = descriptors();
  fs.unlinkSync(join(directory, '0000000001.log'));
  assert.equal(writer.readSync(1, position, 3).toString(), 'old', 'readable until it is called retired');
  progress.setRetired(1);
  writer.closeRetired();
  assert.equal(descriptors(), before - 1);
  assert.throws(() => writer.readSync(1, position, 3), { code: 'ENOENT' });
  assert.equal(writer.readSync(2, live, 3).toString(), 'new');
});

test('an append goes on after the closed segment was retired before it', (t) => {
  const directory = temporaryDirectory(t);
  const { writer, progress } = open(t, directory);
  append(writer, [put('a', 'a')]);
  progress.setRetired(writer.roll());
  fs.unlinkSync(join(directory, '0000000001.log'));
  append(writer, [put('b', 'b')]);
  assert.equal(writer.segment, 2);
  assert.deepEqual(
    replay(directory)
      .seen.flat()
      .map(({ path }) => path),
    ['b'],
  );
});

test('a segment that the disk does not have yet grows on, up to a limit, and is closed once the disk has it', (t) => {
  const directory = temporaryDirectory(t);
  const progress = new JournalProgress();
  const sizes = { segmentBytes: 200, unsyncedSegmentBytes: 1000 };
  const writer = new JournalWriter(directory, { nextSegment: 1, nextSeq: 1, progress, ...sizes });
  t.after(() => writer.close());
  const grow = () => append(writer, [put('f', 'x'.repeat(100))]);
  for (let i = 0; i < 5; i++) grow();
  assert.equal(writer.segment, 1, 'nothing was synced: it went on');
  assert.ok(progress.bytes > 200);
  for (let i = 0; i < 3; i++) grow();
  assert.equal(writer.segment, 2, 'it is over the limit');
  grow();
  assert.equal(writer.segment, 2);
  progress.setSynced(progress.mark().appends);
  grow();
  assert.equal(writer.segment, 3, 'the disk has all of it');
});
