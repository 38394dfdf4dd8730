/** A process that has loaded its code waits for the daemon's end. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCli } from '../cli/run-cli.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { childrenOf, isDaemon } from './support/processes.ts';

const HANG_MS = 60_000;
const POLL_MS = 20;

async function until<T>(look: () => T | undefined | false): Promise<T> {
  for (const deadline = performance.now() + HANG_MS; performance.now() < deadline; await sleep(POLL_MS)) {
    const found = look();
    if (found) return found;
  }
  throw new Error('it never came');
}

const isRunning = (pid: number) => readText(`/proc/${pid}/cmdline`) !== '';

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

test('a standby takes over from a daemon that is killed, not from one that is reloaded, and ends with the supervisor', async (t) => {
  const mounted = await mountSessionfs(t, { env: { SESSIONFS_TEST_STANDBY_MS: '100' } });
  const file = join(mounted.mountPoint, 'creds.json');
  writeFileSync(file, '{"version":1}');
  const standbyOf = async (daemon: number) =>
    until(() => childrenOf(mounted.pid).find((pid) => isDaemon(pid) && pid !== daemon));

  const first = await mounted.daemonPid();
  const second = await standbyOf(first);
  process.kill(first, 'SIGKILL');
  assert.equal(readFileSync(file, 'utf8'), '{"version":1}');
  assert.equal(await mounted.daemonPid(), second);

  const stale = await standbyOf(second);
  const reloaded = runCli(['reload', mounted.mountPoint]);
  assert.deepEqual([reloaded.status, reloaded.stderr], [0, '']);
  const third = await mounted.daemonPid();
  assert.ok(third !== second && third !== stale, 'what was loaded before is not used');
  await until(() => !isRunning(stale));

  // One that dies is one that does not take over.
  process.kill(await standbyOf(third), 'SIGKILL');
  await until(() => childrenOf(mounted.pid).filter((pid) => isRunning(pid) && isDaemon(pid)).length === 1);
  process.kill(third, 'SIGKILL');
  assert.equal(readFileSync(file, 'utf8'), '{"version":1}');

  const last = await mounted.daemonPid();
  const orphan = await standbyOf(last);
  mounted.signal('SIGKILL');
  await until(() => !isRunning(orphan));
  assert.equal(readFileSync(file, 'utf8'), '{"version":1}');
  process.kill(last, 'SIGTERM');
  await mounted.exited();
});

test('a mount that ends takes its standby along', async (t) => {
  const mounted = await mountSessionfs(t, { env: { SESSIONFS_TEST_STANDBY_MS: '100' } });
  const pids = await until(() => {
    const found = childrenOf(mounted.pid).filter(isDaemon);
    return found.length === 2 && found;
  });
  await mounted.unmount();
  assert.deepEqual(pids.filter(isRunning), []);
});
