/** The image's health check, without the image: test/containers has it in containers with many rights and with few. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { cleanUp } from '../support/cleanup.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { GID, UID } from '../support/ordinary-user.ts';
import { repository } from '../support/repository.ts';

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
