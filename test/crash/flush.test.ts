/** SIGKILL in the middle of a flush: the bucket holds a session that works, and in the end everything. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cloud, filesBelow, flushAll, flushUntilStored } from '../hybrid/support/cloud.ts';
import { makeMoreKeys } from '../hybrid/support/more-keys.ts';
import { logLines } from '../hybrid/support.ts';
import { difference, type Tree } from '../mounted/session-files.ts';
import type { Mounted } from '../support/mount-sessionfs.ts';
import { workloadSucceeds } from '../support/run-workload.ts';
import { until } from '../support/until.ts';
import { count, randomMs } from './support/counts.ts';
import { FlushKiller } from './support/flush-killer.ts';
import { StepWriter } from './support/step-writer.ts';

const KILLS = count(8, 100);
const MACHINES = count(3, 25);
/** Of every upload: the time in which a daemon can die with it. */
const LATENCY_MS = 10;
/** The journal must not be all that the disk has to do. */
const STEP_PAUSE_MS = 10;
const PRE_KEYS = count(24, 60);
/** Of each account, again and again. */
const NEW_KEYS = 12;
/** They, and the credentials of both. */
const UPLOADS = 2 * (NEW_KEYS + 1);
/** Each contact is three files of each account, which every machine restores and uploads again. */
const FEW_FILES = ['--prekeys', String(PRE_KEYS), '--contacts', String(count(5, 50))];
const INIT = ['--mode', 'init', '--k', '2', '--m', '20', ...FEW_FILES];
/** On a busy machine an upload takes longer than the lease of the other tests lasts, and would be given up and tried again. */
const LEASE = {
  SESSION_LEASE_LOOK_INTERVAL: '1000',
  SESSION_LEASE_PERMISSION: '3000',
  SESSION_LEASE_TAKEOVER: '3750',
};
const FAILED = 'Failed to backup to Cloud Storage, continuing with local storage';
const HANG_MS = 600_000;
const options = { timeout: count(180_000, 3_600_000) };

async function slowCloud(t: TestContext): Promise<Cloud> {
  const cloud = await Cloud.start(t);
  cloud.proxy.inject({ fault: { latencyMs: LATENCY_MS }, match: ({ kind }) => kind === 'put' });
  return cloud;
}

/** What is no JSON is committed by a rest or an fsync, and only what is committed is backed up. */
async function synced(path: string): Promise<void> {
  const file = await open(path, 'r+');
  await file.sync();
  await file.close();
}

async function resumes(mountPoint: string): Promise<void> {
  const { resume } = await workloadSucceeds(mountPoint, '--mode', 'resume', '--rounds', '20');
  assert.deepEqual([resume?.accounts, resume?.errors], [2, []]);
}

test(
  'daemons are killed while they flush: in the end everything is on the next machine',
  options,
  async (t) => {
    const cloud = await slowCloud(t);
    const first = await cloud.mount({ ...LEASE, SESSION_BACKUP_INTERVAL: '500' });
    const folder = join(first.mountPoint, 'steps-+1');
    mkdirSync(folder);
    const writer = new StepWriter(t, folder, STEP_PAUSE_MS);
    const killer = new FlushKiller(first, cloud.proxy);
    let resumed = 0;
    await killer.during(async () => {
      await workloadSucceeds(first.mountPoint, ...INIT);
      for (; killer.kills < KILLS; resumed++) await resumes(first.mountPoint);
    });
    // The last daemon killed may not be replaced yet, and the writer waits for it.
    await first.daemonPid();
    await writer.stop();
    await cloud.settled();
    await synced(join(folder, 'events.log'));
    await flushAll(first);
    t.diagnostic(`${killer.line}: ${resumed} resumes and ${writer.steps} changes meanwhile, 0 errors`);
    assert.equal(writer.error, undefined, first.log());
    assert.deepEqual(writer.differences(), []);
    assert.deepEqual(
      logLines(first).filter(({ msg }) => msg === FAILED),
      [],
    );
    const before = await filesBelow(first.mountPoint);
    await first.kill();

    const second = await cloud.mount();
    const { 'steps-+1/creds.json.tmp': _, ...stored } = before;
    assert.deepEqual(difference(await filesBelow(second.mountPoint), stored), []);
    await resumes(second.mountPoint);
    await workloadSucceeds(second.mountPoint, '--mode', 'check');
    await second.unmount();
  },
);

