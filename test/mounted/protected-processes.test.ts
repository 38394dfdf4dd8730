/** What a mount's processes keep to themselves: no debugger, no core file, no key in an environment. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { childrenOf } from '../crash/support/processes.ts';
import { startRun } from '../crash/support/run-command.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { cliMain } from '../support/cli-main.ts';
import { DaemonProcess } from '../support/daemon-process.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { mountAnswers } from '../support/mount-answers.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { unmountBelow } from '../support/mounts.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const KEY = 'a1b2c3d4'.repeat(8);
const DEBUGGER = /Debugger listening/;
const HANG_MS = 60_000;

function readOf(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}

interface Started {
  mountPoint: string;
  process: DaemonProcess;
}

/** As a user types it, before it answers. */
function start(scope: Scope, [file = '', ...args]: readonly string[], env = {}): Started {
  const mountPoint = join(temporaryDirectory(scope), 'sessions');
  mkdirSync(mountPoint);
  const started = new DaemonProcess(file, [...args, mountPoint], cleanEnvironment(env), repository);
  cleanUp(scope, async () => {
    started.killAll();
    await started.waitForExit(HANG_MS);
    unmountBelow(mountPoint);
  });
  return { mountPoint, process: started };
}

async function end({ process: started }: Started): Promise<void> {
  started.signal('SIGTERM');
  assert.equal((await started.waitForExit(HANG_MS)).code, 0, started.log());
}

/** To look at every process of the machine takes several milliseconds, in which much happens. */
function descendantsOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(descendantsOf)];
}

const SIGUSR1_BIT = 0x200n;

/**
 * Those that run node, the others have no debugger, and have got as far as to catch the signal, which ends them before. A fork that
 * has not run its own program yet catches what its parent catches, and still is named like that. Node.js 24 names its main thread.
 */
