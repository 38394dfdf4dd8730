/** Processes that cannot be started: each counts as a daemon that died. */
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SessionfsError } from '../../src/lib/errors.ts';
import { DaemonChild, diedEarly, isCrash } from '../../src/supervisor/daemon-child.ts';
import { cleanUp } from '../support/cleanup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const options = { timeout: 30_000 };
/** More than one string of an environment may have: execve(2) fails with E2BIG. */
const TOO_LONG = 'x'.repeat(256 * 1024);

function child(t: TestContext): DaemonChild {
  const fd = openSync('/dev/null', 'r+');
  cleanUp(t, () => closeSync(fd));
  const descriptors = { fuseFd: fd, inFlightFd: fd, memoryFd: undefined, folderFd: undefined };
  return new DaemonChild('direct', descriptors);
}

async function assertDied(daemon: DaemonChild, reason: RegExp): Promise<void> {
  const { spawnError, ...exit } = await daemon.exited;
  assert.deepEqual(exit, { report: undefined, refused: false, code: null, signal: null });
  assert.match(String(spawnError), reason);
  await assert.rejects(
    daemon.ready,
    (error) => error instanceof SessionfsError && error.code === 'DAEMON_FAILED',
  );
  daemon.handOver();
  daemon.kill('SIGTERM');
  assert.equal(daemon.pid, 0);
}

test('an executable that is gone', options, async (t) => {
  const { execPath } = process;
  process.execPath = join(temporaryDirectory(t), 'node');
  const daemon = child(t);
  process.execPath = execPath;
  await assertDied(daemon, /ENOENT/);
});

test('a system that refuses the process', options, async (t) => {
  process.env.TOO_LONG = TOO_LONG;
  const daemon = child(t);
  delete process.env.TOO_LONG;
  await assertDied(daemon, /E2BIG/);
});

test('a daemon that dies early where the limits are too low died of these, and else of a defect', () => {
  const error = diedEarly('SIGABRT', ['this container may have 20 tasks']);
  assert.ok(error instanceof SessionfsError);
  assert.equal(error.code, 'LIMITS_TOO_LOW');
  assert.match(error.message, /SIGABRT before it was ready: this container may have 20 tasks/);
  assert.ok(!(diedEarly('SIGABRT', []) instanceof SessionfsError));
});

test('a crash is a signal that a process raises by its own defect, or an error that nothing caught; a kill is none', () => {
  const died = (signal: NodeJS.Signals | null, code: number | null = null, refused = false) =>
    isCrash({ report: undefined, refused, code, signal, spawnError: undefined });
  for (const signal of ['SIGABRT', 'SIGBUS', 'SIGSEGV', 'SIGILL'] as const) assert.ok(died(signal));
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const) assert.ok(!died(signal));
  assert.deepEqual(
    [died(null, 7), died(null, 0), died(null, null), died(null, 1, true)],
    [true, false, false, false],
  );
});
