/** A supervisor that is told something just when its daemon dies. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCli } from '../cli/run-cli.ts';
import { type Mounted, mountSessionfs } from '../support/mount-sessionfs.ts';
import { mountAt } from '../support/mounts.ts';
import { logLines } from './log-lines.ts';

const HANG_MS = 60_000;
const DIED = 'The daemon died; another one takes the mount over';
const STILL_FINISHING = 'still finishing, nothing is lost by waiting';
const HANDING_OVER = 'Handing the mount over to a new daemon';

async function until(condition: () => boolean, mounted: Mounted): Promise<void> {
  const deadlineMs = performance.now() + HANG_MS;
  while (!condition()) {
    assert.ok(performance.now() < deadlineMs, mounted.log());
    await sleep(5);
  }
}

const told = (mounted: Mounted, message: string) =>
  logLines(mounted.log()).filter(({ msg }) => msg === message).length;

async function restarts({ mountPoint }: Mounted): Promise<number> {
  return JSON.parse(await readFile(join(mountPoint, '.sessionfs/status.json'), 'utf8')).restarts;
}

test('a daemon that is killed while it hands over has died: that is told and counted, and the next one serves', async (t) => {
  const mounted = await mountSessionfs(t);
  const file = join(mounted.mountPoint, 'notes.txt');
  writeFileSync(file, 'text');
  const daemon = await mounted.daemonPid();
  process.kill(daemon, 'SIGSTOP');
  mounted.signal('SIGUSR2');
  await until(() => told(mounted, HANDING_OVER) === 1, mounted);
  process.kill(daemon, 'SIGKILL');
  assert.equal(await readFile(file, 'utf8'), 'text');
  assert.deepEqual([told(mounted, DIED), await restarts(mounted)], [1, 1]);
  mounted.signal('SIGUSR2');
  await until(() => told(mounted, HANDING_OVER) === 2, mounted);
  assert.equal(await readFile(file, 'utf8'), 'text');
  await mounted.unmount();
  assert.equal(told(mounted, DIED), 1);
});

test('a stop that the daemon dies of is carried out by the next one', async (t) => {
  const mounted = await mountSessionfs(t);
  writeFileSync(join(mounted.mountPoint, 'notes.txt'), 'text');
  const daemon = await mounted.daemonPid();
  process.kill(daemon, 'SIGSTOP');
  mounted.signal('SIGTERM');
  // The second signal is told once the first one was taken.
  await until(() => {
    mounted.signal('SIGTERM');
    return told(mounted, STILL_FINISHING) > 0;
  }, mounted);
  process.kill(daemon, 'SIGKILL');
  const exit = await mounted.exited();
  assert.deepEqual(exit, { code: 0, signal: null }, mounted.log());
  assert.equal(mountAt(mounted.mountPoint), undefined);
});

test('where a mount died, one whose daemon refuses to start leaves none', async (t) => {
  const mounted = await mountSessionfs(t);
  const { mountPoint } = mounted;
  mounted.crash();
  await mounted.exited();
  assert.ok(mountAt(mountPoint) !== undefined, 'the dead mount is gone already');
  writeFileSync(`${mountPoint}.sealed.key`, '0a'.repeat(32));
  const { status, stderr } = runCli(['mount', mountPoint]);
  assert.notEqual(status, 0);
  assert.match(stderr, /key/);
  assert.equal(mountAt(mountPoint), undefined, stderr);
});
