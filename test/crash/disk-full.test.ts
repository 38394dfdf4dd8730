/** ENOSPC at each write that the store makes, one at a time: the version before stays, and writing goes on with room. */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { RENAME_EXCHANGE, ROOT_NODE } from '../../src/fs/contract.ts';
import { Errno } from '../../src/lib/errno.ts';
import {
  type FileOperations,
  fileOperations,
  type SyncFileOperations,
  syncFileOperations,
} from '../../src/lib/file-operations.ts';
import { S_IFREG } from '../../src/lib/file-type.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { Prng } from '../drivers/support/prng.ts';
import { CALLER, Harness, type HarnessOptions, newAttributes, newEntry } from '../fs/harness.ts';
import { SmallDisk } from '../mounted/small-disk.ts';
import { goesOn } from './support/goes-on.ts';
import { History } from './support/history.ts';
import { differences, snapshot } from './support/snapshot.ts';

const entry = newEntry();
const attributes = newAttributes();
const document = (version: number) => Buffer.from(JSON.stringify({ version, filler: 'x'.repeat(200) }));

type Step = (h: Harness) => number;

function find(h: Harness, path: string): number {
  let node: number = ROOT_NODE;
  for (const name of path.split('/').filter((part) => part !== '')) {
    h.fs.lookup(node, name, entry);
    node = entry.nodeId;
  }
  return node;
}

const mkdir =
  (name: string): Step =>
  (h) =>
    h.fs.mkdir(ROOT_NODE, name, 0o700, CALLER, entry);

/** Each is one call of an application; what is not a call is written before it. */
const create =
  (folder: string, name: string): Step =>
  (h) =>
    h.fs.mknod(find(h, folder), name, S_IFREG | 0o600, CALLER, entry);
const write =
  (path: string, data: Buffer, offset = 0): Step =>
  (h) =>
    h.fs.write(find(h, path), offset, data, false);
const truncate =
  (path: string, size = 0): Step =>
  (h) =>
    h.fs.setattr(find(h, path), { size }, attributes);
const rename =
  (folder: string, name: string, newName: string, flags = 0): Step =>
  (h) =>
    h.fs.rename(find(h, folder), name, find(h, folder), newName, flags);

const steps: Step[] = [
  mkdir('u-+1'),
  mkdir('d'),
  create('u-+1', 'notes.txt'),
  write('u-+1/notes.txt', Buffer.from('some text')),
  write('u-+1/notes.txt', Buffer.from(' and more'), 9),
  (h) => h.fs.fsync(find(h, 'u-+1/notes.txt')),
  create('u-+1', 'creds.json.tmp'),
  write('u-+1/creds.json.tmp', document(1)),
  rename('u-+1', 'creds.json.tmp', 'creds.json'),
  truncate('u-+1/creds.json'),
  write('u-+1/creds.json', document(2)),
  truncate('u-+1/creds.json'),
  write('u-+1/creds.json', document(3).subarray(0, 100)),
  write('u-+1/creds.json', document(3).subarray(100), 100),
  (h) => h.fs.setattr(find(h, 'u-+1/creds.json'), { mode: 0o640 }, attributes),
  (h) => h.fs.symlink(find(h, 'u-+1'), 'link', 'creds.json', CALLER, entry),
  rename('u-+1', 'notes.txt', 'creds.json.bak', 0),
  rename('u-+1', 'creds.json.bak', 'link', RENAME_EXCHANGE),
  rename('', 'u-+1', 'u-+2'),
  (h) => h.fs.unlink(find(h, 'u-+2'), 'link'),
  (h) => h.fs.rmdir(ROOT_NODE, 'd'),
];

function harness(t: TestContext, options: HarnessOptions): Harness {
  const made = new Harness(options);
  t.after(() => made.remove());
  return made;
}

function undisturbed(t: TestContext) {
  const h = harness(t, { segmentBytes: 1500 });
  for (const step of steps) {
    assert.ok(step(h) >= 0);
    h.fs.takeClosedSegment();
  }
  return snapshot(h);
}

type Part = 'nothing of it' | 'a part of it';

/** The `fails`-th write meets the end of the disk. */
function fullJournalDisk(fails: number, part: Part): { files: SyncFileOperations; met: () => boolean } {
  let writes = 0;
  let state: 'room' | 'half written' | 'met' = 'room';
  const full = () => {
    state = 'met';
    return systemError('ENOSPC', 'write', 'injected');
  };
  const write: SyncFileOperations['write'] = (fd, bytes, offset, length) => {
    if (state === 'half written') throw full();
    if (writes++ !== fails) return syncFileOperations.write(fd, bytes, offset, length);
    if (part === 'nothing of it') throw full();
    state = 'half written';
    return syncFileOperations.write(fd, bytes, offset, Math.ceil(length / 2));
  };
  return { files: { ...syncFileOperations, write }, met: () => state === 'met' };
}

