import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MountStatus } from '../../src/api/mount-status.ts';
import { runCli } from '../cli/run-cli.ts';
import { driverUnderTest } from '../support/driver.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { sessionTree, writeTree } from './session-files.ts';

const CHECKPOINT_HANG_MS = 60_000;

function parentOf(pid: number): number {
  return Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function statusOf(mountPoint: string): MountStatus {
  const { status, stdout, stderr } = runCli(['status', mountPoint, '--json']);
  assert.deepEqual([status, stderr], [0, '']);
  return JSON.parse(stdout) as MountStatus;
}

test('status --json says what is mounted, by whom, and counts sessions and files as they come and go', async (t) => {
  const mounted = await mountSessionfs(t);
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
  await mounted.unmount();
});

test('after a remount status counts what is there, and nothing is dirty', async (t) => {
  const first = await mountSessionfs(t);
  const { mountPoint } = first;
  writeTree(mountPoint, sessionTree('user1-+15550001'));
  await first.unmount();
  const second = await mountSessionfs(t, { mountPoint });
  const { sessions, files, dirty } = statusOf(mountPoint);
  assert.deepEqual([sessions, files, dirty], [1, 3, 0]);
  await second.unmount();
});

test('what was written is dirty only until it has gone to the cache, which happens by itself', async (t) => {
  const mounted = await mountSessionfs(t);
  writeTree(mounted.mountPoint, sessionTree('user1-+15550001'));
  assert.equal(statusOf(mounted.mountPoint).dirty, 3);
  const deadline = performance.now() + CHECKPOINT_HANG_MS;
  while (statusOf(mounted.mountPoint).dirty > 0) {
    assert.ok(performance.now() < deadline, 'still dirty');
    await sleep(200);
  }
  await mounted.unmount();
});
