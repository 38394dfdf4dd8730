import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type TestContext, test } from 'node:test';
import { cleanUp } from './cleanup.ts';
import { DaemonProcess } from './daemon-process.ts';

const HANG_MS = 20_000;

function start(t: TestContext, script: string): DaemonProcess {
  const daemon = new DaemonProcess('sh', ['-c', script], process.env, tmpdir());
  cleanUp(t, () => daemon.killAll());
  return daemon;
}

async function logged(daemon: DaemonProcess, pattern: RegExp): Promise<string> {
  for (;;) {
    const found = pattern.exec(daemon.log());
    if (found) return found[0];
    assert.equal(daemon.exit, undefined, daemon.log());
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** False for a zombie too: there may be no parent to reap it. */
function isRunning(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/status`)) return false;
  return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

test('a daemon’s exit and all it wrote are known once it has ended', async (t) => {
  const daemon = start(t, 'echo out; echo err >&2; exit 3');
  assert.deepEqual(await daemon.waitForExit(HANG_MS), { code: 3, signal: null });
  assert.deepEqual(daemon.log().trim().split('\n').sort(), ['err', 'out']);
});

test('killing a daemon takes what it started along', async (t) => {
  const daemon = start(t, 'sleep 60 & echo $!; wait');
  const child = Number(await logged(daemon, /\d+/));
  assert.ok(isRunning(child));
  daemon.killAll();
  // It ends when the last process that holds its output has ended.
  assert.deepEqual(await daemon.waitForExit(HANG_MS), { code: null, signal: 'SIGKILL' });
  assert.ok(!isRunning(child));
});

test('killing a daemon takes along what it started in a process group of its own', async (t) => {
  const daemon = start(t, 'setsid sleep 60 & echo $!; wait');
  const child = Number(await logged(daemon, /\d+/));
  daemon.killAll();
  await daemon.waitForExit(HANG_MS);
  assert.ok(!isRunning(child));
});

test('waiting for a daemon that does not end fails with its log', async (t) => {
  const daemon = start(t, 'echo stuck; sleep 60');
  await logged(daemon, /stuck/);
  await assert.rejects(daemon.waitForExit(50), /still runs after 50 ms; its log:\nstuck/);
});

test('a command that does not exist is an exit with the reason in the log', async (t) => {
  const daemon = new DaemonProcess('sessionfs-no-such-command', [], process.env, tmpdir());
  cleanUp(t, () => daemon.killAll());
  assert.deepEqual(await daemon.waitForExit(HANG_MS), { code: 127, signal: null });
  assert.match(daemon.log(), /ENOENT/);
});
