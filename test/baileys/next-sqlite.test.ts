/** The SQLite state of Baileys' develop branch in hybrid mode: what kills of application, daemon and machine leave of it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { count } from '../crash/support/counts.ts';
import { DaemonKiller } from '../crash/support/daemon-killer.ts';
import { flushAll } from '../hybrid/support/cloud.ts';
import { Account } from '../hybrid/support.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { repository } from '../support/repository.ts';
import { workloadSucceeds } from '../support/run-workload.ts';
import { killedRounds } from './support/killed-rounds.ts';

const RUNS = count(1, 60);
const program = join(repository, 'test/baileys/next-sqlite.mjs');
const often = { SESSION_BACKUP_INTERVAL: '1000' };

/** The rounds that an application reads of credentials and keys; rejects where the database is damaged. */
async function roundsIn(folder: string): Promise<number[]> {
  const args = [program, 'read', folder];
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
  await killedRounds(t, {
    ...{ runs: RUNS, program, roundsIn },
    mount: () => account.machine().mount(often),
    checkHere: (here, round) => assertReached(here, round, 'the mount lost transactions'),
    checkRestored: (restored, here) =>
      assertReached(restored, Math.min(...here), 'the bucket lost transactions'),
  });
});

test('SQLite: Baileys pairs and talks while daemons die, and goes on on an empty machine', async (t) => {
  const account = new Account(t);
  const first = await account.machine().mount(often);
  const state = ['--state', 'next-sqlite', '--prekeys', '10', '--contacts', '2', '--k', '2', '--m', '10'];
  const killer = new DaemonKiller(first);
  await killer.during(() => workloadSucceeds(first.mountPoint, ...state, '--mode', 'init'));
  await flushAll(first);
  assert.doesNotMatch(first.log(), /started over|credentials of a registered account/);
  await first.kill();
  const second = await account.machine().mount(often);
  const { resume } = await workloadSucceeds(second.mountPoint, ...state, '--mode', 'resume');
  assert.deepEqual({ accounts: resume?.accounts, errors: resume?.errors }, { accounts: 2, errors: [] });
  await workloadSucceeds(second.mountPoint, ...state, '--mode', 'check');
  await second.unmount();
  assert.doesNotMatch(second.log(), /started over|credentials of a registered account/);
});
