/** The driver fuse-native: how a mount begins and ends. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cleanUp } from '../support/cleanup.ts';
import { mountAt } from '../support/mounts.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

process.env.SESSIONFS_TEST_DRIVER = 'fuse-native';
const { driverUnderTest } = await import('../support/driver.ts');
await import('../cli/lifecycle.test.ts');
await import('../mounted/import.test.ts');
const { mountSessionfs } = await import('../support/mount-sessionfs.ts');

test('a mount point that is a volume is mounted over, and stays', async (t) => {
  const mountPoint = join(temporaryDirectory(t), 'sessions');
  mkdirSync(mountPoint);
  assert.equal(spawnSync('mount', ['-t', 'tmpfs', 'none', mountPoint]).status, 0);
  cleanUp(t, () => void spawnSync('umount', ['-l', mountPoint]));
  const mounted = await mountSessionfs(t, { mountPoint });
  writeFileSync(join(mountPoint, 'creds.json'), '{"a":1}');
  assert.equal(readFileSync(join(mountPoint, 'creds.json'), 'utf8'), '{"a":1}');
  mounted.signal('SIGTERM');
  assert.deepEqual(await mounted.exited(), { code: 0, signal: null });
  assert.equal(mountAt(mountPoint)?.type, 'tmpfs');
});

test('all of this was tried with fuse-native', () => assert.equal(driverUnderTest, 'fuse-native'));