for (const part of ['nothing of it', 'a part of it'] as const) {
  test(`a write to the journal of which ${part} fits: ENOSPC, the version before, and again with room`, async (t) => {
    const expected = undisturbed(t);
    let refused = 0;
    for (let fails = 0, reached = true; reached; fails++) {
      const disk = fullJournalDisk(fails, part);
      const h = harness(t, { segmentBytes: 1500, journalFiles: disk.files });
      for (const [index, step] of steps.entries()) {
        const before = snapshot(h);
        const context = `write ${fails}, step ${index}`;
        let answer = step(h);
        if (answer < 0) {
          assert.equal(answer, Errno.ENOSPC, context);
          assert.deepEqual(differences(snapshot(h), before), [], context);
          refused++;
          answer = step(h);
        }
        assert.ok(answer >= 0, `${context}: ${answer}`);
        h.fs.takeClosedSegment();
      }
      reached = disk.met();
      assert.deepEqual(differences(snapshot(h), expected), [], `write ${fails}`);
      h.restart({ segmentBytes: 1500 });
      assert.deepEqual(differences(snapshot(h), expected), [], `write ${fails}, restarted`);
      await goesOn(h, `write ${fails}`);
    }
    assert.ok(refused >= steps.length, `${refused} refused`);
    t.diagnostic(`${refused} calls refused`);
  });
}

/** The disk is full at the `fails`-th operation that needs room, or from there on. */
function fullDisk(fails: number, stays: boolean): { files: FileOperations; met: () => boolean } {
  let needs = 0;
  let met = false;
  const check = (operation: string) => {
    const n = needs++;
    if (stays ? n < fails : n !== fails) return;
    met = true;
    throw systemError('ENOSPC', operation, 'injected');
  };
  const files: FileOperations = {
    ...fileOperations,
    open: async (path, flags, mode) => {
      if ((flags & 0o100) !== 0) check('open');
      return fileOperations.open(path, flags, mode);
    },
    write: async (fd, bytes) => {
      check('write');
      return fileOperations.write(fd, bytes);
    },
    rename: async (from, to) => {
      check('rename');
      return fileOperations.rename(from, to);
    },
    link: async (from, to) => {
      check('link');
      return fileOperations.link(from, to);
    },
    mkdir: async (path, mode) => {
      check('mkdir');
      return fileOperations.mkdir(path, mode);
    },
  };
  return { files, met: () => met };
}

for (const stays of [false, true]) {
  const until = stays ? 'and stays so' : 'once';
  test(`a disk that is full at any step of a checkpoint, ${until}: nothing is lost, the next one completes`, async (t) => {
    const expected = undisturbed(t);
    let full = 0;
    for (let fails = 0, met = true; met; fails++) {
      const disk = fullDisk(fails, stays);
      const h = harness(t, { segmentBytes: 1500, cacheFiles: disk.files });
      for (const step of steps) {
        step(h);
        h.fs.takeClosedSegment();
      }
      const report = await h.checkpoint();
      met = disk.met();
      if (report?.outcome === 'disk-full') full++;
      assert.ok(!stays || !met || report?.outcome !== undefined);
      assert.deepEqual(differences(snapshot(h), expected), [], `operation ${fails}`);
      h.restart({ segmentBytes: 1500 });
      assert.deepEqual(differences(snapshot(h), expected), [], `operation ${fails}, restarted`);
      await goesOn(h, `operation ${fails}`);
    }
    assert.ok(!stays || full > 0);
    t.diagnostic(`${full} checkpoints were stopped by the full disk`);
  });
}

test('on a disk that is really full calls are refused one by one, and with room they are not', async (t) => {
  const disk = new SmallDisk(t, 1);
  const h = new Harness({ within: disk.path, segmentBytes: 64 * 1024 });
  let refused = 0;
  let before = snapshot(h);
  const prng = new Prng(1);
  const history = new History(
    h,
    (below) => prng.below(below),
    (answer) => {
      const after = snapshot(h);
      if (answer === Errno.ENOSPC) {
        refused++;
        assert.deepEqual(differences(after, before), []);
      }
      before = after;
    },
  );
  for (let step = 0; step < 20_000 && refused < 100; step++) history.step();
  assert.equal(refused, 100);
  h.restart();
  assert.deepEqual(differences(snapshot(h), before), []);
  disk.grow(8);
  assert.equal((await h.checkpoint())?.outcome, 'complete');
  assert.deepEqual(differences(snapshot(h), before), []);
  await goesOn(h, 'with room');
  h.crash();
});
