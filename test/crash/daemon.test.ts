/** SIGKILL of the daemon at random moments: no application on the mount notices. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { logLines } from '../mounted/log-lines.ts';
import { type Mounted, mountSessionfs } from '../support/mount-sessionfs.ts';
import { type WorkloadResult, workloadSucceeds } from '../support/run-workload.ts';
import { untilSlow } from '../support/until.ts';
import { count } from './support/counts.ts';
import { DaemonKiller } from './support/daemon-killer.ts';
import { StepWriter } from './support/step-writer.ts';

const KILLS = count(8, 100);
/** Of each account; as many as Baileys makes take longer than the few kills. */
const PRE_KEYS = count(100, 812);
const INIT = ['--mode', 'init', '--k', '2', '--m', '60', '--prekeys', String(PRE_KEYS)];
/** Of the writer, so that the processor is left to the daemons that start. */
const STEP_PAUSE_MS = 1;

function newDirectory(parent: string, name: string): string {
  const directory = join(parent, name);
  mkdirSync(directory);
  return directory;
}

function takeOvers(mounted: Mounted): number {
  return logLines(mounted.log()).filter(({ msg }) => msg === 'Took the mount over').length;
}

/** Pairs, talks, goes on in a process of its own and checks every file; answers how many messages arrived. */
async function liveThrough(directory: string): Promise<number> {
  const { init } = await workloadSucceeds(directory, ...INIT);
  assert.deepEqual(init, { direct: 60, group: 6, errors: [] });
  const { resume } = await workloadSucceeds(directory, '--mode', 'resume');
  assert.deepEqual([resume?.accounts, resume?.errors], [2, []]);
  const checked: WorkloadResult = await workloadSucceeds(directory, '--mode', 'check');
  assert.deepEqual(checked.disk?.bad, []);
  return 66 + (resume?.direct ?? 0) + (resume?.group ?? 0);
}

async function remounted(t: TestContext, mounted: Mounted, look: () => void): Promise<void> {
  await mounted.unmount();
  const again = await mountSessionfs(t, { mountPoint: mounted.mountPoint });
  look();
  await again.unmount();
}

test('unmodified Baileys pairs, talks and resumes without an error while daemons are killed', async (t) => {
  const mounted = await mountSessionfs(t);
  const killer = new DaemonKiller(mounted, KILLS);
  let [rounds, messages] = [0, 0];
  await killer.during(async () => {
    for (; killer.kills < KILLS; rounds++)
      messages += await liveThrough(newDirectory(mounted.mountPoint, `round-${rounds}`));
  });
  t.diagnostic(`${killer.kills} kills, ${takeOvers(mounted)} take-overs: ${messages} messages, 0 errors`);
  assert.ok(takeOvers(mounted) > 0);
  for (let round = 0; round < rounds; round++)
    await workloadSucceeds(join(mounted.mountPoint, `round-${round}`), '--mode', 'check');
  await mounted.unmount();
});

test('every change that returned is there, and done once, while daemons are killed', async (t) => {
  const mounted = await mountSessionfs(t);
  const directory = newDirectory(mounted.mountPoint, 'writer');
  const writer = new StepWriter(t, directory, STEP_PAUSE_MS);
  const killer = new DaemonKiller(mounted);
  await killer.during(() => untilSlow(() => killer.kills >= KILLS || writer.error !== undefined));
  const seen = writer.steps;
  // The last daemon killed may not be replaced yet, and the writer waits for it.
  await mounted.daemonPid();
  await writer.stop();
  t.diagnostic(`${killer.kills} kills: ${writer.steps} changes returned, error: ${writer.error ?? 'none'}`);
  assert.equal(writer.error, undefined);
  assert.ok(seen > KILLS, `only ${seen} changes`);
  assert.deepEqual(writer.differences(), []);
  await remounted(t, mounted, () => assert.deepEqual(writer.differences(), []));
});
