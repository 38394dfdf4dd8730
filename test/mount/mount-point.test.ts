import assert from 'node:assert/strict';
import { mkdir, rmdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFuseDevice } from '../../src/drivers/direct/device.ts';
import { mountOnOwn, removeDeadMounts, unmount, unmountLazily } from '../../src/mount/mount.ts';
import { checkMountPoint, resolveMountPoint } from '../../src/mount/mount-point.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a folder is free to be mounted on', async (t) => {
  assert.equal(await checkMountPoint(temporaryDirectory(t)), 'free');
});

test('a mount point that is missing, or a file, is refused with a hint', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'file');
  await writeFile(file, '');
  await assert.rejects(checkMountPoint(join(directory, 'no')), {
    code: 'MOUNT_POINT_MISSING',
    hint: /mkdir -p/,
  });
  await assert.rejects(checkMountPoint(file), { code: 'MOUNT_POINT_NOT_A_DIRECTORY' });
});

test('a mount point is spelled as the mount table spells it, also when it does not exist', async (t) => {
  const directory = temporaryDirectory(t);
  await mkdir(join(directory, 'real'));
  await symlink('real', join(directory, 'link'));
  assert.equal(await resolveMountPoint(join(directory, 'link')), join(directory, 'real'));
  assert.equal(await resolveMountPoint(join(directory, 'link/../link/new')), join(directory, 'real/new'));
});

test('nothing to unmount is NOT_MOUNTED, and no stale mount to clean up', async (t) => {
  const directory = temporaryDirectory(t);
  await assert.rejects(unmount(directory), { code: 'NOT_MOUNTED' });
  await assert.rejects(unmountLazily(directory), { code: 'NOT_MOUNTED' });
  assert.equal(await removeDeadMounts(directory), 0);
});

test('a missing device and a forbidden one are told apart from others', async (t) => {
  const directory = temporaryDirectory(t);
  assert.throws(() => openFuseDevice(join(directory, 'fuse')), {
    code: 'FUSE_DEVICE_MISSING',
    hint: /--device \/dev\/fuse/,
  });
  assert.throws(() => openFuseDevice(directory), { code: 'MOUNT_FAILED' });
});

test('mounting what is no connection fails with the reason that mount gave', async (t) => {
  const directory = temporaryDirectory(t);
  const options = { source: 'sessionfs', allowOther: true };
  await assert.rejects(mountOnOwn(2, directory, options), {
    code: 'MOUNT_FAILED',
    message: /cannot mount on .+: .+/,
  });
  const gone = join(directory, 'gone');
  await mkdir(gone);
  await rmdir(gone);
  await assert.rejects(mountOnOwn(2, gone, options), { code: 'MOUNT_FAILED' });
});
