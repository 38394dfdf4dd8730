/** What the journal does to the disk, in which order: a recorded disk says so, and no power cut has to be lucky. */
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { test } from 'node:test';
import { type SyncFileOperations, syncFileOperations } from '../../src/lib/file-operations.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { JournalProgress } from '../../src/store/journal/progress.ts';
import { replayJournal } from '../../src/store/journal/replay.ts';
import { JournalWriter } from '../../src/store/journal/writer.ts';
import { append, put, temporaryDirectory } from './support.ts';

/** A disk that notes each operation as `fsync NAME`, the base name of the file or directory. */
function recordedDisk(changes: Partial<SyncFileOperations> = {}) {
  const done: string[] = [];
  const names = new Map<number, string>();
  const real = { ...syncFileOperations, ...changes };
  const noting =
    <A extends [number, ...unknown[]], R>(operation: string, work: (...args: A) => R) =>
    (...args: A): R => {
      done.push(`${operation} ${names.get(args[0])}`);
      return work(...args);
    };
  const files: SyncFileOperations = {
    ...real,
    open: (path, flags, mode) => {
      const fd = real.open(path, flags, mode);
      names.set(fd, basename(path));
      done.push(`open ${basename(path)}`);
      return fd;
    },
    unlink: (path) => {
      done.push(`unlink ${basename(path)}`);
      real.unlink(path);
    },
    write: noting('write', real.write),
    fdatasync: noting('fdatasync', real.fdatasync),
    fsync: noting('fsync', real.fsync),
    ftruncate: noting('ftruncate', real.ftruncate),
  };
  return { done, files };
}

function writer(directory: string, files: SyncFileOperations): JournalWriter {
  return new JournalWriter(directory, { nextSegment: 1, nextSeq: 1, progress: new JournalProgress(), files });
}

const SYNCS = /^(open|fdatasync|fsync) /;

test('a segment and its name are on stable storage before the next segment is made', (t) => {
  const directory = temporaryDirectory(t);
  const { done, files } = recordedDisk();
  const journal = writer(directory, files);
  t.after(() => journal.close());
  append(journal, [put('a', 'one')]);
  const [first = ''] = done.filter((entry) => entry.startsWith('open ')).map((entry) => entry.slice(5));
  journal.roll();
  const from = done.length;
  append(journal, [put('b', 'two')]);
  const steps = done.slice(from).filter((entry) => SYNCS.test(entry));
  assert.deepEqual(steps.slice(0, 3), [
    `fdatasync ${first}`,
    `open ${basename(directory)}`,
    `fsync ${basename(directory)}`,
  ]);
  assert.match(steps[3] ?? '', /^open /);
});

test('a replay brings every segment that it found, and then their names, to stable storage', (t) => {
  const directory = temporaryDirectory(t);
  const journal = writer(directory, syncFileOperations);
  append(journal, [put('a', 'one')]);
  journal.roll();
  append(journal, [put('b', 'two')]);
  journal.close();
  const { done, files } = recordedDisk();
  const { segments } = replayJournal(directory, () => {}, files);
  assert.equal(segments.length, 2);
  const synced = done.filter((entry) => entry.startsWith('fsync '));
  assert.equal(synced.length, 3);
  assert.equal(new Set(synced).size, 3);
  assert.equal(synced[2], `fsync ${basename(directory)}`);
});

test('a segment whose header cannot be written is removed, and the append fails', (t) => {
  const directory = temporaryDirectory(t);
  const { done, files } = recordedDisk({
    write: () => {
      throw systemError('ENOSPC', 'write', 'no space left on device');
    },
  });
  const journal = writer(directory, files);
  t.after(() => journal.close());
  assert.throws(() => append(journal, [put('a', 'one')]), { code: 'ENOSPC' });
  const [opened = ''] = done.filter((entry) => entry.startsWith('open '));
  assert.ok(done.includes(opened.replace('open', 'unlink')), done.join(', '));
});

test('a device that takes no bytes is an error, not success', (t) => {
  const { files } = recordedDisk({ write: () => 0 });
  const journal = writer(temporaryDirectory(t), files);
  t.after(() => journal.close());
  assert.throws(() => append(journal, [put('a', 'one')]), { code: 'EIO' });
});
