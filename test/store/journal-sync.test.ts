import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type FileOperations, fileOperations } from '../../src/lib/file-operations.ts';
import { JournalProgress } from '../../src/store/journal/progress.ts';
import { JournalSync } from '../../src/store/journal/sync.ts';
import { JournalWriter } from '../../src/store/journal/writer.ts';
import { append, put, replay, temporaryDirectory } from './support.ts';

const HANG_MS = 20_000;

/** A journal whose disk tells what was synced ('1': segment 1, 'directory'), waits at `gate`, and fails on demand. */
class SyncRig {
  readonly progress = new JournalProgress();
  readonly synced: string[] = [];
  readonly failures: unknown[] = [];
  readonly sync: JournalSync;
  gate: Promise<void> = Promise.resolve();
  failing: string | undefined;
  readonly #writer: JournalWriter;
  readonly #names = new Map<number, string>();

  constructor(t: TestContext, directory = temporaryDirectory(t)) {
    const replayed = replay(directory);
    this.#writer = new JournalWriter(directory, { ...replayed, progress: this.progress });
    const onFailure = (error: unknown) => this.failures.push(error);
    const { progress } = this;
    this.sync = new JournalSync({ directory, progress, replayed, onFailure, files: this.#files() });
    t.after(async () => {
      await this.sync.close();
      this.#writer.close();
    });
  }

  #files(): FileOperations {
    const note = async (fd: number) => {
      await this.gate;
      const name = this.#names.get(fd) ?? '?';
      if (name === this.failing) throw Object.assign(new Error('failed'), { code: 'EIO' });
      this.synced.push(name);
    };
    return {
      ...fileOperations,
      open: async (path, flags, mode) => {
        const fd = await fileOperations.open(path, flags, mode);
        const number = /0*(\d+)\.log$/.exec(path)?.[1];
        this.#names.set(fd, number ?? 'directory');
        return fd;
      },
      fdatasync: note,
      fsync: note,
    };
  }

  append(roll = false): void {
    append(this.#writer, [put('a', 'x')]);
    if (roll) this.#writer.roll();
  }
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** A sync that never comes fails the test in place of the whole run. */
async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + HANG_MS;
  while (!condition()) {
    assert.ok(performance.now() < endMs, `waited ${HANG_MS} ms until ${condition}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('sync brings the segments to the disk, and their names when there are new ones', async (t) => {
  const rig = new SyncRig(t);
  rig.append(true);
  rig.append();
  await rig.sync.sync();
  assert.deepEqual(rig.synced, ['1', '2', 'directory']);
  assert.equal(rig.progress.synced, true);
  rig.append();
  await rig.sync.sync();
  assert.deepEqual(rig.synced, ['1', '2', 'directory', '2']);
  await rig.sync.sync();
  assert.equal(rig.synced.length, 4, 'nothing new, nothing to do');
});

test('what was appended to a segment after its last sync is synced though a newer segment has begun', async (t) => {
  const rig = new SyncRig(t);
  rig.append();
  await rig.sync.sync();
  rig.synced.length = 0;
  rig.append(true);
  rig.append();
  await rig.sync.sync();
  assert.deepEqual(rig.synced, ['1', '2', 'directory']);
});

test('segments of an earlier process are synced too', async (t) => {
  const directory = temporaryDirectory(t);
  new SyncRig(t, directory).append();
  const rig = new SyncRig(t, directory);
  await rig.sync.sync();
  assert.deepEqual(rig.synced, ['1', 'directory']);
});

test('callers that come during a sync share the next one, which covers what was appended before they came', async (t) => {
  const rig = new SyncRig(t);
  rig.append();
  const { promise, resolve } = withResolvers();
  rig.gate = promise;
  const first = rig.sync.sync();
  await turns();
  rig.append();
  const second = rig.sync.sync();
  const third = rig.sync.sync();
  assert.equal(second, third);
  resolve();
  await first;
  assert.equal(rig.progress.synced, false);
  await second;
  assert.deepEqual(rig.synced, ['1', 'directory', '1']);
  assert.equal(rig.progress.synced, true);
});

test('an append is synced within 100 ms, once for all that came meanwhile', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const rig = new SyncRig(t);
  rig.append();
  assert.equal(rig.progress.shouldNotify(), true);
  rig.sync.appended();
  rig.append();
  assert.equal(rig.progress.shouldNotify(), false, 'main knows already');
  rig.sync.appended();
  await turns();
  assert.deepEqual(rig.synced, []);
  t.mock.timers.tick(100);
  await until(() => rig.progress.synced);
  assert.deepEqual(rig.synced, ['1', 'directory']);
  rig.append();
  assert.equal(rig.progress.shouldNotify(), true, 'the next one is news again');
});

test('a failed sync rejects its callers and is reported; the segment stays failed until it is retired', async (t) => {
  const rig = new SyncRig(t);
  rig.append(true);
  rig.failing = '1';
  await assert.rejects(rig.sync.sync(), { code: 'EIO' });
  assert.equal(rig.failures.length, 1);
  assert.equal(rig.progress.synced, false);
  rig.failing = undefined;
  rig.append();
  await assert.rejects(rig.sync.sync(), { code: 'EIO' }, 'the kernel would call it synced now');
  rig.progress.setRetired(1);
  await rig.sync.sync();
  assert.equal(rig.progress.synced, true);
});

test('another thread may sync a segment that was synced, but not while that is done again, nor once it has failed', async (t) => {
  const rig = new SyncRig(t);
  rig.append();
  await rig.sync.sync();
  assert.equal(rig.progress.mayBeSynced(1), true);
  const { promise, resolve } = withResolvers();
  rig.gate = promise;
  rig.append();
  const again = rig.sync.sync();
  await turns();
  assert.equal(rig.progress.mayBeSynced(1), false);
  resolve();
  await again;
  assert.equal(rig.progress.mayBeSynced(1), true);
  rig.append();
  rig.failing = '1';
  await assert.rejects(rig.sync.sync(), { code: 'EIO' });
  assert.equal(rig.progress.mayBeSynced(1), false);
});

test('a sync that the timer started and that fails is reported, and no other caller is disturbed', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const rig = new SyncRig(t);
  rig.append();
  rig.failing = '1';
  rig.sync.appended();
  t.mock.timers.tick(100);
  await until(() => rig.failures.length > 0);
  assert.equal(rig.failures.length, 1);
});

test('after close nothing is promised any more', async (t) => {
  const rig = new SyncRig(t);
  rig.append();
  await rig.sync.close();
  await assert.rejects(rig.sync.sync());
});

function withResolvers() {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