function nodes(started: DaemonProcess): number[] {
  return descendantsOf(started.pid).filter((pid) => {
    const parent = Number(/^PPid:\t(\d+)$/m.exec(readOf(pid, 'status'))?.[1]);
    if (readOf(pid, 'cmdline') === readOf(parent, 'cmdline')) return false;
    const status = readOf(pid, 'status');
    const caught = /^SigCgt:\t([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
    return /^Name:\t(node|MainThread)\n/.test(status) && (BigInt(`0x${caught}`) & SIGUSR1_BIT) !== 0n;
  });
}

test('SIGUSR1 opens no debugger in supervisor and daemon, which go on', async (t) => {
  const mounted = await mountSessionfs(t);
  const daemon = await mounted.daemonPid();
  for (const pid of [mounted.pid, daemon]) process.kill(pid, 'SIGUSR1');
  for (let round = 0; round < 20; round++) assert.equal(await mounted.daemonPid(), daemon);
  await mounted.unmount();
  assert.doesNotMatch(mounted.log(), DEBUGGER);
});

test('SIGUSR1 opens no debugger in the first moments of a process either, with bin/sessionfs', async (t) => {
  const started = start(t, [join(repository, 'bin/sessionfs'), 'mount']);
  let isAnswering = false;
  const answering = mountAnswers(started.process, started.mountPoint, 'fuse.sessionfs').then(() => {
    isAnswering = true;
  });
  let signals = 0;
  while (!isAnswering && started.process.exit === undefined) {
    for (const pid of nodes(started.process)) {
      try {
        process.kill(pid, 'SIGUSR1');
        signals++;
      } catch {
        // It has just ended.
      }
    }
    await sleep(1);
  }
  await answering;
  assert.ok(signals > 2);
  await end(started);
  assert.doesNotMatch(started.process.log(), DEBUGGER);
});

test('the key is in no environment but that of the process which was given it', async (t) => {
  const started = start(t, [process.execPath, cliMain, 'mount'], {
    SESSION_ENCRYPTION_KEY: KEY,
    SESSION_STORAGE_TYPE: 'cloud',
    STORAGE_BUCKET: `file://${temporaryDirectory(t)}`,
  });
  const seen = new Set<string>();
  let isAnswering = false;
  const answering = mountAnswers(started.process, started.mountPoint, 'fuse.sessionfs').then(() => {
    isAnswering = true;
  });
  const look = () => {
    for (const pid of descendantsOf(started.process.pid)) {
      // The name first: a fork that runs its program between the two reads has a new environment under its old name.
      const line = readOf(pid, 'cmdline').replaceAll('\0', ' ');
      if (pid !== started.process.pid && readOf(pid, 'environ').includes(KEY)) seen.add(line);
    }
  };
  while (!isAnswering && started.process.exit === undefined) {
    look();
    await sleep(1);
  }
  await answering;
  look();
  await end(started);
  // A fork has the environment of its parent until it runs its program.
  const forked = [process.execPath, cliMain].join(' ');
  assert.deepEqual(
    [...seen].filter((line) => !line.startsWith(forked)),
    [],
  );
});

test('a daemonized mount has no key in any environment', async (t) => {
  const within = temporaryDirectory(t);
  const mountPoint = join(within, 'sessions');
  mkdirSync(mountPoint);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [cliMain, 'mount', '--daemonize', mountPoint],
    {
      env: cleanEnvironment({ SESSION_ENCRYPTION_KEY: KEY }),
      encoding: 'utf8',
    },
  );
  const pid = Number(/process (\d+)/.exec(stdout)?.[1]);
  cleanUp(t, () => {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  });
  assert.equal(status, 0, stderr);
  const { pids } = JSON.parse(readFileSync(join(mountPoint, '.sessionfs/status.json'), 'utf8'));
  for (const each of [pids.supervisor, pids.daemon]) {
    assert.ok(readOf(each, 'environ').length > 0);
    assert.ok(!readOf(each, 'environ').includes(KEY));
  }
  assert.equal(spawnSync(process.execPath, [cliMain, 'unmount', mountPoint]).status, 0);
});

const coreLimit = (pid: number) => /^Max core file size\s+(\S+)/m.exec(readOf(pid, 'limits'))?.[1];
/** Some limit that neither this process nor a default has, in the units of ulimit(1). */
const CORE_LIMIT = '4242';

test('supervisor and daemon dump no core, and the command of run keeps its own limit', async (t) => {
  const script = 'echo "core: $(ulimit -S -c)"; cat "$DIR/.sessionfs/status.json"; kill -STOP $$; exit 3';
  const mountPoint = join(temporaryDirectory(t), 'sessions');
  mkdirSync(mountPoint);
  const under = ['sh', '-c', `ulimit -S -c ${CORE_LIMIT} && exec "$@"`, 'sh'];
  const run = await startRun(t, ['sh', '-c', script], { mountPoint, env: { DIR: mountPoint }, under });
  const stopped = () => run.process.processes().find((pid) => / T \d/.test(readOf(pid, 'stat')));
  const PIDS = /"supervisor":\s*(\d+),\s*"daemon":\s*(\d+)/;
  while (stopped() === undefined || !PIDS.test(run.process.log())) {
    assert.equal(run.process.exit, undefined, run.process.log());
    await sleep(20);
  }
  const [, supervisor, daemon] = PIDS.exec(run.process.log()) ?? [];
  assert.deepEqual([coreLimit(Number(supervisor)), coreLimit(Number(daemon))], ['0', '0']);
  process.kill(stopped() ?? 0, 'SIGCONT');
  assert.equal((await run.ended()).code, 3, run.process.log());
  assert.match(run.process.log(), new RegExp(`^core: ${CORE_LIMIT}$`, 'm'));
});

test('processes started without bin/sessionfs dump no core either, and cannot be traced', async (t) => {
  // The kernel shows what a process has open as root's, group included, where it may not be traced.
  const started = start(t, [
    'sh',
    '-c',
    `ulimit -S -c ${CORE_LIMIT} && exec setpriv --regid=5 --clear-groups -- "$@"`,
    'sh',
    process.execPath,
    cliMain,
    'mount',
  ]);
  await mountAnswers(started.process, started.mountPoint, 'fuse.sessionfs');
  const { pids } = JSON.parse(readFileSync(join(started.mountPoint, '.sessionfs/status.json'), 'utf8'));
  for (const pid of [pids.supervisor, pids.daemon]) {
    assert.equal(coreLimit(pid), '0');
    assert.equal(statSync(`/proc/${pid}/fd`).gid, 0);
  }
  await end(started);
});
