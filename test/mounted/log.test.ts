/** Where the log of a mount goes: a file that logrotate(8) renames, or a terminal that people read. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isRunning } from '../../src/api/process-watch.ts';
import { runCli } from '../cli/run-cli.ts';
import { cleanUp } from '../support/cleanup.ts';
import { cliMain } from '../support/cli-main.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { mountAt, unmountBelow } from '../support/mounts.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { logLines } from './log-lines.ts';

const options = { timeout: 120_000 };
const REOPENED = 'The log file was opened anew';

function linesOf(path: string) {
  return existsSync(path) ? logLines(readFileSync(path, 'utf8')) : [];
}

test(
  'SIGHUP opens a renamed log anew, for supervisor and daemon and the next daemon, and the mount goes on',
  options,
  async (t) => {
    const within = temporaryDirectory(t);
    const mountPoint = join(within, 'sessions');
    mkdirSync(mountPoint);
    const started = runCli(['mount', '--daemonize'], {}, within);
    assert.equal(started.status, 0, started.stderr);
    cleanUp(t, () => {
      runCli(['unmount'], {}, within);
    });
    const supervisor = Number(/process (\d+)/.exec(started.stdout)?.[1]);
    const log = join(within, 'sessions.sealed.log');
    renameSync(log, `${log}.1`);
    process.kill(supervisor, 'SIGHUP');
    await until(() => linesOf(log).filter(({ msg }) => msg === REOPENED).length === 2);
    const { pids } = JSON.parse(readFileSync(join(mountPoint, '.sessionfs/status.json'), 'utf8'));
    assert.deepEqual(new Set(linesOf(log).map(({ pid }) => pid)), new Set([pids.supervisor, pids.daemon]));

    process.kill(pids.daemon, 'SIGKILL');
    writeFileSync(join(mountPoint, 'after.json'), '{}');
    await until(() => linesOf(log).some(({ msg }) => msg === 'Took the mount over'));
    assert.equal(runCli(['unmount'], {}, within).status, 0);
    assert.equal(linesOf(log).at(-1)?.msg, 'Mount stopped');
    const old = linesOf(`${log}.1`).map(({ msg }) => msg);
    assert.equal(old.at(-1), 'Mounted');
  },
);

test(
  'on a terminal the log is for people, and the end of the terminal is the end of the mount',
  options,
  async (t) => {
    const mountPoint = join(temporaryDirectory(t), 'sessions');
    mkdirSync(mountPoint);
    const command = `exec ${process.execPath} ${cliMain} mount ${mountPoint}`;
    const [file = '', ...args] = ['script', '-q', '-e', '-c', command, '/dev/null'];
    const terminal = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...cleanEnvironment(), SHELL: '/bin/sh', NO_COLOR: '1' },
    });
    cleanUp(t, () => {
      terminal.kill('SIGKILL');
      unmountBelow(mountPoint);
    });
    let text = '';
    terminal.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    await until(() => / Mounted /.test(text));
    assert.match(text, /^\d\d:\d\d:\d\d INFO {2}Mounted mountPoint=\S+ cache=\S+ sessions=0 files=0 .*\r$/m);
    assert.ok(!text.includes('{"level"'), text);
    writeFileSync(join(mountPoint, 'kept.json'), '{}');
    const { pids } = JSON.parse(readFileSync(join(mountPoint, '.sessionfs/status.json'), 'utf8'));
    terminal.kill('SIGKILL');
    await once(terminal, 'exit');
    await until(() => !isRunning(pids.supervisor) && !isRunning(pids.daemon));
    assert.equal(mountAt(mountPoint), undefined);
  },
);
