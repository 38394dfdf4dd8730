/** SIGKILL of the application at random moments of pairing and messaging: the mount keeps every file whole. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { workloadSucceeds } from '../support/run-workload.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { Application } from './support/application.ts';
import { count, randomMs } from './support/counts.ts';
import { remainsIn } from './support/remains.ts';

const RUNS = count(6, 200);
const RUNS_MAX = 4 * RUNS;
const RUNS_ON_A_PLAIN_DIRECTORY = count(1, 30);
const MESSAGES = 40;
/** Of each account; as many as Baileys makes are most of what an application does before its first message. */
const PRE_KEYS = count(100, 812);
/** Every so many folders stay, to be looked at again after a remount. */
const KEPT_EVERY = 10;

class Tally {
  runs = 0;
  killed = 0;
  json = 0;
  creds = 0;
  resumed = 0;
  readonly empty: string[] = [];
  readonly broken: string[] = [];
  readonly badCreds: string[] = [];

  /** Returns whether the run can be resumed. */
  add(run: string, directory: string): boolean {
    const { json, creds, empty, broken, badCreds, canResume } = remainsIn(directory);
    this.runs++;
    this.json += json;
    this.creds += creds;
    this.empty.push(...empty.map((path) => `${run}/${path}`));
    this.broken.push(...broken.map((path) => `${run}/${path}`));
    this.badCreds.push(...badCreds.map((path) => `${run}/${path}`));
    return canResume;
  }

  line(name: string): string {
    const bad = `${this.empty.length} empty, ${this.broken.length} cut or mixed of ${this.json} *.json`;
    const creds = `${this.badCreds.length} of ${this.creds} creds.json lost`;
    return `${name}: ${this.killed} kills in ${this.runs} runs; ${bad}; ${creds}; ${this.resumed} resumed`;
  }

  assertWhole(): void {
    const { empty, broken, badCreds } = this;
    assert.deepEqual({ empty, broken, badCreds }, { empty: [], broken: [], badCreds: [] });
  }
}

/** How long an application that is not killed takes from its first folder to its end. */
async function usualMs(t: TestContext, directory: string): Promise<number> {
  const application = new Application(t, directory, MESSAGES, PRE_KEYS);
  await application.pairing();
  const started = performance.now();
  assert.equal(await application.ended(), 0);
  return performance.now() - started;
}

async function killOne(t: TestContext, directory: string, withinMs: number): Promise<boolean> {
  const application = new Application(t, directory, MESSAGES, PRE_KEYS);
  await application.pairing();
  await sleep(randomMs(0, withinMs));
  return application.kill();
}

function newDirectory(parent: string, name: string): string {
  const directory = join(parent, name);
  mkdirSync(directory);
  return directory;
}

test('an application that is killed leaves no empty, cut or mixed *.json, and goes on where it was', async (t) => {
  const mounted = await mountSessionfs(t);
  const { mountPoint } = mounted;
  let withinMs = await usualMs(t, newDirectory(mountPoint, 'usual'));
  const tally = new Tally();
  const kept: string[] = [];
  for (let run = 0; run < RUNS || (tally.killed <= RUNS / 2 && run < RUNS_MAX); run++) {
    const directory = newDirectory(mountPoint, `run-${run}`);
    if (await killOne(t, directory, withinMs)) tally.killed++;
    // It ended before: the machine is less busy than when the usual time was measured.
    else withinMs /= 2;
    if (tally.add(`run-${run}`, directory)) {
      await workloadSucceeds(directory, '--mode', 'resume');
      await workloadSucceeds(directory, '--mode', 'check');
      tally.resumed++;
    }
    if (run % KEPT_EVERY === 0) kept.push(directory);
    else rmSync(directory, { recursive: true });
  }
  t.diagnostic(tally.line('sessionfs'));
  tally.assertWhole();
  assert.ok(tally.killed > RUNS / 2 && tally.json > 0, tally.line('sessionfs'));
  await mounted.unmount();

  const again = await mountSessionfs(t, { mountPoint });
  const after = new Tally();
  for (const directory of kept) after.add(directory, directory);
  t.diagnostic(after.line('after a remount'));
  after.assertWhole();
  await again.unmount();
});

test('the same kills on a plain directory, for comparison', async (t) => {
  const parent = temporaryDirectory(t);
  const withinMs = await usualMs(t, newDirectory(parent, 'usual'));
  const tally = new Tally();
  // One that is killed before its first file leaves nothing to compare.
  for (let run = 0; run < RUNS_ON_A_PLAIN_DIRECTORY || (tally.json === 0 && run < RUNS_MAX); run++) {
    const directory = newDirectory(parent, `run-${run}`);
    if (await killOne(t, directory, withinMs)) tally.killed++;
    tally.add(`run-${run}`, directory);
    rmSync(directory, { recursive: true });
  }
  t.diagnostic(tally.line('plain directory'));
  assert.ok(tally.runs >= RUNS_ON_A_PLAIN_DIRECTORY);
  assert.ok(tally.json > 0, tally.line('plain directory'));
});
