import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isRunning } from '../../src/api/process-watch.ts';
import { waitUntilGone } from '../../src/api/unmount.ts';
import { exitStatus } from '../../src/lib/errors.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { cliMain } from '../support/cli-main.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { fileScope } from '../support/file-scope.ts';
import { mountAt } from '../support/mounts.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { runCli } from './run-cli.ts';

interface Daemonized {
  directory: string;
  mountPoint: string;
  /** The supervisor's. */
  pid: number;
  daemonPid: number;
  stdout: string;
}

/** A daemonized mount on `sessions` in a new directory, ended with the test. */
async function daemonize(t: Scope, args: readonly string[] = []): Promise<Daemonized> {
  const directory = temporaryDirectory(t);
  const mountPoint = join(directory, 'sessions');
  mkdirSync(mountPoint);
  const { status, stdout, stderr } = runCli(['mount', mountPoint, '--daemonize', ...args]);
  const pid = Number(/process (\d+)/.exec(stdout)?.[1]);
  let daemonPid = 0;
  cleanUp(t, async () => {
    // First, or it starts another daemon, which makes a cache in the directory that is removed.
    await end(pid);
    await end(daemonPid);
  });
  assert.equal(status, 0, stderr);
  daemonPid = daemonOf(mountPoint);
  return { directory, mountPoint, pid, daemonPid, stdout };
}

const file = fileScope();
let shared: Promise<Daemonized> | undefined;

/** An empty one, for the tests that leave it as it is. */
function sharedMount(): Promise<Daemonized> {
  shared ??= daemonize(file);
  return shared;
}

function daemonOf(mountPoint: string): number {
  return JSON.parse(readFileSync(join(mountPoint, '.sessionfs/status.json'), 'utf8')).pids.daemon;
}

async function end(pid: number): Promise<void> {
  if (!(pid > 0) || !isRunning(pid)) return;
  process.kill(pid, 'SIGKILL');
  await waitUntilGone(`process ${pid}`, { timeoutMs: 20_000, isGone: async () => !isRunning(pid) });
}

test('--daemonize returns when the mount answers, and says process, mount point and log', async () => {
  const { directory, mountPoint, pid, stdout } = await sharedMount();
  const log = join(directory, 'sessions.sealed.log');
  assert.equal(stdout, `sessionfs: process ${pid} serves ${mountPoint}, log in ${log}\n`);
  assert.equal(mountAt(mountPoint)?.type, 'fuse.sessionfs');
  assert.deepEqual(readdirSync(mountPoint), []);
  assert.equal(readFileSync(join(directory, 'sessions.sealed.pid'), 'utf8'), `${pid}\n`);
  assert.equal(statSync(log).mode & 0o777, 0o600);
  assert.match(readFileSync(log, 'utf8'), /"msg":"Mounted"/);
  const last = runCli(['logs', mountPoint, '--lines', '1']);
  assert.deepEqual(last, {
    status: 0,
    stdout: `${readFileSync(log, 'utf8').trimEnd().split('\n').at(-1)}\n`,
    stderr: '',
  });
});

test('unmount returns when mount, process and pid file are gone, and the next mount has what was written', async (t) => {
  const { directory, mountPoint, pid } = await daemonize(t);
  mkdirSync(join(mountPoint, 'u-+49'));
  writeFileSync(join(mountPoint, 'u-+49/creds.json'), '{"a":1}');
  // A FIFO ends with the mount: it is no change that the cache lacks.
  execFileSync('mkfifo', [join(mountPoint, 'fifo')]);
  const result = runCli(['unmount', mountPoint]);
  assert.deepEqual(result, { status: 0, stdout: `sessionfs: ${mountPoint} is unmounted\n`, stderr: '' });
  assert.equal(mountAt(mountPoint), undefined);
  assert.ok(!isRunning(pid) && !existsSync(join(directory, 'sessions.sealed.pid')));

  const again = runCli(['mount', mountPoint, '--daemonize', '--json']);
  assert.deepEqual([again.status, again.stderr], [0, '']);
  const { pid: next, ...rest } = JSON.parse(again.stdout);
  let daemonPid = 0;
  cleanUp(t, () => end(next).then(() => end(daemonPid)));
  assert.equal(readFileSync(join(directory, 'sessions.sealed.pid'), 'utf8'), `${next}\n`);
  assert.deepEqual(rest, {
    mountPoint,
    mode: 'local',
    logFile: join(directory, 'sessions.sealed.log'),
    pidFile: join(directory, 'sessions.sealed.pid'),
    notices: [],
  });
  daemonPid = daemonOf(mountPoint);
  assert.equal(readFileSync(join(mountPoint, 'u-+49/creds.json'), 'utf8'), '{"a":1}');
  assert.match(
    runCli(['status', mountPoint]).stdout,
    /\n\nsession +files +last change\nu-\+49 +1 +\d+ \S+ ago\n$/,
  );
});

