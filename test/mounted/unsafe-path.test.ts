/** Root beside a mount point in a folder that another user may write: nothing of that user's choice is changed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { exitStatus } from '../../src/lib/errors.ts';
import { runCli } from '../cli/run-cli.ts';
import type { Scope } from '../support/cleanup.ts';
import { cliMain } from '../support/cli-main.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const USER = 4321;
const VICTIM_TEXT = 'the file of a victim';

/** A user's home with a mount point in it, and a victim's folder that the user must not change. */
function home(scope: Scope) {
  const within = temporaryDirectory(scope);
  const victim = join(within, 'victim');
  mkdirSync(victim, { mode: 0o755 });
  writeFileSync(join(victim, 'file'), VICTIM_TEXT, { mode: 0o644 });
  const folder = join(within, 'home');
  const mountPoint = join(folder, 'sessions');
  for (const path of [folder, mountPoint]) {
    mkdirSync(path);
    chownSync(path, USER, USER);
  }
  return { within, victim, folder, mountPoint };
}

function assertUntouched(victim: string): void {
  assert.deepEqual(readdirSync(victim), ['file']);
  assert.equal(readFileSync(join(victim, 'file'), 'utf8'), VICTIM_TEXT);
  assert.deepEqual(
    [statSync(victim).mode & 0o777, statSync(join(victim, 'file')).mode & 0o777],
    [0o755, 0o644],
  );
}

/** Mounts and unmounts with a /var/lib of its own, and prints what lies there. */
const IN_OWN_SYSTEM = `
  mount -t tmpfs -o mode=0755 none /var/lib || exit 90
  node=$1 main=$2 dir=$3
  "$node" "$main" mount --daemonize "$dir" >&2 || exit $?
  echo '{"me":1}' >"$dir/creds.json"
  "$node" "$main" unmount "$dir" >&2 || exit 91
  find /var/lib -maxdepth 2 -printf '%P %m %u\\n' | sort`;

test('the default of root is below /var/lib/sessionfs where the folder of the mount point is another user’s', (t) => {
  const { folder, mountPoint } = home(t);
  const args = ['--mount', 'sh', '-c', IN_OWN_SYSTEM, 'sh', process.execPath, cliMain, mountPoint];
  const { status, stdout, stderr } = spawnSync('unshare', args, {
    encoding: 'utf8',
    env: cleanEnvironment(),
  });
  assert.equal(status, 0, stderr);
  const name = `sessionfs/${mountPoint.slice(1).replaceAll('/', '%2F')}.sealed`;
  assert.deepEqual(stdout.trim().split('\n'), [
    ' 755 root'.trim(),
    'sessionfs 700 root',
    `${name} 700 root`,
    `${name}.key 600 root`,
    `${name}.log 600 root`,
  ]);
  assert.deepEqual(readdirSync(folder), ['sessions']);
});

test('a cache, log or pid file that was planted as a link is refused, and the victim keeps everything', (t) => {
  const { folder, mountPoint, victim } = home(t);
  symlinkSync(victim, `${mountPoint}.sealed`);
  for (const args of [[mountPoint], [mountPoint, '--daemonize']]) {
    const refused = runCli(['mount', ...args]);
    assert.equal(refused.status, exitStatus.UNSAFE_PATH, refused.stderr);
    assert.match(refused.stderr, /is not safe for root: .*home belongs to user 4321/);
    assert.match(refused.stderr, /SESSION_CACHE_PATH|--log-file/);
    assertUntouched(victim);
  }
  const cache = ['--cache-path', join(temporaryDirectory(t), 'cache')];
  for (const [flag, more] of [
    ['--pid-file', []],
    ['--log-file', ['--daemonize']],
  ] as const) {
    const link = join(folder, flag);
    symlinkSync(join(victim, 'file'), link);
    const refused = runCli(['mount', mountPoint, ...cache, ...more, `${flag}=${link}`]);
    assert.equal(refused.status, exitStatus.UNSAFE_PATH, refused.stderr);
    assertUntouched(victim);
  }
});

test('what was planted in a folder that had been open to all is not taken for a cache', (t) => {
  const { within, mountPoint, victim } = home(t);
  const cache = join(within, 'cache');
  mkdirSync(cache);
  chmodSync(cache, 0o777);
  symlinkSync(victim, join(cache, 'journal'));
  const refused = runCli(['mount', mountPoint, '--cache-path', cache]);
  assert.equal(refused.status, exitStatus.UNSAFE_PATH, refused.stderr);
  assert.match(refused.stderr, /could be written by other users, and holds journal/);
  assertUntouched(victim);
});
