/** Processes that cannot be started: each counts as a daemon that died. */
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SessionfsError } from '../../src/lib/errors.ts';
import { DaemonChild } from '../../src/supervisor/daemon-child.ts';
import type { DaemonStart } from '../../src/supervisor/messages.ts';
import { cleanUp } from '../support/cleanup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const options = { timeout: 30_000 };
/** More than one string of an environment may have: execve(2) fails with E2BIG. */
const TOO_LONG = 'x'.repeat(256 * 1024);

function child(t: TestContext, secrets: NodeJS.ProcessEnv = {}): DaemonChild {
  const fd = openSync('/dev/null', 'r+');
  cleanUp(t, () => closeSync(fd));
  const events = { loaded: () => {}, initialized: () => {} };
  return new DaemonChild(
    {} as DaemonStart,
    { fuseFd: fd, inFlightFd: fd, memoryFd: undefined },
    secrets,
    events,
  );
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
  await assertDied(child(t, { SESSION_ENCRYPTION_KEY: TOO_LONG }), /E2BIG/);
});
