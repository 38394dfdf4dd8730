/** Where `sessionfs run` cannot have a namespace of its own, one line of the log says why. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { exitStatus } from '../../src/lib/errors.ts';
import { startRun } from '../crash/support/run-command.ts';
import { logLines } from '../mounted/log-lines.ts';
import { ordinaryUser } from '../support/ordinary-user.ts';
import { type RootlessRun, startRootless, userWithFuse } from './support/rootless-run.ts';

/** What is asked for is what is refused: with another driver the command would be started. */
const args = ['--fuse-driver', 'direct'];

async function refusedBecause(run: Pick<RootlessRun, 'ended' | 'process'>, reason: RegExp): Promise<void> {
  assert.equal((await run.ended()).code, exitStatus.MOUNT_NOT_PERMITTED, run.process.log());
  const lines = logLines(run.process.log()).filter(
    ({ level, reason }) => level === 'warn' && reason !== undefined,
  );
  assert.equal(lines.length, 1, run.process.log());
  assert.match(String(lines[0]?.msg), /may not mount here, nor in a namespace/);
  assert.match(String(lines[0]?.reason), reason);
  assert.doesNotMatch(run.process.log(), /started/);
}

const STARTED = ['echo', 'started'];

test('/dev/fuse is closed to this user', async (t) => {
  const user = ordinaryUser(t);
  const run = await startRootless(t, STARTED, { user, args });
  await refusedBecause(run, /^\/dev\/fuse may not be opened \(EACCES\): chmod 0666 \/dev\/fuse/);
});

test('everything would belong to the user, but SESSION_OWNER is another user', async (t) => {
  const run = await startRootless(t, STARTED, { args, env: { SESSION_OWNER: '1:1' } });
  await refusedBecause(run, /^SESSION_OWNER is 1:1, and there everything belongs to 64001:64002$/);
});

test('unshare(1) is not installed', async (t) => {
  const user = await userWithFuse(t);
  const run = await startRootless(t, STARTED, {
    user,
    args,
    under: ['env', `PATH=${withoutUnshare(user.home)}`],
  });
  await refusedBecause(run, /^unshare\(1\) is not installed: .* util-linux$/);
});

/** A folder of programs that has all that the start needs but that one. */
function withoutUnshare(home: string): string {
  const folder = join(home, 'programs');
  mkdirSync(folder);
  for (const program of ['sh', 'dirname', 'readlink', 'mount', 'umount', 'flock', 'setpriv'])
    symlinkSync(`/usr/bin/${program}`, join(folder, program));
  symlinkSync(process.execPath, join(folder, 'node'));
  chmodSync(folder, 0o755);
  return folder;
}

test('the machine permits no further user namespaces', async (t) => {
  // A limit of 0 that counts in one user namespace only; there, root without the right to mount is the ordinary user.
  const forbid = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"';
  const drop = ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin', '--'];
  const under = ['unshare', '--user', '--map-root-user', 'sh', '-c', forbid, 'sh', ...drop];
  const run = await startRun(t, STARTED, { under, env: { SESSION_FUSE_DRIVER: 'direct' } });
  await refusedBecause(run, /^unshare: .*No space left on device \(user\.max_user_namespaces is 0 here\)$/);
});