interface Account {
  folder: string;
  nextPreKeyId: number;
}

/** Every file opens and is JSON; the credentials of both accounts are there, and name no key that is not. */
function accountsIn(files: Tree): Account[] {
  const texts = Object.entries(files);
  const bad = texts
    .filter(([, text]) => !isJson(text))
    .map(([path, { length }]) => `${path} (${length} bytes)`);
  assert.deepEqual(bad, []);
  const accounts = texts
    .filter(([path]) => path.endsWith('/creds.json'))
    .map(([path, text]) => ({ folder: path.slice(0, path.indexOf('/')), ...JSON.parse(text) }) as Account);
  assert.equal(accounts.length, 2);
  for (const { folder, nextPreKeyId } of accounts) {
    const missing = madeLater(nextPreKeyId).filter((id) => !(`${folder}/pre-key-${id}.json` in files));
    assert.deepEqual(missing, [], `${folder}: creds.json knows keys up to ${nextPreKeyId}`);
  }
  return accounts;
}

/** Ids of the keys that no peer has used up: those that `makeMoreKeys` has made. */
function madeLater(nextPreKeyId: number): number[] {
  return Array.from({ length: nextPreKeyId - 1 - PRE_KEYS }, (_, index) => PRE_KEYS + 1 + index);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** A machine takes both accounts over, goes on with them, and dies for good while it stores the keys that they made. */
async function liveAndDie(cloud: Cloud, mounted: Mounted, accounts: readonly Account[]): Promise<void> {
  const { mountPoint } = mounted;
  await resumes(mountPoint);
  // Messages must not be rolled back on one side only; from here on keys and credentials change.
  await flushUntilStored(mounted);
  for (const { folder } of accounts) await makeMoreKeys(join(mountPoint, folder), NEW_KEYS);
  const before = cloud.proxy.count('put');
  let isDone = false;
  const asked = flushAll(mounted).then(
    () => (isDone = true),
    () => (isDone = true),
  );
  const uploads = randomMs(0, UPLOADS * 1.25);
  await until(
    () => isDone || cloud.proxy.count('put') - before >= uploads,
    () => cloud.proxy.arrival(LATENCY_MS),
    HANG_MS,
  );
  await sleep(randomMs(0, LATENCY_MS));
  await mounted.kill();
  await asked;
  await cloud.settled();
}

test(
  'machines die for good while they flush: the next one restores a session that works',
  options,
  async (t) => {
    const cloud = await slowCloud(t);
    const env = { SESSION_BACKUP_INTERVAL: '0', SESSION_BACKUP_CONCURRENCY: '4' };
    const first = await cloud.mount(env);
    await workloadSucceeds(first.mountPoint, ...INIT);
    let accounts = accountsIn(await filesBelow(first.mountPoint));
    let mounted = first;
    const lost = { none: 0, credentials: 0, keys: 0 };
    for (let machine = 0; machine < MACHINES; machine++) {
      const expected = accounts.map(({ nextPreKeyId }) => nextPreKeyId + NEW_KEYS);
      await liveAndDie(cloud, mounted, accounts);
      mounted = await cloud.mount(env);
      const files = await filesBelow(mounted.mountPoint);
      accounts = accountsIn(files);
      for (const [index, { folder, nextPreKeyId }] of accounts.entries()) {
        if (nextPreKeyId === expected[index]) lost.none++;
        else if (`${folder}/pre-key-${nextPreKeyId}.json` in files) lost.credentials++;
        else lost.keys++;
      }
    }
    await resumes(mounted.mountPoint);
    await workloadSucceeds(mounted.mountPoint, '--mode', 'check');
    await mounted.unmount();
    t.diagnostic(
      `${MACHINES} machines, ${2 * MACHINES} sessions: ${lost.none} whole, ${lost.credentials} with new keys and the credentials before them, ${lost.keys} as before the flush`,
    );
  },
);
