/** What a supervisor does when no daemon can be started any more, and when it is told to replace one. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { exitStatus } from '../../src/lib/errors.ts';
import { noticeDirectories } from '../../src/supervisor/restart-notice.ts';
import { runCli } from '../cli/run-cli.ts';
import { logLines } from '../mounted/log-lines.ts';
import { readTree, sessionTree, writeTree } from '../mounted/session-files.ts';
import { cliMain } from '../support/cli-main.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { mountAt } from '../support/mounts.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { nextDaemonOf } from './support/processes.ts';
import { StepWriter } from './support/step-writer.ts';

const OTHER_KEY = '0123456789abcdef'.repeat(4);
const RELOADS = 5;
/** More than the refusals after which a mount is given up. */
const KILLS_BEFORE_READY = 14;
const HANG_MS = 90_000;
const FAILED_STARTS = 12;
const POLL_MS = 20;

function failedStarts(log: string): number {
  return logLines(log).filter(({ msg }) => String(msg).startsWith('No daemon could be started')).length;
}

async function until(isReached: () => boolean, log: () => string): Promise<void> {
  const deadlineMs = performance.now() + HANG_MS;
  while (!isReached()) {
    assert.ok(performance.now() < deadlineMs, log());
    await sleep(POLL_MS);
  }
}

/** The files that say what this supervisor is doing. */
function noticesOf(supervisor: number): string[] {
  return noticeDirectories()
    .flatMap((directory) =>
      existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [],
    )
    .filter((path) => readFileSync(path, 'utf8').includes(`"pid":${supervisor}`));
}

test('a daemon that dies again and again before it is ready: the mount is given up, and nothing is lost', async (t) => {
  const mounted = await mountSessionfs(t);
  const { mountPoint } = mounted;
  const tree = sessionTree('user1-+15551');
  writeTree(mountPoint, tree);
  const keyFile = `${mountPoint}.sealed.key`;
  const key = readFileSync(keyFile, 'utf8');
  const daemon = await mounted.daemonPid();
  writeFileSync(keyFile, OTHER_KEY);
  process.kill(daemon, 'SIGKILL');
  // A call that waits for a daemon must not wait for ever.
  const waiting = assert.rejects(readFile(join(mountPoint, '.sessionfs/status.json')));
  const exit = await mounted.exited();
  assert.deepEqual(exit, { code: exitStatus.DAEMON_FAILED, signal: null }, mounted.log());
  await waiting;
  assert.equal(mountAt(mountPoint), undefined);
  const lines = logLines(mounted.log());
  const fatal = lines.filter(({ level }) => level === 'fatal');
  assert.equal(fatal.length, 1, mounted.log());
  assert.match(String(fatal[0]?.msg), /dies again and again; the mount is given up/);
  const reasons = lines.filter(({ msg }) => msg === 'The daemon could not take the mount over');
  assert.match(String(reasons[0]?.error), /sealed with key/);
  assert.ok(!mounted.log().includes(OTHER_KEY));
  t.diagnostic(`given up after ${fatal[0]?.restarts} deaths`);

  writeFileSync(keyFile, key);
  const again = await mountSessionfs(t, { mountPoint });
  assert.deepEqual(readTree(mountPoint), tree);
  await again.unmount();
});

test('daemons that are killed before they are ready do not end the mount, and the call that waits is answered', async (t) => {
  const mounted = await mountSessionfs(t);
  const file = join(mounted.mountPoint, 'notes.txt');
  writeFileSync(file, 'written before');
  let daemon = await mounted.daemonPid();
  process.kill(daemon, 'SIGKILL');
  const waiting = readFile(file, 'utf8');
  for (let kills = 0; kills < KILLS_BEFORE_READY; kills++) {
    daemon = await nextDaemonOf(mounted.pid, daemon);
    process.kill(daemon, 'SIGKILL');
  }
  assert.equal(await waiting, 'written before');
  const tries = logLines(mounted.log()).filter(({ msg }) => String(msg).includes('its callers wait'));
  assert.ok(tries.length >= KILLS_BEFORE_READY, mounted.log());
  assert.equal(tries.at(-1)?.deathsBeforeReady, KILLS_BEFORE_READY);
  await mounted.unmount();
});

test('while no daemon can be started calls wait, status says so, and the first one that starts answers them', async (t) => {
  const node = join(temporaryDirectory(t), 'node');
  copyFileSync(process.execPath, node);
  const mounted = await mountSessionfs(t, { node });
  const { mountPoint } = mounted;
  const file = join(mountPoint, 'notes.txt');
  writeFileSync(file, 'written before');
  // As in the middle of an upgrade.
  renameSync(node, `${node}.new`);
  process.kill(await mounted.daemonPid(), 'SIGKILL');
  const waiting = readFile(file, 'utf8');
  await until(() => failedStarts(mounted.log()) >= FAILED_STARTS, mounted.log);
  const { status, stderr } = runCli(['status', mountPoint]);
  assert.equal(status, exitStatus.MOUNT_NOT_ANSWERING);
  assert.match(
    stderr,
    /no daemon serves the mount on .*Daemons have died \d+ times since \d{4}-.*calls on the mount wait/,
  );
  assert.match(stderr, new RegExp(`Process ${mounted.pid} goes on starting daemons`));
  renameSync(`${node}.new`, node);
  assert.equal(await waiting, 'written before');
  assert.equal(runCli(['status', mountPoint]).status, 0);
  assert.deepEqual(noticesOf(mounted.pid), []);
  await mounted.unmount();
});

test('a mount that is given up, or ends while daemons are replaced, leaves no notice', async (t) => {
  const mounted = await mountSessionfs(t);
  process.kill(await mounted.daemonPid(), 'SIGKILL');
  await until(
    () => noticesOf(mounted.pid).length === 1 || mounted.log().includes('Took the mount over'),
    mounted.log,
  );
  await mounted.unmount();
  assert.deepEqual(noticesOf(mounted.pid), []);
});

test('sessionfs reload under load: other daemons go on, and no call fails', async (t) => {
  const mounted = await mountSessionfs(t);
  const { mountPoint } = mounted;
  mkdirSync(join(mountPoint, 'writer'));
  const writer = new StepWriter(t, join(mountPoint, 'writer'));
  const daemons = new Set([await mounted.daemonPid()]);
  for (let reload = 0; reload < RELOADS; reload++) {
    const { stdout } = await promisify(execFile)(process.execPath, [cliMain, 'reload', mountPoint], {
      env: cleanEnvironment(),
      timeout: HANG_MS,
    });
    const daemon = await mounted.daemonPid();
    assert.match(stdout, new RegExp(`is served by daemon ${daemon}, version `));
    daemons.add(daemon);
  }
  const { restarts } = JSON.parse(readFileSync(join(mountPoint, '.sessionfs/status.json'), 'utf8'));
  await writer.stop();
  t.diagnostic(`${RELOADS} reloads: ${writer.steps} changes returned, error: ${writer.error ?? 'none'}`);
  assert.equal(daemons.size, RELOADS + 1);
  assert.equal(restarts, 0);
  assert.equal(writer.error, undefined);
  assert.ok(writer.steps > RELOADS);
  assert.deepEqual(writer.differences(), []);
  assert.doesNotMatch(mounted.log(), /The daemon died/);
  await mounted.unmount();
});
