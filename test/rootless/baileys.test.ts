/** Unmodified Baileys as the command of a `sessionfs run` without root. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { DaemonKiller } from '../crash/support/daemon-killer.ts';
import { untilLogged } from '../mounted/log-lines.ts';
import type { Scope } from '../support/cleanup.ts';
import { checkout, type OrdinaryUser } from '../support/ordinary-user.ts';
import type { WorkloadResult } from '../support/run-workload.ts';
import { untilSlow } from '../support/until.ts';
import { type RootlessRun, startRootless, userWithFuse } from './support/rootless-run.ts';

/** The daemon must get ready now and then, however busy the machine is. */
const KILLS = 6;

async function succeeds(scope: Scope, user: OrdinaryUser, ...args: string[]): Promise<WorkloadResult> {
  return resultOf(await startWorkload(scope, user, args));
}

function startWorkload(scope: Scope, user: OrdinaryUser, args: readonly string[]): Promise<RootlessRun> {
  const workload = `${checkout}/test/baileys/workload.mjs`;
  return startRootless(scope, ['node', workload, join(user.home, 'sessions'), ...args], { user });
}

async function resultOf(run: RootlessRun): Promise<WorkloadResult> {
  const { code } = await run.ended();
  const log = run.process.log();
  assert.equal(code, 0, log);
  const printed = log.slice(log.indexOf('\n{\n') + 1);
  return JSON.parse(printed.slice(0, printed.indexOf('\n}\n') + 2)) as WorkloadResult;
}

test('Baileys pairs and talks while daemons are killed, and in the next run goes on with every conversation', async (t) => {
  const user = await userWithFuse(t);
  const run = await startWorkload(t, user, ['--mode', 'init', '--k', '2', '--m', '40']);
  await untilLogged(run.process, /"msg":"Mounted"/);
  const killer = new DaemonKiller({ pid: run.supervisor(), log: () => run.process.log() });
  await killer.during(() => untilSlow(() => killer.kills >= KILLS || run.process.exit !== undefined));
  const { init, disk } = await resultOf(run);
  t.diagnostic(`${killer.kills} kills: ${JSON.stringify(init)}`);
  assert.deepEqual(init, { direct: 40, group: 4, errors: [] });
  assert.ok(disk && disk.files > 2 * 812, `only ${disk?.files} files`);
  assert.ok(killer.kills > 0);
  const { resume } = await succeeds(t, user, '--mode', 'resume');
  assert.deepEqual([resume?.accounts, resume?.errors], [2, []]);
  const checked = await succeeds(t, user, '--mode', 'check');
  assert.deepEqual(checked.disk?.bad, []);
});
