/** The SQLite state of Baileys' develop branch in hybrid mode: what kills of application, daemon and machine leave of it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { count, randomMs } from '../crash/support/counts.ts';
import { DaemonKiller } from '../crash/support/daemon-killer.ts';
import { flushAll } from '../hybrid/support/cloud.ts';
import { Account } from '../hybrid/support.ts';
import { cleanEnvironment } from '../support/environment.ts';
import type { Mounted } from '../support/mount-sessionfs.ts';
import { repository } from '../support/repository.ts';
import { workloadSucceeds } from '../support/run-workload.ts';
import { RoundWriter } from './support/round-writer.ts';

const RUNS = count(1, 60);
const KILL_WITHIN_MS = 1_000;
const SESSION = 'user1-+15550001';
const program = join(repository, 'test/baileys/next-sqlite.mjs');
const often = { SESSION_BACKUP_INTERVAL: '1000' };

/** The rounds that an application reads of credentials and keys; rejects where the database is damaged. */
async function roundsIn({ mountPoint }: Mounted): Promise<number[]> {
  const args = [program, 'read', join(mountPoint, SESSION)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: cleanEnvironment() });
  const { creds, ...keys } = JSON.parse(stdout) as Record<string, { round: number } | null>;
  const rounds = Object.values(keys).map((each) => each?.round ?? Number.NaN);
  // One transaction writes all keys.
  assert.equal(new Set(rounds).size, 1, `${rounds}`);
  return [creds?.round ?? Number.NaN, rounds[0] ?? Number.NaN];
}

function assertReached(rounds: readonly number[], expected: number, message: string): void {
  assert.ok(
    rounds.every((each) => each >= expected),
    `${message}: ${rounds}, not ${expected}`,
  );
}

test('SQLite: application, daemon and machine are killed, and every transaction before the last flush is there', async (t) => {
  const account = new Account(t);
  let mounted = await account.machine().mount(often);
  let round = 0;
  for (let run = 0; run < RUNS; run++) {
    const folder = join(mounted.mountPoint, SESSION);
    const writer = new RoundWriter(t, program, folder);
    await writer.reached(round + 2);
    const killer = new DaemonKiller(mounted);
    await killer.during(() => sleep(randomMs(200, KILL_WITHIN_MS)));
    await writer.kill();
    const here = await roundsIn(mounted);
    assertReached(here, writer.round, 'the mount lost transactions');
    await flushAll(mounted);
    const after = new RoundWriter(t, program, folder);
    await after.reached(writer.round + 1);
    await sleep(randomMs(0, KILL_WITHIN_MS));
    await mounted.kill();
    await after.kill();
    mounted = await account.machine().mount(often);
    const restored = await roundsIn(mounted);
    assertReached(restored, Math.min(...here), 'the bucket lost transactions');
    round = Math.max(...restored);
  }
  await mounted.unmount();
});

test('SQLite: Baileys pairs and talks while daemons die, and goes on on an empty machine', async (t) => {
  const account = new Account(t);
  const first = await account.machine().mount(often);
  const state = ['--state', 'next-sqlite', '--prekeys', '20', '--contacts', '5', '--k', '2', '--m', '10'];
  const killer = new DaemonKiller(first);
  await killer.during(() => workloadSucceeds(first.mountPoint, ...state, '--mode', 'init'));
  await flushAll(first);
  await first.kill();
  const second = await account.machine().mount(often);
  const { resume } = await workloadSucceeds(second.mountPoint, ...state, '--mode', 'resume');
  assert.deepEqual({ accounts: resume?.accounts, errors: resume?.errors }, { accounts: 2, errors: [] });
  await workloadSucceeds(second.mountPoint, ...state, '--mode', 'check');
  await second.unmount();
});
