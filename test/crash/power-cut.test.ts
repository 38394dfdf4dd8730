/**
 * P3 without a plug to pull: random operations, syncs, checkpoints and deaths of the process on a disk that records what is
 * done to it; then the power goes at a random moment, and with it anything that was not fsynced. What opens afterwards
 * shows the state after one of the operations, none older than the last one whose sync was answered.
 */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { JournalSync } from '../../src/store/journal/sync.ts';
import { Prng } from '../drivers/support/prng.ts';
import { Harness } from '../fs/harness.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { count } from './support/counts.ts';
import { CutDisk } from './support/cut-disk.ts';
import { goesOn } from './support/goes-on.ts';
import { History, type Random } from './support/history.ts';
import { type Change, RecordedDisk } from './support/recorded-disk.ts';
import { differences, type Snapshot, same, snapshot } from './support/snapshot.ts';

const CUTS = count(60, 300);
const CUTS_PER_HISTORY = 6;
const STEPS = 60;

class Run {
  readonly disk = new RecordedDisk();
  readonly states: Snapshot[] = [];
  readonly fresh: string;
  readonly #random: Random;
  readonly #harness: Harness;
  readonly #history: History;
  #journal!: JournalSync;

  constructor(t: TestContext, random: Random, fresh: string) {
    this.#random = random;
    this.fresh = fresh;
    const { disk } = this;
    const segmentBytes = 2000 + random(15_000);
    const options = {
      journalFiles: disk.sync,
      cacheFiles: disk.async,
      segmentBytes,
      unsyncedSegmentBytes: segmentBytes * (1 + random(4)),
      syncTogetherMin: 1 + random(8),
    };
    this.#harness = new Harness(options);
    t.after(() => this.#harness.remove());
    disk.root = this.#harness.cachePath;
    cpSync(this.#harness.cachePath, fresh, { recursive: true });
    this.#history = new History(this.#harness, random, () => this.#reached());
    this.#started();
  }

  async go(): Promise<void> {
    // What the kernel thread does while the main thread waits for the disk.
    this.disk.between = () => {
      if (this.#random(6) === 0 && !this.disk.dead) this.#history.step();
    };
    for (let step = 0; step < STEPS; step++) {
      const choice = this.#random(20);
      if (choice === 0) await this.#checkpoint();
      else if (choice < 4) await this.#sync();
      else if (choice === 4) await this.#die();
      else this.#history.step();
    }
  }

  #started(): void {
    const { opened, progress } = this.#harness;
    this.#journal = new JournalSync({
      directory: opened.cache.journalDirectory,
      progress,
      replayed: opened.replayed,
      onFailure: () => {},
      files: this.disk.async,
    });
    this.#reached();
  }

  #reached(): void {
    const state = snapshot(this.#harness);
    const before = this.states.at(-1);
    if (before === undefined || !same(before, state)) this.states.push(state);
    this.disk.changes.push({ do: 'reached', state: this.states.length - 1 });
  }

  async #sync(): Promise<void> {
    const state = this.states.length - 1;
    await this.#journal.sync();
    this.disk.changes.push({ do: 'promised', state });
  }

  async #checkpoint(): Promise<void> {
    const state = this.states.length - 1;
    const report = await this.#harness.checkpoint();
    if (report?.outcome === 'complete') this.disk.changes.push({ do: 'promised', state });
  }

  /** SIGKILL, in the middle of a checkpoint, and the next process. */
  async #die(): Promise<void> {
    const { disk } = this;
    const usual = disk.between;
    let left = this.#random(40);
    disk.between = () => {
      usual();
      disk.dead ||= left-- === 0;
    };
    await this.#harness.checkpoint().catch(() => {});
    disk.dead = true;
    await this.#journal.close().catch(() => {});
    disk.between = usual;
    disk.dead = false;
    this.#harness.restart();
    this.#started();
  }
}

/** The states that may be found when the power goes after these changes. */
function bounds(changes: readonly Change[]): { oldest: number; newest: number } {
  const bound = (kind: 'reached' | 'promised') =>
    changes.reduce((most, change) => (change.do === kind ? Math.max(most, change.state) : most), 0);
  // The operation that was being carried out may be there or not.
  return { oldest: bound('promised'), newest: bound('reached') + 1 };
}

async function cutAndOpen(
  run: Run,
  at: number,
  random: Random,
  within: string,
  context: string,
): Promise<number> {
  const changes = run.disk.changes.slice(0, at);
  const image = join(within, `image-${at}-${random(1e9)}`);
  new CutDisk(changes).write(run.fresh, image, random);
  const h = new Harness({ from: image });
  try {
    const { oldest, newest } = bounds(changes);
    const actual = snapshot(h);
    const found = run.states.findLastIndex(
      (state, index) => index >= oldest && index <= newest && same(state, actual),
    );
    const unlike = run.states.slice(oldest, newest + 1).map((state) => differences(actual, state).join('\n'));
    assert.ok(found >= 0, `${context}, states ${oldest} to ${newest}:\n${unlike.join('\nor ')}`);
    const said = h.logs.filter(({ level }) => level === 'error');
    assert.deepEqual(said, [], context);
    await goesOn(h, context);
    return newest - found;
  } finally {
    h.remove();
  }
}

test(`a power cut loses only what was not synced, and leaves every file whole, ${CUTS} cuts`, async (t) => {
  const within = temporaryDirectory(t);
  let lossy = 0;
  for (let cut = 0, seed = 1; cut < CUTS; seed++) {
    const prng = new Prng(seed);
    const random: Random = (below) => prng.below(below);
    const run = new Run(t, random, join(within, `fresh-${seed}`));
    await run.go();
    for (let each = 0; each < CUTS_PER_HISTORY && cut < CUTS; each++, cut++) {
      const at = random(run.disk.changes.length + 1);
      if ((await cutAndOpen(run, at, random, within, `history ${seed}, cut at ${at}`)) > 1) lossy++;
    }
  }
  assert.ok(lossy > 0, 'no cut lost anything: the disk was not cut');
  t.diagnostic(`${CUTS} cuts, ${lossy} of them lost commits that were not synced`);
});
