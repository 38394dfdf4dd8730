import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { FileOperations } from '../../src/lib/file-operations.ts';
import { OpFlag, OpType } from '../../src/store/journal/format.ts';
import { replayJournal } from '../../src/store/journal/replay.ts';
import { JournalWriter } from '../../src/store/journal/writer.ts';
import { append, faultyAsync, mkdir, put, Rig, remove, rmdir, type SimpleOp } from './support.ts';

/** A disk on which everything fails from operation `from` on, as after SIGKILL. */
const dying = (from: number): FileOperations =>
  faultyAsync((_, index) => (index >= from ? 'EIO' : undefined));

const scenario: { before: SimpleOp[]; records: SimpleOp[][] } = {
  before: [
    mkdir('d', 'meta'),
    mkdir('d/old', 'meta'),
    put('d/old/f', 'old'),
    put('d/changes', 'was a file'),
    put('s-+1/creds.json', 'damaged'),
    put('top.json', 'old'),
  ],
  records: [
    [put('s-+1/creds.json', 'v1', OpFlag.KEEP_OLD), put('top.json', 'v1')],
    [remove('d/old/f'), rmdir('d/old'), put('d/old', 'now a file')],
    [remove('d/changes'), mkdir('d/changes', 'now a directory'), put('d/changes/f', 'x')],
    [put('s-+2/creds.json', 'other session'), put('s-+1/creds.json', 'v2'), remove('top.json')],
    [mkdir('n'), mkdir('n/m', 'meta'), { type: OpType.DIRECTORY_META, path: 'd', data: 'meta 2' }],
  ],
};

async function rigWith(t: TestContext): Promise<Rig> {
  const rig = new Rig(t, 200);
  append(rig.writer, scenario.before);
  await rig.checkpoint();
  for (const record of scenario.records) append(rig.writer, record);
  return rig;
}

test('a checkpoint that dies at any file operation and is run again ends as one that did not', async (t) => {
  const undisturbed = await rigWith(t);
  await undisturbed.checkpoint();
  const expected = undisturbed.tree();
  assert.equal(expected['d/old'], 'now a file');
  assert.equal(expected['d/changes/f'], 'x');
  let died = 0;
  for (let from = 0, dies = true; dies; from++) {
    const rig = await rigWith(t);
    dies = await rig.checkpoint(dying(from)).then(
      () => false,
      () => true,
    );
    // What dies in the very last step, the reserve, is no failure of the run.
    if (dies) died++;
    rig.cache.removeLeftoversSync();
    replayJournal(rig.cache.journalDirectory, () => {});
    assert.equal((await rig.checkpoint()).outcome, 'complete');
    assert.deepEqual(rig.tree(), expected, `died at operation ${from}`);
    assert.deepEqual(Object.values(rig.tree('set-aside')), ['damaged'], `died at operation ${from}`);
    assert.deepEqual(rig.segments(), []);
    rig.writer.close();
  }
  assert.ok(died > 60, `died ${died} times`);
});

test('ENOSPC at any file operation loses nothing, and the next run completes', async (t) => {
  const undisturbed = await rigWith(t);
  await undisturbed.checkpoint();
  let hits = 0;
  for (let failing = 0, hit = true; hit; failing++) {
    hit = false;
    const rig = await rigWith(t);
    const files = faultyAsync((_, index) => {
      if (index < failing) return undefined;
      hit = true;
      return 'ENOSPC';
    });
    // A disk that cannot even unlink the reserve rejects; a merely full one reports.
    await rig.checkpoint(files).catch((error: NodeJS.ErrnoException) => assert.equal(error.code, 'ENOSPC'));
    if (hit) hits++;
    rig.cache.removeLeftoversSync();
    await rig.checkpoint();
    assert.deepEqual(rig.tree(), undisturbed.tree(), `full from operation ${failing} on`);
    rig.writer.close();
  }
  assert.ok(hits > 60);
});

/** What the mount would show after these operations; directories end in '/'. */
class Model {
  readonly entries = new Map<string, string>();
  #has(path: string): boolean {
    return this.entries.has(path) || this.entries.has(`${path}/`);
  }
  #parentExists(path: string): boolean {
    const parent = path.split('/').slice(0, -1).join('/');
    return parent === '' || this.entries.has(`${parent}/`);
  }
  /** Carries a wish out if a filesystem would; answers the journal operation. */
  apply(kind: number, path: string, data: string): SimpleOp | undefined {
    const directory = `${path}/`;
    if (kind === 0 && this.#parentExists(path) && !this.entries.has(directory)) {
      this.entries.set(path, data);
      return put(path, data);
    }
    if (kind === 1 && this.entries.delete(path)) return remove(path);
    if (kind === 2 && this.#parentExists(path) && !this.#has(path)) {
      this.entries.set(directory, '');
      return mkdir(path, path.includes('/') ? '' : 'meta');
    }
    const empty = ![...this.entries.keys()].some((key) => key !== directory && key.startsWith(directory));
    if (kind === 3 && empty && this.entries.delete(directory)) return rmdir(path);
    return undefined;
  }
}

test('whatever a filesystem did, and wherever checkpoints died, the cache shows it in the end', async (t) => {
  const name = fc.constantFrom('a', 'b', 'a-+1', 'a-+1-+2', '+1', '%', 'x.json');
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
  const wish = fc.tuple(fc.integer({ min: 0, max: 3 }), path, fc.constantFrom('one', 'two'));
  const round = fc.record({
    wishes: fc.array(wish, { maxLength: 25 }),
    diesAt: fc.integer({ min: 0, max: 60 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 4 }), async (rounds) => {
      const rig = new Rig(t, 200);
      const model = new Model();
      for (const { wishes, diesAt } of rounds) {
        for (const [kind, at, data] of wishes) {
          const op = model.apply(kind, at, data);
          if (op) append(rig.writer, [op]);
        }
        await rig.checkpoint(dying(diesAt)).catch(() => {});
      }
      await rig.checkpoint();
      const shown = new Map<string, string>();
      const report = rig.cache.walkSync((at, kind) => {
        if (kind === 'file') shown.set(at, rig.cache.readSync(at).toString());
        else shown.set(`${at}/`, '');
      });
      const sorted = (entries: Map<string, string>) => [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
      assert.deepEqual(sorted(shown), sorted(model.entries));
      assert.equal(report.foreign, 0);
      rig.writer.close();
    }),
    { numRuns: 60 },
  );
});

test('a daemon that finds the journal of a dead checkpoint reads on from it', async (t) => {
  const rig = await rigWith(t);
  await rig.checkpoint(dying(40)).catch(() => {});
  rig.writer.close();
  const { nextSegment, nextSeq } = replayJournal(rig.cache.journalDirectory, () => {});
  const next = new JournalWriter(rig.cache.journalDirectory, {
    nextSegment,
    nextSeq,
    progress: rig.progress,
  });
  append(next, [put('after', 'restart')]);
  await rig.checkpointer().run(next.roll());
  next.close();
  assert.equal(rig.cache.readSync('after').toString(), 'restart');
  assert.equal(rig.cache.readSync('s-+1/creds.json').toString(), 'v2');
});
