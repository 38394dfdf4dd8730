import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isRunning } from '../../src/api/process-watch.ts';
import { runCli } from '../cli/run-cli.ts';
import { cleanUp } from '../support/cleanup.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { ELSEWHERE } from '../support/stopped.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { logLines } from './log-lines.ts';
import { assertRefused, traces } from './refused-start.ts';
import { readTree, sessionTree, setTimes, writeTree } from './session-files.ts';

const KEY = '0123456789abcdef'.repeat(4);
const OTHER_KEY = 'fedcba9876543210'.repeat(4);

test('a daemonized start that fails ends with the error and status of the daemon, and without a pid file', async (t) => {
  const within = temporaryDirectory(t);
  const mountPoint = join(within, 'sessions');
  const mounted = await mountSessionfs(t, { mountPoint, env: { SESSION_ENCRYPTION_KEY: KEY } });
  await mounted.unmount();
  const log = join(within, 'daemon.log');
  assertRefused(
    {
      within,
      args: [mountPoint, '--daemonize', '--log-file', log],
      env: { SESSION_ENCRYPTION_KEY: OTHER_KEY },
    },
    { code: 'KEY_WRONG', message: /sealed with key [0-9a-f]{16}/, hint: /Give the key that sealed them/ },
  );
  assert.match(readFileSync(log, 'utf8'), /^sessionfs: the sessions in .* are sealed with key/m);
  assert.ok(!existsSync(join(within, 'sessions.sealed.pid')));
});

test('the terminal names plain sessions that were imported and skipped, which is newer, and what to do', async (t) => {
  const within = temporaryDirectory(t);
  const mountPoint = join(within, 'sessions');
  const first = await mountSessionfs(t, { mountPoint });
  writeTree(mountPoint, sessionTree('user1-+15550001', 'sealed'));
  writeTree(mountPoint, sessionTree('user2-+15550002', 'sealed'));
  await first.unmount();
  for (const user of ['user1-+15550001', 'user2-+15550002', 'user3-+15550003'])
    writeTree(mountPoint, sessionTree(user, 'plain'));
  const old = new Date('2020-01-02T03:04:05Z');
  setTimes(join(mountPoint, 'user2-+15550002'), old);
  writeFileSync(join(mountPoint, 'user3-+15550003/pre-key-9.json'), '');

  const started = runCli(['mount', '--daemonize'], {}, within);
  cleanUp(t, () => {
    runCli(['unmount'], {}, within);
  });
  assert.equal(started.status, 0, started.stderr);
  const lines = started.stderr.split('\n');
  const lineOf = (text: string) => lines.find((line) => line.includes(text)) ?? '';
  assert.match(
    lineOf('were imported'),
    /^sessionfs: plain sessions were imported: user3-\+15550003\. .*\.plain-/,
  );
  assert.match(lineOf('not imported'), /user3-\+15550003\/pre-key-9\.json \(empty\)$/);
  assert.match(
    lineOf('session user1'),
    /was skipped, because the mount has one of that name; the plain one is newer \(plain: 2\S+, sealed: 2\S+\)\. The plain one lies in \S+\.plain-\S+\/user1-\+15550001, not encrypted\. To use it, stop its application and copy its files to \S+\/sessions\/user1-\+15550001; otherwise delete it$/,
  );
  assert.match(
    lineOf('session user2'),
    /the sealed one is newer \(plain: 2020-01-02T03:04:05\.000Z, sealed: 2/,
  );
});

test('a daemonized mount holds no directory, logs to its end, and leaves only cache, key and log', async (t) => {
  const within = temporaryDirectory(t);
  const mountPoint = join(within, 'sessions');
  mkdirSync(mountPoint);
  const started = runCli(['mount', '--daemonize'], {}, within);
  const pid = Number(/process (\d+)/.exec(started.stdout)?.[1]);
  cleanUp(t, () => {
    if (pid > 0 && isRunning(pid)) process.kill(pid, 'SIGKILL');
  });
  assert.equal(started.status, 0, started.stderr);
  assert.equal(readlinkSync(`/proc/${pid}/cwd`), '/');
  writeTree(mountPoint, sessionTree('user1-+15550001'));

  assert.equal(runCli(['unmount'], {}, within).status, 0);
  assert.deepEqual(traces(within), []);
  const messages = logLines(readFileSync(join(within, 'sessions.sealed.log'), 'utf8')).map(({ msg }) => msg);
  const own = messages.filter((message) => !ELSEWHERE.test(message));
  assert.deepEqual(own.slice(-3), ['Mounted', 'Stopping', 'Mount stopped']);
  const kept = Object.keys(readTree(within)).filter((path) => !/\/./.test(path));
  assert.deepEqual(kept, ['sessions/', 'sessions.sealed/', 'sessions.sealed.key', 'sessions.sealed.log']);
});
