/** Kills of application and daemon mixed, and in the end of the supervisor. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readTree, sessionTree, writeTree } from '../mounted/session-files.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { mountAt } from '../support/mounts.ts';
import { workloadSucceeds } from '../support/run-workload.ts';
import { Application } from './support/application.ts';
import { count, randomMs } from './support/counts.ts';
import { DaemonKiller } from './support/daemon-killer.ts';
import { remainsIn } from './support/remains.ts';

const RUNS = count(4, 50);
const MESSAGES = 40;
/** Of each account; as many as Baileys makes take longer. */
const PRE_KEYS = count(100, 812);
const KILL_WITHIN_MS = count(2_000, 3_000);

const INIT = ['--mode', 'init', '--k', '2', '--m', '20', '--prekeys', String(PRE_KEYS)];

/** Returns whether a killed application could go on with what is left; if so, it has gone on. */
async function killAndGoOn(t: TestContext, directory: string, killer: DaemonKiller): Promise<boolean> {
  mkdirSync(directory);
  const application = new Application(t, directory, MESSAGES, PRE_KEYS);
  await killer.during(async () => {
    await application.pairing();
    await sleep(randomMs(0, KILL_WITHIN_MS));
    await application.kill();
  });
  const { empty, broken, badCreds, json, canResume } = remainsIn(directory);
  assert.deepEqual({ empty, broken, badCreds }, { empty: [], broken: [], badCreds: [] });
  assert.ok(json > 0 || !canResume);
  if (canResume) await killer.during(() => workloadSucceeds(directory, '--mode', 'resume'));
  return canResume;
}

test('application and daemons are killed at random moments: every file is whole, and each application that can go on does', async (t) => {
  const mounted = await mountSessionfs(t);
  const killer = new DaemonKiller(mounted);
  let resumed = 0;
  for (let run = 0; run < RUNS; run++) {
    const directory = join(mounted.mountPoint, `run-${run}`);
    if (await killAndGoOn(t, directory, killer)) resumed++;
    rmSync(directory, { recursive: true });
  }
  t.diagnostic(`${RUNS} applications and ${killer.kills} daemons killed: 0 bad files, ${resumed} resumed`);
  assert.ok(killer.kills > 0);
  await mounted.unmount();
});

test('the supervisor is killed: the daemon goes on serving, and SIGTERM ends it with everything written', async (t) => {
  const mounted = await mountSessionfs(t);
  const { mountPoint } = mounted;
  const killer = new DaemonKiller(mounted);
  mkdirSync(join(mountPoint, 'd'));
  await killer.during(() => workloadSucceeds(join(mountPoint, 'd'), ...INIT));
  const daemon = await mounted.daemonPid();
  mounted.signal('SIGKILL');
  await workloadSucceeds(join(mountPoint, 'd'), '--mode', 'resume');
  writeTree(mountPoint, { ...sessionTree('user9-+15559'), 'notes.txt': 'written without a supervisor' });
  const tree = readTree(mountPoint);
  assert.equal(await mounted.daemonPid(), daemon);

  process.kill(daemon, 'SIGTERM');
  // It resolves when no process holds the log any more: the daemon has ended as well.
  assert.deepEqual(await mounted.exited(), { code: null, signal: 'SIGKILL' });
  assert.equal(mountAt(mountPoint), undefined, mounted.log());
  t.diagnostic(`${killer.kills} daemons killed, then the supervisor: ${Object.keys(tree).length} paths kept`);
  const again = await mountSessionfs(t, { mountPoint });
  assert.ok(!again.log().includes('did not end cleanly'), again.log());
  assert.deepEqual(readTree(mountPoint), tree);
  await workloadSucceeds(join(mountPoint, 'd'), '--mode', 'check');
  await again.unmount();
});
