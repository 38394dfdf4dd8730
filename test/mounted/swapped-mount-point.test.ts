/** Another user, who may write the mount point's parent, puts a link in its place while sessionfs starts. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, renameSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { exitStatus } from '../../src/lib/errors.ts';
import { cleanUp } from '../support/cleanup.ts';
import { cliMain } from '../support/cli-main.ts';
import { DaemonProcess } from '../support/daemon-process.ts';
import { driverUnderTest } from '../support/driver.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { mounts, unmountBelow } from '../support/mounts.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { untilLogged } from './log-lines.ts';

test(`a mount point that is swapped for a link gets no mount, nor does what the link leads to (${driverUnderTest})`, async (t) => {
  const within = temporaryDirectory(t);
  const [mountPoint, victim, moved] = ['sessions', 'victim', 'moved'].map((name) => join(within, name)) as [
    string,
    string,
    string,
  ];
  for (const directory of [mountPoint, victim]) mkdirSync(directory, { mode: 0o755 });
  const daemon = new DaemonProcess(
    process.execPath,
    [cliMain, 'mount', mountPoint],
    cleanEnvironment(),
    repository,
  );
  cleanUp(t, async () => {
    daemon.killAll();
    await daemon.waitForExit(60_000);
    unmountBelow(within);
  });
  // Checked, and about to be mounted on: the daemon loads first.
  await untilLogged(daemon, /Driver chosen/);
  renameSync(mountPoint, moved);
  symlinkSync(victim, mountPoint);

  assert.deepEqual(await daemon.waitForExit(60_000), { code: exitStatus.MOUNT_FAILED, signal: null });
  assert.match(daemon.log(), /was replaced by another directory or a link/);
  assert.deepEqual(
    mounts().filter((mount) => mount.mountPoint.startsWith(within)),
    [],
  );
  assert.deepEqual(
    [victim, moved].map((path) => [(statSync(path).mode & 0o777).toString(8), readdirSync(path)]),
    [
      ['755', []],
      ['755', []],
    ],
  );
});
