/** The driver fuse-native: each daemon makes a mount of its own, and the folder below is shut between two of them. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { folderBelow, openToAll, RestlessApplication } from '../support/folder-below.ts';
import type { Mounted } from '../support/mount-sessionfs.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

process.env.SESSIONFS_TEST_DRIVER = 'fuse-native';
await import('../mounted/swapped-mount-point.test.ts');
const { untilLogged } = await import('../mounted/log-lines.ts');
const { mountSessionfs } = await import('../support/mount-sessionfs.ts');

const KILLS = 3;
const WRITING_MS = 200;

async function untilMountedAgain(mounted: Mounted, times: number): Promise<void> {
  const all = new RegExp(`("msg":"Mounted"[^]*){${times}}`);
  await untilLogged(mounted, all);
}

test('daemons are killed under an application that makes sessions without pause: none lies below the mount', async (t) => {
  const mountPoint = join(temporaryDirectory(t), 'sessions');
  mkdirSync(mountPoint);
  openToAll(mountPoint);
  const mounted = await mountSessionfs(t, { mountPoint });
  const application = new RestlessApplication(t, mountPoint, 'an ordinary user');
  for (let kill = 1; kill <= KILLS; kill++) {
    await sleep(WRITING_MS);
    process.kill(await mounted.daemonPid(), 'SIGKILL');
    await untilMountedAgain(mounted, kill + 1);
    assert.deepEqual(folderBelow(mountPoint), { mode: '0', names: [] }, mounted.log());
  }
  await application.stop();
  assert.doesNotMatch(mounted.log(), /lie in plain text below/);
  await mounted.unmount();
  assert.deepEqual(readdirSync(mountPoint), []);
});
