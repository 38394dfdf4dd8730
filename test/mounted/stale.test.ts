import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { childrenOf, daemonOf } from '../crash/support/processes.ts';
import { cleanUp } from '../support/cleanup.ts';
import { type Mounted, mountSessionfs } from '../support/mount-sessionfs.ts';
import { mountAt } from '../support/mounts.ts';
import { beforeAll, treeAfter } from './crash-steps.ts';
import { untilStarted } from './log-lines.ts';
import { difference, readTree, type Tree, writeTree } from './session-files.ts';
import { Succession } from './support/succession.ts';

const ROUNDS = 10;
const KILL_AFTER_MS_MAX = 120;
const succession = new Succession();

/** SIGKILL of daemon and supervisor, and nothing else: the mount stays, without a server. */
async function killDaemon(mounted: Mounted): Promise<void> {
  mounted.crash();
  assert.deepEqual(await mounted.exited(), { code: null, signal: 'SIGKILL' });
  // "Transport endpoint is not connected"; a stat may still be answered by the kernel's cache.
  assert.throws(() => statfsSync(mounted.mountPoint), { code: 'ENOTCONN' });
  assert.equal(mountAt(mounted.mountPoint)?.type, 'fuse.sessionfs');
}

/** Lets a thread carry out steps until the daemon is killed under it; returns the number of the first that did not return. */
async function writeUntilKilled(mounted: Mounted, first: number): Promise<number> {
  const writer = new Worker(join(import.meta.dirname, 'crash-writer.js'), {
    argv: [mounted.mountPoint, String(first)],
  });
  const said: string[] = [];
  writer.on('message', (text: string) => said.push(text));
  const ended = once(writer, 'exit');
  await once(writer, 'message');
  await sleep(Math.random() * KILL_AFTER_MS_MAX);
  await killDaemon(mounted);
  await ended;
  assert.match(said.pop() ?? '', /^(ENOTCONN|ECONNABORTED)$/);
  assert.ok(said.length > 0);
  return Number(said.at(-1)) + 1;
}

test('the mount of a killed daemon is replaced by the next one, which has every change that had returned', async (t) => {
  let mounted = await mountSessionfs(t);
  const { mountPoint } = mounted;
  let expected: Tree = beforeAll;
  writeTree(mountPoint, expected);
  let next = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    const first = next;
    next = await writeUntilKilled(mounted, first);
    mounted = await mountSessionfs(t, { mountPoint });
    await untilStarted(mounted);
    assert.match(mounted.log(), /A dead mount that an earlier run had left is covered by the new one/);

    const actual = readTree(mountPoint);
    expected = treeAfter(expected, first, next);
    // The step that did not return may have happened all the same.
    const oneMore = treeAfter(expected, next, next + 1);
    if (difference(actual, oneMore).length === 0) {
      expected = oneMore;
      next++;
    }
    assert.deepEqual(difference(actual, expected), [], `round ${round}, after step ${next - 1}`);
  }
  await mounted.unmount();
});

test('a start that is refused leaves no dead mount behind, and what was written is there for the next one', async () => {
  const mounted = await succession.take();
  const { mountPoint } = mounted;
  writeTree(mountPoint, { 'notes.txt': 'written' });
  await killDaemon(mounted);
  await assert.rejects(
    mountSessionfs(succession.scope, { mountPoint, env: { SESSION_ENCRYPTION_KEY: 'short' } }),
    /exited with 20/,
  );
  assert.equal(mountAt(mountPoint), undefined);
  await succession.follow(mounted, () => {
    assert.deepEqual(readTree(mountPoint), { 'notes.txt': 'written' });
  });
});

test('a caller on the mount of a killed daemon waits for the next one, and finds no empty folder', async (t) => {
  const mounted = await succession.take();
  const { mountPoint } = mounted;
  writeTree(mountPoint, { 'notes.txt': 'written' });
  await killDaemon(mounted);
  const dead = mountAt(mountPoint)?.connection;

  const starting = mountSessionfs(t, { mountPoint });
  const daemon = await daemonServing(mountPoint);
  process.kill(daemon, 'SIGSTOP');
  cleanUp(t, () => void wake(daemon));
  for (let look = 0; mountAt(mountPoint)?.connection === dead && look < LOOKS_MAX; look++) await sleep(10);
  assert.equal(mountAt(mountPoint)?.type, 'fuse.sessionfs');
  assert.notEqual(mountAt(mountPoint)?.connection, dead, 'the new mount covers the dead one');
  const reader = spawn('cat', [join(mountPoint, 'notes.txt')], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said: string[] = [];
  for (const stream of [reader.stdout, reader.stderr]) stream.on('data', (text) => said.push(String(text)));
  const closed = once(reader, 'close');
  await sleep(PAUSE_MS);
  assert.deepEqual(said, []);
  wake(daemon);
  const again = await starting;
  assert.deepEqual(await closed, [0, null]);
  assert.deepEqual(said, ['written']);
  await again.unmount();
});

const PAUSE_MS = 300;
const LOOKS_MAX = 500;

function wake(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // It has ended.
  }
}

/** The daemon that a supervisor, a child of this process, has just started for `mountPoint`. */
async function daemonServing(mountPoint: string): Promise<number> {
  for (;;) {
    const supervisor = childrenOf(process.pid).find((pid) => commandLine(pid).includes(`\0${mountPoint}\0`));
    const daemon = supervisor && daemonOf(supervisor);
    if (daemon) return daemon;
    await sleep(1);
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
