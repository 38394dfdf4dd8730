/** Starts that cannot go well for a reason outside of sessionfs: each says in two lines what is wrong and what to do. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { exitStatus } from '../../src/lib/errors.ts';
import { cliMain } from '../support/cli-main.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { runCli } from './run-cli.ts';

function run(file: string, args: readonly string[]) {
  return spawnSync(file, args, { env: cleanEnvironment(), encoding: 'utf8', timeout: 60_000 });
}

test('a checkout that is not built', (t) => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, 'bin'));
  copyFileSync(join(repository, 'bin/sessionfs'), join(directory, 'bin/sessionfs'));
  const { status, stdout, stderr } = run(join(directory, 'bin/sessionfs'), ['status']);
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(
    stderr,
    /^sessionfs: this checkout is not built: .*main\.js is missing\n {2}Build it: .*npm run build.*\n$/,
  );
});

test('a node that is too old', () => {
  const versions =
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.4' } })";
  const old = `data:text/javascript,${encodeURIComponent(versions)}`;
  const { status, stdout, stderr } = run(process.execPath, ['--import', old, cliMain, '--version']);
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(
    stderr,
    /^sessionfs: this is Node\.js 18\.20\.4, but sessionfs needs 20 or newer\n {2}.* install a newer one.*\n$/,
  );
});

test('a working directory that was deleted', (t) => {
  const directory = join(temporaryDirectory(t), 'gone');
  mkdirSync(directory);
  const script = 'cd "$0" && rmdir "$0" && exec "$@"';
  for (const [args, expected, end] of [
    [['mount'], exitStatus.CONFIG_INVALID, ': change to another one'],
    [['keygen', '--out', 'key'], exitStatus.USAGE, '\n {2}Change to another one, .*'],
  ] as const) {
    mkdirSync(directory, { recursive: true });
    const { status, stderr } = run('sh', ['-c', script, directory, process.execPath, cliMain, ...args]);
    assert.equal(status, expected);
    assert.match(
      stderr,
      new RegExp(`^sessionfs: .*is relative to the working directory, which has been deleted${end}\\n$`, 'm'),
    );
    assert.doesNotMatch(stderr, /defect/);
  }
});

test('a read-only mount whose copy has no place, also in a process of its own', (t) => {
  const within = temporaryDirectory(t);
  const mountPoint = join(within, 'sessions');
  mkdirSync(mountPoint);
  for (const flags of [[], ['--daemonize']]) {
    const { status, stderr } = runCli(['mount', mountPoint, '--read-only', ...flags], {
      TMPDIR: join(within, 'none'),
    });
    assert.equal(status, exitStatus.CACHE_NOT_WRITABLE, stderr);
    assert.match(stderr, /^sessionfs: the copy cannot be made in \S+none: ENOENT\n {2}\S.* TMPDIR\.\n$/);
  }
});

test('output that a full disk does not take is an error, of a key too', () => {
  const script = 'exec "$0" "$@" keygen >/dev/full';
  const { status, stderr } = run('sh', ['-c', script, process.execPath, cliMain]);
  assert.equal(status, exitStatus.OUTPUT_NOT_WRITTEN);
  assert.match(stderr, /^sessionfs: the output cannot be written: ENOSPC\n {2}\S.*\n$/);
});

test('a reader that has gone ends nothing with a stack', async () => {
  for (const [args, closed, open, expected] of [
    [['man'], 'stdout', 'stderr', 0],
    [['nonsense'], 'stderr', 'stdout', exitStatus.USAGE],
  ] as const) {
    const child = spawn(process.execPath, [cliMain, ...args], { env: cleanEnvironment(), timeout: 60_000 });
    child[closed].destroy();
    const rest = text(child[open]);
    const [status] = await once(child, 'close');
    assert.deepEqual([status, await rest], [expected, '']);
  }
});
