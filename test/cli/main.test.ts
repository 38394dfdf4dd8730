import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { configurationTable } from '../../src/config/settings.ts';
import { exitStatus } from '../../src/lib/errors.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { type CliResult, runCli } from './run-cli.ts';

const KEY = '0123456789abcdef'.repeat(4);

function assertFails(result: CliResult, code: keyof typeof exitStatus, stderr: RegExp): void {
  assert.match(result.stderr, stderr);
  assert.deepEqual([result.status, result.stdout], [exitStatus[code], '']);
}

test('--help lists every command, on stdout', () => {
  for (const args of [['--help'], ['-h'], ['help']]) {
    const { status, stdout, stderr } = runCli(args);
    assert.deepEqual([status, stderr], [0, '']);
    for (const command of ['mount', 'unmount', 'status'])
      assert.match(stdout, new RegExp(`^  ${command} \\[DIR\\]`, 'm'));
  }
});

test('mount --help lists every flag of the configuration table with its variable', () => {
  const { status, stdout } = runCli(['mount', '/nowhere', '--help']);
  assert.equal(status, 0);
  for (const { flag, variable } of configurationTable) {
    if (flag?.startsWith('--')) assert.match(stdout, new RegExp(`^  ${flag} .*\\(${variable}\\)$`, 'm'));
  }
  for (const flag of ['--daemonize', '--log-file', '--pid-file']) assert.ok(stdout.includes(flag));
});

test('--version says the version of the package', () => {
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
    version: string;
  };
  assert.deepEqual(runCli(['--version']), { status: 0, stdout: `${version}\n`, stderr: '' });
});

test('no command and an unknown command are usage errors, with the one that was meant', () => {
  assertFails(runCli([]), 'USAGE', /^sessionfs: which command\?\n {2}\S/);
  assertFails(
    runCli(['umount']),
    'USAGE',
    /^sessionfs: there is no command "umount"\n {2}Did you mean unmount\?\n$/,
  );
  assertFails(runCli(['frobnicate']), 'USAGE', /there is no command "frobnicate"\n {2}sessionfs --help/);
});

test('an unknown flag stops the start and names the one that was meant', () => {
  assertFails(
    runCli(['mount', '--cash-path', '/x']),
    'USAGE',
    /no flag "--cash-path"\n {2}Did you mean --cache-path\?/,
  );
  assertFails(runCli(['unmount', '--force-it']), 'USAGE', /no flag "--force-it"/);
  assertFails(
    runCli(['status', '-j']),
    'USAGE',
    /no flag "-j"\n {2}sessionfs status --help lists what it takes\.\n$/,
  );
  assertFails(runCli(['cost', '--interval=soon']), 'USAGE', /\n {2}sessionfs cost --help lists/);
});

test('--json is refused where there is nothing to print as JSON', () => {
  assertFails(runCli(['mount', '/m', '--json']), 'USAGE', /--json needs --daemonize/);
  for (const args of [['cat', 's/f'], ['completion', 'bash'], ['man']])
    assertFails(runCli([...args, '--json']), 'USAGE', /there is no flag "--json"/);
});

test('a key on the command line is refused and not repeated', () => {
  for (const args of [
    [`--encryption-key=${KEY}`],
    ['--encryption-key', KEY],
    [`--key=${KEY}`],
    ['/m', KEY],
    [`--${KEY}`],
  ]) {
    const result = runCli(['mount', ...args]);
    assert.equal(result.status, exitStatus.USAGE);
    assert.ok(!result.stderr.includes(KEY), result.stderr);
  }
  assert.match(
    runCli(['mount', `--encryption-key=${KEY}`]).stderr,
    /command lines\n {2}Set SESSION_ENCRYPTION_KEY/,
  );
});

test('a malformed flag and a malformed variable stop the start with their own exit statuses', () => {
  assertFails(runCli(['mount', '--owner', 'node']), 'USAGE', /--owner is "node", but it must be UID:GID/);
  assertFails(
    runCli(['mount'], { SESSION_OWNER: 'node' }),
    'CONFIG_INVALID',
    /SESSION_OWNER is "node", but it must be/,
  );
});

test('a mode that needs a bucket says so before anything is mounted', () => {
  assertFails(runCli(['mount', '--storage-type=cloud']), 'CONFIG_INVALID', /needs STORAGE_BUCKET/);
});

test('lease times that do not fit together are named, before anything is mounted', () => {
  const env = { SESSION_LEASE_PERMISSION: '200000' };
  assertFails(runCli(['mount'], env), 'CONFIG_INVALID', /SESSION_LEASE_TAKEOVER .*SESSION_LEASE_PERMISSION/s);
});

test('status and unmount of a directory that is not mounted say so', (t) => {
  const directory = temporaryDirectory(t);
  for (const command of ['status', 'unmount']) {
    assertFails(
      runCli([command, directory]),
      'NOT_MOUNTED',
      new RegExp(`no sessionfs is mounted on ${directory}\n`),
    );
    assertFails(runCli([command, join(directory, 'none')]), 'NOT_MOUNTED', /no sessionfs is mounted/);
  }
  for (const [command, env] of [
    ['unmount', {}],
    ['status', { SESSION_STORAGE_PATH: './sessions' }],
  ] as const)
    assertFails(
      runCli([command], env, directory),
      'NOT_MOUNTED',
      new RegExp(`mounted on ${directory}/sessions\n`),
    );
});

test('unmount takes a timeout in whole seconds only', (t) => {
  const directory = temporaryDirectory(t);
  for (const text of ['soon', '-1', '1.5']) {
    assertFails(
      runCli(['unmount', directory, `--timeout=${text}`]),
      'USAGE',
      /--timeout must be a whole number of seconds/,
    );
  }
});

test('a pid or log file that cannot be is refused', (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'file'), '');
  const logFile = join(directory, 'file', 'log');
  assertFails(runCli(['mount', directory, '--log-file', logFile]), 'USAGE', /--log-file needs --daemonize/);
  const daemonized = runCli(['mount', directory, '--daemonize', '--log-file', logFile]);
  assertFails(daemonized, 'CONFIG_INVALID', new RegExp(`cannot write the log ${logFile}`));
});

test('a daemonized mount that fails ends the command with the error and exit status of the daemon', (t) => {
  const directory = temporaryDirectory(t);
  const result = runCli(['mount', join(directory, 'missing'), '--daemonize']);
  assertFails(result, 'MOUNT_POINT_MISSING', /^sessionfs: .*missing.*\n {2}\S/);
});

test('the stack is shown at the debug level only', () => {
  assert.ok(!runCli(['frobnicate']).stderr.includes(' at '));
  assert.match(runCli(['frobnicate'], { LOG_LEVEL: 'debug' }).stderr, /\n {4}at /);
});
