/** The pattern of Baileys' develop branch (.tmp, .bak, rename) in hybrid mode: what it costs, and what kills leave to read. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { count } from '../crash/support/counts.ts';
import { DaemonKiller } from '../crash/support/daemon-killer.ts';
import { Cloud, flushAll } from '../hybrid/support/cloud.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { repository } from '../support/repository.ts';
import { workloadSucceeds } from '../support/run-workload.ts';
import { killedRounds } from './support/killed-rounds.ts';
import { RoundWriter } from './support/round-writer.ts';

const FILES = 4;
const RUNS = count(2, 60);
const SESSION = 'user1-+15550001';
const program = join(repository, 'test/baileys/next-multi-file.mjs');
const often = { SESSION_BACKUP_INTERVAL: '1000' };
const never = { SESSION_BACKUP_INTERVAL: '0' };

/** The rounds that an application reads; rejects where it throws. */
async function roundsIn(folder: string): Promise<number[]> {
  const args = [program, 'read', folder];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: cleanEnvironment() });
  const read = Object.values(JSON.parse(stdout) as Record<string, { round: number } | null>);
  assert.equal(read.length, FILES);
  return read.map((value) => value?.round ?? Number.NaN);
}

function requestsOf(cloud: Cloud): string[] {
  return cloud.proxy.requests
    .filter(({ object, kind }) => object.startsWith('sessions/') && (kind === 'put' || kind === 'delete'))
    .map(({ kind, object }) => `${kind} ${object.slice('sessions/user1/+15550001/'.length)}`);
}

test('.tmp, .bak and rename: a changed file is one upload, whatever was renamed how often', async (t) => {
  const cloud = await Cloud.start(t);
  const mounted = await cloud.mount(never);
  const folder = join(mounted.mountPoint, SESSION);
  await new RoundWriter(t, program, folder, '1').ended();
  await flushAll(mounted);
  const before = requestsOf(cloud).length;
  assert.equal(before, FILES);
  for (const rounds of ['1', '20']) {
    await new RoundWriter(t, program, folder, rounds).ended();
    await flushAll(mounted);
  }
  const requests = requestsOf(cloud).slice(before);
  assert.equal(requests.length, 2 * FILES, requests.join('\n'));
  assert.deepEqual(
    requests.filter((request) => !/^put .*\.json$/.test(request)),
    [],
  );
  await mounted.unmount();
});

test('.tmp, .bak and rename: application, daemon and machine are killed, and nothing that was there is missing', async (t) => {
  const cloud = await Cloud.start(t);
  await killedRounds(t, {
    ...{ runs: RUNS, program, roundsIn },
    mount: () => cloud.mount(often),
    settled: () => cloud.settled(),
    checkHere: (here, round) =>
      assert.ok(
        here.every((each) => each >= round),
        `${here} after round ${round}`,
      ),
    checkRestored: (restored, here) =>
      assert.ok(
        restored.every((each, index) => each >= (here[index] ?? 0)),
        `${restored} is restored of ${here}`,
      ),
  });
});

test('.tmp, .bak and rename: Baileys pairs and talks while daemons die, and goes on on an empty machine', async (t) => {
  const cloud = await Cloud.start(t);
  const first = await cloud.mount(often);
  const state = ['--state', 'next-multi-file', '--prekeys', '10', '--contacts', '2', '--k', '2', '--m', '10'];
  const killer = new DaemonKiller(first);
  await killer.during(() => workloadSucceeds(first.mountPoint, ...state, '--mode', 'init'));
  await flushAll(first);
  await first.kill();
  await cloud.settled();
  const second = await cloud.mount(often);
  const { resume } = await workloadSucceeds(second.mountPoint, ...state, '--mode', 'resume');
  assert.deepEqual({ accounts: resume?.accounts, errors: resume?.errors }, { accounts: 2, errors: [] });
  await workloadSucceeds(second.mountPoint, ...state, '--mode', 'check');
  await second.unmount();
});
