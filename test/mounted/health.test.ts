/** The image's health check, without the image: test/containers has it in containers with many rights and with few. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cleanUp } from '../support/cleanup.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { GID, ordinaryUser, requireUserNamespaces, UID } from '../support/ordinary-user.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const CHECK = join(repository, 'bin/sessionfs-health');

interface Verdict {
  readonly status: number;
  readonly stdout: string;
}

function check(mountPoint: string, under: readonly string[] = []): Promise<Verdict> {
  const [file = '', ...args] = [...under, CHECK];
  const env = cleanEnvironment({ SESSION_STORAGE_PATH: mountPoint });
  return new Promise((resolve) => {
    execFile(file, args, { env }, (error, stdout) =>
      resolve({ status: error === null ? 0 : Number(error.code), stdout }),
    );
  });
}

test('a mount is healthy while its daemon answers, and not while that is stopped or when it is dead', async (t) => {
  const mounted = await mountSessionfs(t);
  const { mountPoint } = mounted;
  assert.deepEqual(await check(mountPoint), { status: 0, stdout: '' });
  const daemon = await mounted.daemonPid();
  process.kill(daemon, 'SIGSTOP');
  cleanUp(t, () => void process.kill(daemon, 'SIGCONT'));
  const { status, stdout } = await check(mountPoint);
  assert.deepEqual([status, stdout], [1, `unhealthy: ${mountPoint} does not answer\n`]);
  process.kill(daemon, 'SIGCONT');
  assert.equal((await check(mountPoint)).status, 0);
  mounted.crash();
  await mounted.exited();
  assert.equal((await check(mountPoint)).status, 1);
});

test('root without capabilities is told of a mount that belongs to another user', async (t) => {
  const mounted = await mountSessionfs(t, { env: { SESSION_OWNER: `${UID}:${GID}` } });
  const withoutRights = ['setpriv', '--bounding-set=-all', '--inh-caps=-all'];
  assert.deepEqual(await check(mounted.mountPoint, withoutRights), { status: 0, stdout: '' });
  await mounted.unmount();
});

/** In namespaces of its own: a mount that looks like one of sessionfs, and programs of this user's choice. */
const HOSTILE = `
  exec 3<>/dev/fuse
  mount -i -t fuse.sessionfs -o fd=3,rootmode=40000,user_id=0,group_id=0 sessionfs "$1" || exit 1
  for tool in true timeout stat; do mount --bind "$HOME/tool" "/usr/bin/$tool" || exit 1; done
  echo ready
  exec sleep 600`;

test('root runs no program of another user’s namespace', async (t) => {
  const user = ordinaryUser(t, { fuseMode: 0o666 });
  requireUserNamespaces(user);
  const mountPoint = user.directory('sessions');
  const evidence = join(temporaryDirectory(t), 'ran');
  writeFileSync(join(user.home, 'tool'), `#!/bin/sh\nid >'${evidence}'\n`, { mode: 0o755 });
  const namespace = ['unshare', '--user', '--map-root-user', '--mount'];
  const [file = '', ...args] = user.as([...namespace, 'sh', '-c', HOSTILE, 'sh', mountPoint]);
  const hostile = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanUp(t, () => void hostile.kill('SIGKILL'));
  await once(hostile.stdout, 'data');
  await check(mountPoint, ['unshare', '--mount', 'sh', '-c', 'umount -a -l -t fuse.sessionfs; exec "$0"']);
  assert.ok(!existsSync(evidence));
});
