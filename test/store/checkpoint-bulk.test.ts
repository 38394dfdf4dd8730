/** Many files are written and renamed by a thread of their own: in the same order, and with the same outcome. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BulkFiles, type NewFile, type Renaming } from '../../src/lib/bulk-files.ts';
import { type FileOperations, fileOperations } from '../../src/lib/file-operations.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { ClosedSegments } from '../../src/store/checkpoint/closed-segments.ts';
import type { StoredBytes } from '../../src/store/checkpoint/plan.ts';
import { append, mkdir, put, Rig } from './support.ts';

const FILES = 600;

/** What reaches the disk, in order, with how many files. */
class Recorded {
  readonly done: string[] = [];
  thread = new BulkFiles();

  readonly operations: FileOperations = {
    ...fileOperations,
    open: (path, flags, mode) => {
      if (path.includes('/tmp/')) this.done.push('written alone');
      return fileOperations.open(path, flags, mode);
    },
    rename: (from, to) => {
      this.done.push('renamed alone');
      return fileOperations.rename(from, to);
    },
    syncFilesystem: async () => {
      this.done.push('synced');
      return true;
    },
    bulk: () => this.#bulk(),
  };

  #bulk(): BulkFiles {
    const { thread, done } = this;
    return Object.assign(Object.create(thread) as BulkFiles, {
      write: (files: readonly NewFile[]) => {
        done.push(`written ${files.length}`);
        return thread.write(files);
      },
      rename: <T extends Renaming>(renamings: readonly T[]) => {
        done.push(`renamed ${renamings.length}`);
        return thread.rename(renamings);
      },
      close: () => {
        done.push('ended');
        return thread.close();
      },
    });
  }
}

function fill(rig: Rig): void {
  append(rig.writer, [mkdir('s-+1'), mkdir('s-+2')]);
  for (let i = 0; i < FILES; i++) append(rig.writer, [put(`s-+${1 + (i % 2)}/f${i}`, `content ${i}`)]);
}

function assertStored(rig: Rig): void {
  for (let i = 0; i < FILES; i++)
    assert.equal(rig.cache.readSync(`s-+${1 + (i % 2)}/f${i}`).toString(), `content ${i}`);
  assert.deepEqual(rig.tree('tmp'), {});
}

test('all are written, then one sync, then all are renamed, then the folders are synced', async (t) => {
  const rig = new Rig(t);
  const disk = new Recorded();
  fill(rig);
  const report = await rig.checkpointer(disk.operations, { bulkMin: 2 }).run(rig.writer.roll());
  assert.deepEqual([report.outcome, report.filesWritten], ['complete', FILES]);
  assert.deepEqual(disk.done.slice(0, 6), [
    'written 256',
    'written 256',
    'written 88',
    'synced',
    `renamed ${FILES}`,
    'ended',
  ]);
  assertStored(rig);
  const { mode } = fs.statSync(join(rig.cachePath, 'sessions/s/+1/f0'));
  assert.equal(mode & 0o777, 0o600);
  assert.deepEqual(rig.segments(), []);
});

test('what the thread cannot do is done by itself, and a path that is blocked costs itself', async (t) => {
  const rig = new Rig(t);
  const disk = new Recorded();
  fill(rig);
  // No folder is made for it, and the other one's name is a folder's.
  append(rig.writer, [put('s-+3/new', 'x'), put('s-+1/blocked', 'x')]);
  fs.mkdirSync(join(rig.cachePath, 'sessions/s/+1/blocked/inner'), { recursive: true });
  const report = await rig.checkpointer(disk.operations, { bulkMin: 2 }).run(rig.writer.roll());
  assert.deepEqual([report.outcome, report.unstored], ['partial', ['s-+1/blocked']]);
  assert.equal(
    disk.done.filter((each) => each === 'renamed alone').length,
    3,
    'the folder is made in between',
  );
  assert.equal(rig.cache.readSync('s-+3/new').toString(), 'x');
  assertStored(rig);
});

test('a version that cannot be read costs itself', async (t) => {
  const rig = new Rig(t);
  const disk = new Recorded();
  fill(rig);
  const { read } = ClosedSegments.prototype;
  let bad: StoredBytes | undefined;
  t.mock.method(ClosedSegments.prototype, 'read', function (this: ClosedSegments, bytes: StoredBytes) {
    bad ??= bytes;
    return bytes === bad ? Promise.reject(systemError('EIO', 'read', 'segment')) : read.call(this, bytes);
  });
  const report = await rig.checkpointer(disk.operations, { bulkMin: 2 }).run(rig.writer.roll());
  assert.deepEqual(
    [report.outcome, report.unstored, report.filesWritten],
    ['partial', ['s-+1/f0'], FILES - 1],
  );
});

test('a thread that dies, or cannot be started, costs time only', async (t) => {
  const rig = new Rig(t);
  const disk = new Recorded();
  disk.thread = Object.assign(new BulkFiles(), {
    write: async (files: readonly NewFile[]) => new Set(files),
    rename: async <T extends Renaming>(renamings: readonly T[]) => new Set(renamings),
  });
  fill(rig);
  const report = await rig.checkpointer(disk.operations, { bulkMin: 2 }).run(rig.writer.roll());
  assert.deepEqual([report.outcome, report.filesWritten], ['complete', FILES]);
  assert.equal(disk.done.filter((each) => each === 'written alone').length, FILES);
});

test('a few files need no thread', async (t) => {
  const rig = new Rig(t);
  const disk = new Recorded();
  fill(rig);
  await rig.checkpointer(disk.operations).run(rig.writer.roll());
  assert.ok(!disk.done.includes('ended'));
  assertStored(rig);
});

test('files are read in the order of the journal, so that no segment is read once for each of them', async (t) => {
  const rig = new Rig(t);
  const segments = 4;
  append(rig.writer, [mkdir('s')]);
  for (let i = 0; i < segments * 25; i++) append(rig.writer, [put(`s/f${i}`, 'first')]);
  for (let part = 0; part < segments; part++) {
    rig.writer.roll();
    for (let i = part; i < segments * 25; i += segments) append(rig.writer, [put(`s/f${i}`, `${i}`)]);
  }
  const { read } = ClosedSegments.prototype;
  const order: number[] = [];
  t.mock.method(ClosedSegments.prototype, 'read', function (this: ClosedSegments, bytes: StoredBytes) {
    order.push(bytes.segment);
    return read.call(this, bytes);
  });
  const report = await rig.checkpoint();
  assert.deepEqual([report.outcome, report.filesWritten], ['complete', segments * 25]);
  assert.equal(new Set(order).size, segments);
  const changes = order.filter((segment, at) => at > 0 && segment !== order[at - 1]);
  assert.equal(changes.length, segments - 1);
  for (let i = 0; i < segments * 25; i++) assert.equal(rig.tree()[`s/f${i}`], `${i}`);
});
