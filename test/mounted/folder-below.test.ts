/** The folder that the mount covers: shut for as long as sessionfs owns its name. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCli } from '../cli/run-cli.ts';
import { folderBelow, mkdirStatus, openToAll, RestlessApplication } from '../support/folder-below.ts';
import { type Mounted, mountSessionfs } from '../support/mount-sessionfs.ts';
import { mounts } from '../support/mounts.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { untilLogged } from './log-lines.ts';

const MODE = 0o2777;
const SHUT = { mode: '0', names: [] };

const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8);
const stackedOn = (path: string) => mounts().filter(({ mountPoint }) => mountPoint === path).length;

async function end(mounted: Mounted, signal: NodeJS.Signals): Promise<void> {
  mounted.signal(signal);
  assert.deepEqual(await mounted.exited(), { code: 0, signal: null }, mounted.log());
  assert.equal(stackedOn(mounted.mountPoint), 0);
}

test('the folder below is shut while sessionfs owns the name, shows its mode through the mount, and is given back', async (t) => {
  const mountPoint = join(temporaryDirectory(t), 'sessions');
  mkdirSync(mountPoint);
  openToAll(mountPoint, MODE);

  const first = await mountSessionfs(t, { mountPoint });
  assert.equal(modeOf(mountPoint), '2777');
  assert.deepEqual(folderBelow(mountPoint), SHUT);
  first.crash();
  await first.exited();
  assert.deepEqual(folderBelow(mountPoint), SHUT);

  // Mount after mount over a dead one: the lowest stays as long as the new one does, and they do not pile up.
  const again = await mountSessionfs(t, { mountPoint });
  assert.equal(modeOf(mountPoint), '2777');
  assert.equal(stackedOn(mountPoint), 2);
  again.crash();
  await again.exited();
  const third = await mountSessionfs(t, { mountPoint });
  assert.equal(modeOf(mountPoint), '2777');
  assert.equal(stackedOn(mountPoint), 2);

  // What a container or service manager does: an application that goes on makes no session there.
  await end(third, 'SIGTERM');
  assert.equal(modeOf(mountPoint), '0');
  assert.notEqual(mkdirStatus(mountPoint), 0);
  const started = Date.now();
  const second = await mountSessionfs(t, { mountPoint });
  assert.equal(modeOf(mountPoint), '2777');
  assert.equal(mkdirStatus(mountPoint), 0);
  const unmounted = runCli(['unmount', mountPoint]);
  assert.deepEqual([unmounted.status, unmounted.stderr], [0, '']);
  await second.exited();
  assert.equal(modeOf(mountPoint), '2777');
  assert.ok(statSync(mountPoint).mtimeMs > started - 60_000);

  // By hand, later; and from the terminal.
  await end(await mountSessionfs(t, { mountPoint }), 'SIGTERM');
  assert.match(runCli(['unmount', mountPoint]).stdout, /was not mounted; its folder.*is open again/);
  assert.equal(modeOf(mountPoint), '2777');
  assert.match(runCli(['unmount', mountPoint]).stderr, /no sessionfs is mounted/);
  await end(await mountSessionfs(t, { mountPoint }), 'SIGINT');
  assert.equal(modeOf(mountPoint), '2777');
});

test('a start that fails leaves the folder as it was', (t) => {
  const mountPoint = join(temporaryDirectory(t), 'sessions');
  mkdirSync(mountPoint, { mode: 0o750 });
  assert.equal(runCli(['mount', mountPoint], { SESSION_ENCRYPTION_KEY: 'short' }).status, 20);
  assert.equal(modeOf(mountPoint), '750');
});

test('not even root finds the folder below while all of sessionfs is killed and started again', async (t) => {
  let mounted = await mountSessionfs(t);
  const { mountPoint } = mounted;
  const application = new RestlessApplication(t, mountPoint, 'root');
  for (let round = 1; round <= 2; round++) {
    mounted.crash();
    await mounted.exited();
    mounted = await mountSessionfs(t, { mountPoint });
    assert.deepEqual(folderBelow(mountPoint), SHUT);
  }
  await application.stop();
  await mounted.unmount();
  assert.deepEqual(readdirSync(mountPoint), []);
});

test('what root wrote into the folder between two mounts is reported and imported', async (t) => {
  const mountPoint = join(temporaryDirectory(t), 'sessions');
  const first = await mountSessionfs(t, { mountPoint });
  mkdirSync(join(mountPoint, 'known'));
  writeFileSync(join(mountPoint, 'known/creds.json'), '{"sealed":1}');
  await end(first, 'SIGTERM');
  for (const name of ['known', 'new']) {
    mkdirSync(join(mountPoint, name));
    writeFileSync(join(mountPoint, name, 'creds.json'), '{"plain":1}');
  }
  const second = await mountSessionfs(t, { mountPoint });
  await untilLogged(second, /Plain sessions in the mount point were imported/);
  assert.deepEqual(readdirSync(mountPoint).sort(), ['known', 'new']);
  await untilLogged(second, /"msg":"Mounted"/);
  assert.deepEqual(folderBelow(mountPoint), SHUT);
  await second.unmount();
});