test('status says what is mounted, by the name of a link too', async () => {
  const { directory, mountPoint, pid } = await sharedMount();
  symlinkSync('sessions', join(directory, 'link'));
  const shown = JSON.parse(runCli(['status', join(directory, 'link'), '--json']).stdout);
  assert.deepEqual([shown.mountPoint, shown.pids.supervisor, shown.mode], [mountPoint, pid, 'local']);
  assert.match(runCli(['status'], {}, directory).stdout, new RegExp(`^mount point +${mountPoint}$`, 'm'));
});

test('log and pid file lie where the flags say', async (t) => {
  const elsewhere = temporaryDirectory(t);
  const [log, pidFile] = [join(elsewhere, 'a.log'), join(elsewhere, 'a.pid')];
  const { pid } = await daemonize(t, ['--log-file', log, `--pid-file=${pidFile}`]);
  assert.ok(existsSync(log));
  assert.equal(readFileSync(pidFile, 'utf8'), `${pid}\n`);
});

test('a second mount on the same directory is refused and leaves the first one and its pid file alone', async () => {
  const { directory, mountPoint, pid } = await sharedMount();
  const second = runCli(['mount', mountPoint, '--daemonize']);
  assert.equal(second.status, exitStatus.MOUNT_POINT_BUSY, second.stderr);
  assert.equal(readFileSync(join(directory, 'sessions.sealed.pid'), 'utf8'), `${pid}\n`);
  assert.deepEqual(readdirSync(mountPoint), []);
});

test('the mount of a daemon that was killed, and its supervisor before it, is reported by status and taken away by unmount', async (t) => {
  const { mountPoint, pid, daemonPid } = await daemonize(t);
  await end(pid);
  assert.equal(runCli(['status', mountPoint]).status, 0, 'the daemon goes on without its supervisor');
  await end(daemonPid);
  const status = runCli(['status', mountPoint]);
  assert.equal(status.status, exitStatus.NOT_MOUNTED);
  assert.match(status.stderr, /has died/);
  assert.match(
    runCli(['doctor', mountPoint]).stdout,
    /^WARNING mount point +the daemon of the mount on \S+ has died \(NOT_MOUNTED\)\n +sessionfs mount DIR/m,
  );
  const unmount = runCli(['unmount', mountPoint]);
  assert.equal(unmount.status, 0, unmount.stderr);
  assert.match(unmount.stdout, /had died; its mount is removed/);
  assert.equal(mountAt(mountPoint), undefined);
});

test('unmount of a mount in use ends it, says who used it, and exits with a status of its own', async (t) => {
  const { directory, mountPoint, pid } = await daemonize(t);
  mkdirSync(join(mountPoint, 'u-+49'));
  writeFileSync(join(mountPoint, 'u-+49/creds.json'), '{"a":1}');
  const inside = spawn('sleep', ['1000'], { cwd: join(mountPoint, 'u-+49'), stdio: 'ignore' });
  const file = openSync(join(directory, 'sessions.sealed.log'), 'r');
  const reader = spawn('sleep', ['1000'], {
    stdio: ['ignore', openSync(join(mountPoint, 'u-+49/creds.json'), 'r'), file],
  });
  cleanUp(t, () => {
    for (const child of [inside, reader]) child.kill('SIGKILL');
  });
  const { status, stdout, stderr } = runCli(['unmount', mountPoint]);
  assert.deepEqual([status, stdout], [exitStatus.MOUNT_IN_USE, ''], stderr);
  assert.match(
    stderr,
    new RegExp(`is flushed and unmounted, but was in use by .*${inside.pid} \\(sleep: working directory\\)`),
  );
  assert.match(stderr, new RegExp(`${reader.pid} \\(sleep: open file\\)`));
  assert.equal(mountAt(mountPoint), undefined);
  assert.ok(!isRunning(pid));
  assert.deepEqual(readdirSync(join(directory, 'sessions.sealed/journal')), []);
});

test('of a daemon that is stopped status names the process, and says what lets it go on and where its log is', async (t) => {
  const { mountPoint, daemonPid } = await daemonize(t);
  process.kill(daemonPid, 'SIGSTOP');
  // Beside it a second mount, which would wait for ever.
  const second = spawn(process.execPath, [cliMain, 'mount', mountPoint], {
    env: cleanEnvironment(),
    stdio: 'ignore',
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  const ended = once(second, 'exit');
  cleanUp(t, () => void second.kill('SIGKILL'));
  const { status, stdout, stderr } = runCli(['status', mountPoint]);
  assert.deepEqual(await ended, [exitStatus.MOUNT_NOT_ANSWERING, null]);
  process.kill(daemonPid, 'SIGCONT');
  assert.deepEqual([status, stdout], [exitStatus.MOUNT_NOT_ANSWERING, '']);
  assert.match(
    stderr,
    new RegExp(`did not answer for 5 s; it is served by process .*\\b${daemonPid} \\(stopped\\)`),
  );
  assert.match(
    stderr,
    new RegExp(`kill -CONT ${daemonPid} lets it go on; .* Its log is \\S+/sessions\\.sealed\\.log\\.`),
  );
  assert.equal(runCli(['status', mountPoint]).status, 0);
});
