import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { fuse_out_header } from '../../../src/drivers/direct/abi/headers.ts';
import { SyncQueue } from '../../../src/drivers/direct/sync-queue.ts';
import type { SyncThreadData } from '../../../src/drivers/direct/sync-thread.ts';
import { SyncThreadLink } from '../../../src/drivers/direct/sync-thread-link.ts';
import { programFile } from '../../../src/lib/own-files.ts';
import { FilesystemCounters } from '../../../src/observe/filesystem-counters.ts';
import { segmentPath } from '../../../src/store/journal/format.ts';
import { JournalProgress } from '../../../src/store/journal/progress.ts';
import { JournalSync } from '../../../src/store/journal/sync.ts';
import { JournalWriter } from '../../../src/store/journal/writer.ts';
import { append, put } from '../../store/support.ts';
import { openFiles } from '../../support/open-files.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { until } from '../../support/until.ts';

const REPLY_BYTES = fuse_out_header.SIZE;

/** A thread whose kernel is a file, with a journal beside it. */
class Rig {
  readonly journalDirectory: string;
  readonly queue = new SyncQueue();
  readonly progress = new JournalProgress();
  readonly counters = new FilesystemCounters();
  readonly sync: JournalSync;
  readonly thread: Worker;
  /** What it left to the main thread. */
  readonly left: unknown[] = [];
  readonly #writer: JournalWriter;
  readonly #kernel: string;

