/** An ordinary user of a desktop: /dev/fuse is open to all, fusermount3 mounts, no process is root. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import { cleanUp } from '../support/cleanup.ts';
import { cliMain } from '../support/cli-main.ts';
import { DaemonProcess } from '../support/daemon-process.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { folderBelow } from '../support/folder-below.ts';
import { mountAt, unmountBelow } from '../support/mounts.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

/** The user with uid 65534, which every distribution names: fusermount3 wants one that has a name. */
const USER = 65534;
const AS_USER = [`--reuid=${USER}`, `--regid=${USER}`, '--clear-groups'];
const SESSION = 'user1-+15550001';
const HANG_MS = 30_000;

class Desktop {
  readonly mountPoint: string;
  readonly #cli: string;

  constructor(t: TestContext, { deviceMode = 0o666 } = {}) {
    // Wherever the checkout is: a user may not be let in there.
    const root = temporaryDirectory(t);
    const checkout = join(root, 'checkout');
    mkdirSync(checkout);
    assert.equal(spawnSync('mount', ['--bind', repository, checkout]).status, 0);
    cleanUp(t, () => void spawnSync('umount', ['-l', checkout]));
    const { mode } = statSync('/dev/fuse');
    chmodSync('/dev/fuse', deviceMode);
    cleanUp(t, () => chmodSync('/dev/fuse', mode & 0o777));
    const home = join(root, 'home');
    this.mountPoint = join(home, 'sessions');
    mkdirSync(this.mountPoint, { recursive: true });
    chmodSync(root, 0o755);
    for (const path of [home, this.mountPoint]) chownSync(path, USER, USER);
    this.#cli = join(checkout, relative(repository, cliMain));
  }

  /** Runs it as the user; what it prints. */
  run(command: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
    const env = cleanEnvironment({ SESSION_FUSE_DRIVER: '' });
    return spawnSync('setpriv', [...AS_USER, command, ...args], {
      encoding: 'utf8',
      cwd: '/',
      env,
      timeout: HANG_MS,
    });
  }

  cli(...args: string[]): { status: number | null; stdout: string; stderr: string } {
    return this.run(process.execPath, this.#cli, ...args);
  }

  /** Resolves when the user sees the mount answer. */
  async mount(t: TestContext): Promise<DaemonProcess> {
    const env = cleanEnvironment({ SESSION_FUSE_DRIVER: '' });
    const args = [...AS_USER, process.execPath, this.#cli, 'mount', this.mountPoint];
    const daemon = new DaemonProcess('setpriv', args, env, '/');
    cleanUp(t, async () => {
      daemon.killAll();
      await daemon.waitForExit(HANG_MS);
      unmountBelow(this.mountPoint);
    });
    await this.answers(() => daemon.exit === undefined);
    assert.equal(mountAt(this.mountPoint)?.type, 'fuse.sessionfs', daemon.log());
    return daemon;
  }

  async answers(isRunning = () => true): Promise<void> {
    const status = join(this.mountPoint, '.sessionfs/status.json');
    await until(() => !isRunning() || this.run('stat', '-f', status).status === 0);
  }
}

test('an ordinary user mounts, works, survives the daemon’s death, reloads and unmounts, without root', async (t) => {
  const desktop = new Desktop(t);
  const { mountPoint } = desktop;
  const file = join(mountPoint, SESSION, 'creds.json');
  // What was there before is taken in.
  mkdirSync(join(mountPoint, SESSION));
  writeFileSync(file, '{"plain":true}');
  for (const path of [join(mountPoint, SESSION), file]) chownSync(path, USER, USER);

  const daemon = await desktop.mount(t);
  assert.match(daemon.log(), /"driver":"fuse-native","reason":"an ordinary user may not mount/);
  assert.equal(desktop.run('cat', file).stdout, '{"plain":true}');
  assert.equal(desktop.run('sh', '-c', 'echo "{\\"version\\":2}" > "$0"', file).status, 0);
  // Without user_allow_other in /etc/fuse.conf it is the user's own: not even root sees into it.
  if (!/^user_allow_other/m.test(readFileSync('/etc/fuse.conf', 'utf8')))
    assert.throws(() => readFileSync(file), { code: 'EACCES' });

  const before = JSON.parse(desktop.cli('status', mountPoint, '--json').stdout);
  assert.deepEqual([before.driver, before.sessions], ['fuse-native', 1]);
  process.kill(before.pids.daemon, 'SIGKILL');
  await until(() => desktop.run('cat', file).stdout === '{"version":2}\n');
  assert.equal(JSON.parse(desktop.cli('status', mountPoint, '--json').stdout).restarts, 1);
  assert.deepEqual(folderBelow(mountPoint), { mode: '0', names: [] });

  const reloaded = desktop.cli('reload', mountPoint);
  assert.deepEqual([reloaded.status, reloaded.stderr], [0, '']);
  assert.equal(desktop.run('cat', file).stdout, '{"version":2}\n');

  const unmounted = desktop.cli('unmount', mountPoint);
  assert.deepEqual([unmounted.status, unmounted.stderr], [0, '']);
  assert.deepEqual(await daemon.waitForExit(HANG_MS), { code: 0, signal: null });
  assert.equal(mountAt(mountPoint), undefined);
  assert.equal(statSync(mountPoint).mode & 0o777, 0o755);

  const second = await desktop.mount(t);
  second.signal('SIGTERM');
  assert.deepEqual(await second.waitForExit(HANG_MS), { code: 0, signal: null }, second.log());
  assert.equal(statSync(mountPoint).mode & 0o777, 0);
  // A folder that is shut is mounted on as any other, and its owner has it back or away.
  const third = await desktop.mount(t);
  assert.equal(desktop.run('stat', '-c', '%a', mountPoint).stdout, '755\n');
  third.signal('SIGTERM');
  await third.waitForExit(HANG_MS);
  assert.match(desktop.cli('unmount', mountPoint).stdout, /is open again/);
  assert.equal(statSync(mountPoint).mode & 0o777, 0o755);
  chmodSync(mountPoint, 0);
  assert.equal(desktop.run('rm', '-rf', mountPoint).status, 0);
  assert.equal(existsSync(mountPoint), false);
});

test('where /dev/fuse is root’s alone, the error says how to open it', async (t) => {
  const desktop = new Desktop(t, { deviceMode: 0o600 });
  const { status, stderr } = desktop.cli('mount', desktop.mountPoint);
  assert.equal(status, 15, stderr);
  assert.match(stderr, /\/dev\/fuse may not be opened/);
  assert.match(stderr, /chmod 666 \/dev\/fuse/);
});

test('where no fusermount is installed, the error names the package', async (t) => {
  const desktop = new Desktop(t);
  const tools = join(desktop.mountPoint, '../tools');
  mkdirSync(tools);
  for (const tool of ['sh', 'flock']) {
    const { stdout } = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' });
    symlinkSync(stdout.trim(), join(tools, tool));
  }
  const { status, stderr } = desktop.run(
    'env',
    `PATH=${tools}`,
    process.execPath,
    join(desktop.mountPoint, '../../checkout', relative(repository, cliMain)),
    'mount',
    desktop.mountPoint,
  );
  assert.equal(status, 18, stderr);
  assert.match(stderr, /fusermount3 must mount, and it is not installed/);
  assert.match(stderr, /fuse3/);
});
