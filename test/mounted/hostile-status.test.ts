/** `unmount` and `reload` of a mount that names processes which are not its own. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isRunning, servesMount, supervises } from '../../src/api/process-watch.ts';
import { exitStatus } from '../../src/lib/errors.ts';
import { findMount } from '../../src/mount/mountinfo.ts';
import { runCli } from '../cli/run-cli.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** A process that has nothing to do with any mount, and merely holds the device. */
async function bystander(scope: Scope): Promise<ChildProcess> {
  const child = spawn('sh', ['-c', 'exec 3<>/dev/fuse; echo ready; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanUp(scope, () => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

test('a process is signalled only if the kernel shows that it serves the mount', async (t) => {
  const [mounted, other] = [await mountSessionfs(t), await mountSessionfs(t)];
  const daemon = await mounted.daemonPid();
  const victim = await bystander(t);
  const mount = await findMount(mounted.mountPoint);
  assert.ok(mount !== undefined && victim.pid !== undefined);
  assert.deepEqual([mount.root, mount.userId], ['/', 0]);
  assert.ok(servesMount(daemon, mount) && servesMount(mounted.pid, mount));
  assert.ok(supervises(mounted.pid, daemon, mount));
  for (const pid of [victim.pid, other.pid, await other.daemonPid(), process.pid])
    assert.ok(!servesMount(pid, mount) && !supervises(pid, daemon, mount), `process ${pid}`);
  // A part of a mount, bind-mounted: its status.json is a file that an application wrote.
  assert.ok(!servesMount(daemon, { ...mount, root: '/u-+1' }));

  // What a user wrote into a session names processes of another mount, and one that merely holds the device.
  const session = join(mounted.mountPoint, 'u-+1');
  const bound = temporaryDirectory(t);
  mkdirSync(join(session, '.sessionfs'), { recursive: true });
  const status = JSON.parse(readFileSync(join(mounted.mountPoint, '.sessionfs/status.json'), 'utf8'));
  const claims = [
    { supervisor: victim.pid, daemon: victim.pid },
    { supervisor: other.pid, daemon: await other.daemonPid() },
    { supervisor: mounted.pid, daemon },
  ];
  assert.equal(spawnSync('mount', ['--bind', session, bound]).status, 0);
  for (const pids of claims) {
    writeFileSync(
      join(session, '.sessionfs/status.json'),
      JSON.stringify({ ...status, mountPoint: bound, pids }),
    );
    const ended = runCli(['unmount', bound, '--timeout', '1']);
    assert.equal(ended.status, exitStatus.MOUNT_NOT_PERMITTED, ended.stderr);
    assert.match(ended.stderr, /does not serve it/);
    assert.equal(runCli(['reload', bound]).status, exitStatus.NOT_SUPERVISED);
  }
  assert.ok([victim.pid, other.pid, mounted.pid].every(isRunning));
  assert.equal(spawnSync('umount', [bound]).status, 0);

  // A mount that an ordinary user made names root's processes.
  assert.ok(!servesMount(victim.pid, { ...mount, userId: 1000 }));
  await mounted.unmount();
  await other.unmount();
});
