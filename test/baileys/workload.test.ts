import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { workloadSucceeds } from '../support/run-workload.ts';

async function goesOn(mountPoint: string): Promise<void> {
  const { resume } = await workloadSucceeds(mountPoint, '--mode', 'resume');
  assert.deepEqual({ accounts: resume?.accounts, errors: resume?.errors }, { accounts: 2, errors: [] });
}

test('unmodified Baileys pairs and talks, and goes on with every conversation after the daemon was killed and after a remount', async (t) => {
  const first = await mountSessionfs(t);
  const { mountPoint } = first;
  const { init, disk } = await workloadSucceeds(mountPoint, '--mode', 'init', '--k', '2', '--m', '60');
  assert.deepEqual(init, { direct: 60, group: 6, errors: [] });
  assert.ok(disk && disk.files > 2 * 812, `only ${disk?.files} files`);
  await first.kill();

  const second = await mountSessionfs(t, { mountPoint });
  await goesOn(mountPoint);
  await second.unmount();
  assert.deepEqual(readdirSync(mountPoint), [], 'plaintext lies below the mount point');

  const third = await mountSessionfs(t, { mountPoint });
  await goesOn(mountPoint);
  const checked = await workloadSucceeds(mountPoint, '--mode', 'check');
  assert.ok(
    checked.disk && checked.disk.files >= disk.files,
    `${checked.disk?.files} files of ${disk.files} are left`,
  );
  await third.unmount();
});
