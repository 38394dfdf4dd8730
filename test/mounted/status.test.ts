import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MountStatus } from '../../src/api/mount-status.ts';
import { runCli } from '../cli/run-cli.ts';
import { driverUnderTest } from '../support/driver.ts';
import { until } from '../support/until.ts';
import { sessionTree, writeTree } from './session-files.ts';
import { Succession } from './support/succession.ts';

const succession = new Succession();

function parentOf(pid: number): number {
  return Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function statusOf(mountPoint: string): MountStatus {
  const { status, stdout, stderr } = runCli(['status', mountPoint, '--json']);
  assert.deepEqual([status, stderr], [0, '']);
  return JSON.parse(stdout) as MountStatus;
}

test('status --json says what is mounted, by whom, and counts sessions and files as they come and go', async () => {
  const mounted = await succession.take();
  const { mountPoint } = mounted;
  const { sessions, files, dirty, ...described } = statusOf(mountPoint);
  assert.deepEqual([sessions, files, dirty], [0, 0, 0]);
  assert.deepEqual(
    [described.mountPoint, described.mode, described.driver],
    [mountPoint, 'local', driverUnderTest],
  );
  const { daemon, ...others } = described.pids;
  assert.deepEqual(others, { supervisor: mounted.pid });
  assert.equal(parentOf(daemon), mounted.pid);

  for (const name of ['user1-+15550001', 'user2-+15550002']) writeTree(mountPoint, sessionTree(name));
  writeFileSync(join(mountPoint, 'notes.txt'), 'plain');
  const grown = statusOf(mountPoint);
  assert.deepEqual([grown.sessions, grown.files, grown.dirty], [2, 7, 7]);

  rmSync(join(mountPoint, 'user2-+15550002'), { recursive: true });
  const shrunk = statusOf(mountPoint);
  assert.deepEqual([shrunk.sessions, shrunk.files], [1, 4]);
  succession.handOn(mounted);
});

test('after a remount status counts what is there, and nothing is dirty', async () => {
  const first = await succession.take();
  const { mountPoint } = first;
  for (const name of readdirSync(mountPoint)) rmSync(join(mountPoint, name), { recursive: true });
  writeTree(mountPoint, sessionTree('user3-+15550003'));
  await first.unmount();
  await succession.follow(first, () => {
    const { sessions, files, dirty } = statusOf(mountPoint);
    assert.deepEqual([sessions, files, dirty], [1, 3, 0]);
  });
});

test('what was written is dirty only until it has gone to the cache, which happens by itself', async () => {
  const mounted = await succession.take();
  const { mountPoint } = mounted;
  const dirty = async () =>
    JSON.parse(await readFile(join(mountPoint, '.sessionfs/status.json'), 'utf8')).dirty as number;
  await until(async () => (await dirty()) === 0);
  writeTree(mountPoint, sessionTree('user4-+15550004'));
  assert.equal(statusOf(mountPoint).dirty, 3);
  await until(
    async () => (await dirty()) === 0,
    () => sleep(200),
  );
  assert.equal(statusOf(mountPoint).dirty, 0);
  await mounted.unmount();
});