  constructor(t: TestContext) {
    const directory = temporaryDirectory(t);
    this.journalDirectory = join(directory, 'journal');
    this.#kernel = join(directory, 'kernel');
    mkdirSync(this.journalDirectory);
    const fuseFd = openSync(this.#kernel, 'a');
    const { progress, queue, counters, journalDirectory } = this;
    this.#writer = new JournalWriter(journalDirectory, { nextSegment: 1, nextSeq: 1, progress });
    this.sync = new JournalSync({
      directory: journalDirectory,
      progress,
      replayed: { segments: [], nextSegment: 1 },
      onFailure: () => {},
    });
    const shared = { queue: queue.shared, progress: progress.shared, counters: counters.shared };
    this.thread = new Worker(programFile('drivers/direct/sync-thread'), {
      workerData: { ...shared, journalDirectory, fuseFd, inFlightFd: -1 } satisfies SyncThreadData,
    });
    this.thread.on('message', (message) => this.left.push(message));
    t.after(async () => {
      await this.thread.terminate();
      await this.sync.close();
      this.#writer.close();
      closeSync(fuseFd);
    });
  }

  append(): void {
    append(this.#writer, [put('a', 'x')]);
  }

  roll(): void {
    this.#writer.roll();
  }

  /** The low words of the numbers that were replied to with success. */
  replies(): number[] {
    const bytes = readFileSync(this.#kernel);
    return Array.from({ length: bytes.length / REPLY_BYTES }, (_, index) => {
      const at = index * REPLY_BYTES;
      assert.equal(bytes.readInt32LE(at + fuse_out_header.error), 0);
      return bytes.readUInt32LE(at + fuse_out_header.unique);
    });
  }

  /** Descriptors of this process on journal segments. */
  descriptors(): number {
    return openFiles('self').filter(({ target }) => target.startsWith(this.journalDirectory)).length;
  }
}

async function opened(t: TestContext): Promise<Rig> {
  const rig = new Rig(t);
  await until(() => rig.queue.isOpen);
  return rig;
}

test('an fsync is answered once its segment is on the disk, and nothing is left to sync', async (t) => {
  const rig = await opened(t);
  rig.append();
  await rig.sync.sync();
  rig.append();
  assert.equal(rig.progress.synced, false);
  for (const number of [7, 9]) assert.ok(rig.queue.add(number, 0, 0));
  await until(() => rig.replies().length === 2);
  assert.deepEqual(rig.replies(), [7, 9]);
  assert.equal(rig.progress.synced, true);
  assert.deepEqual(rig.left, []);
  await until(() => rig.counters.operationCounts('fsync').counts.reduce((a, b) => a + b) === 2);
});

test('what is not usual is left to the main thread: before its first sync, after a new segment, once the disk refuses', async (t) => {
  const rig = await opened(t);
  const leaves = async (number: number) => {
    assert.ok(rig.queue.add(number, 1, 2));
    await until(() => rig.left.length === 1);
    const expected = { to: 'kernel', type: 'sync-then-reply', uniqueLo: number, uniqueHi: 1, slot: 2 };
    assert.deepEqual(rig.left.splice(0), [expected]);
  };
  rig.append();
  await leaves(1);
  await rig.sync.sync();
  rig.roll();
  rig.append();
  await leaves(3);
  await rig.sync.sync();
  const refusing = segmentPath(rig.journalDirectory, 2);
  unlinkSync(refusing);
  symlinkSync('/dev/null', refusing);
  rig.append();
  await leaves(5);
  assert.equal(rig.progress.mayBeSynced(2), false);
  assert.deepEqual(rig.replies(), []);
});

test('a segment that is gone is closed, and a thread whose queue is closed answers the rest and ends', async (t) => {
  const rig = await opened(t);
  rig.append();
  await rig.sync.sync();
  rig.append();
  assert.ok(rig.queue.add(1, 0, 0));
  await until(() => rig.replies().length === 1);
  const before = rig.descriptors();
  rig.roll();
  rig.append();
  await rig.sync.sync();
  rig.progress.setRetired(1);
  rig.queue.nudge();
  // The writer's stays open until its next append; this thread's and the main thread's are gone, one of segment 2 came.
  await until(() => rig.descriptors() === before);
  const exited = once(rig.thread, 'exit');
  rig.append();
  assert.ok(rig.queue.add(3, 0, 0));
  rig.queue.close();
  await exited;
  assert.deepEqual(rig.replies(), [1, 3]);
  assert.equal(rig.queue.add(5, 0, 0), false);
});

test('where all is on the disk already none is written, and a segment that is gone is no reason for another way', async (t) => {
  const rig = await opened(t);
  rig.append();
  await rig.sync.sync();
  rig.progress.setRetired(1);
  unlinkSync(segmentPath(rig.journalDirectory, 1));
  assert.ok(rig.queue.add(1, 0, 0));
  await until(() => rig.replies().length + rig.left.length === 1);
  assert.deepEqual([rig.replies(), rig.left], [[1], []]);
});

test('a thread that has ended before it began, or cannot be started, is not waited for and takes no call', async (t) => {
  const directory = temporaryDirectory(t);
  const failures: Error[] = [];
  const events = { left: () => {}, failed: (error: Error) => void failures.push(error) };
  const shared = {
    progress: new JournalProgress().shared,
    counters: new FilesystemCounters().shared,
    journalDirectory: directory,
    fuseFd: -1,
    inFlightFd: -1,
  };
  const broken = join(directory, 'broken.mjs');
  writeFileSync(broken, 'throw new Error("another version of it lies on the disk");');
  const gone = new SyncThreadLink(events, broken);
  gone.begin(shared);
  await gone.end();
  // It has exited by now.
  await gone.end();
  const refused = new SyncThreadLink(events, 'no absolute path');
  refused.begin(shared);
  await refused.end();
  const begun = join(directory, 'begun');
  const marking = join(directory, 'marking.mjs');
  writeFileSync(marking, `import { writeFileSync } from 'node:fs'; writeFileSync('${begun}', '');`);
  const late = new SyncThreadLink(events, marking);
  await late.end();
  late.begin(shared);
  await late.end();
  assert.equal(existsSync(begun), false);
  for (const { queue } of [gone, refused, late]) assert.equal(queue.add(1, 0, 0), false);
  assert.deepEqual(failures, []);
});

test('a queue takes so many calls as it has room for, in their order, however often it went round', () => {
  const queue = new SyncQueue();
  assert.equal(queue.add(1, 0, 0), false, 'no thread takes them yet');
  queue.open();
  for (let round = 0; round < 3; round++) {
    const added: number[] = [];
    for (let number = 1; queue.add(number, round, 0); number++) added.push(number);
    assert.equal(added.length, 256);
    assert.deepEqual(
      queue.take().map(({ uniqueLo, uniqueHi }) => [uniqueLo, uniqueHi]),
      added.map((number) => [number, round]),
    );
    assert.deepEqual(queue.take(), []);
  }
  queue.close();
  queue.open();
  assert.equal(queue.isOpen, false, 'closed for good');
});
