import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isRunning } from '../../src/api/process-watch.ts';
import { exitStatus } from '../../src/lib/errors.ts';
import { Account, SESSION } from '../hybrid/support.ts';
import { mountAt } from '../support/mounts.ts';
import { runCli } from './run-cli.ts';

test('flush, the status of every mount and of its sessions, and a forced end', {
  timeout: 180_000,
}, async (t) => {
  const machine = new Account(t).machine();
  const mounted = await machine.mount({ SESSION_BACKUP_INTERVAL: '0' });
  const { mountPoint } = mounted;
  mkdirSync(machine.path(SESSION));
  writeFileSync(machine.path(SESSION, 'creds.json'), '{}');
  writeFileSync(machine.path(SESSION, 'a.json'), '{}');

  assert.deepEqual(runCli(['flush', mountPoint]), {
    status: 0,
    stdout: `sessionfs: everything in ${mountPoint} is in the bucket\n`,
    stderr: '',
  });
  writeFileSync(machine.path(SESSION, 'a.json'), '{"a":1}');
  for (const [args, cwd] of [
    [['flush', `${mountPoint}/${SESSION}`], undefined],
    [['flush', SESSION], machine.directory],
    [['flush', `${SESSION}/`], machine.directory],
    [['flush', mountPoint, SESSION], undefined],
    [['flush', mountPoint, `${SESSION}/`], undefined],
  ] as const) {
    const { status, stdout, stderr } = runCli([...args, '--json'], {}, cwd);
    assert.equal(status, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), { mountPoint, flushed: SESSION, dirty: 0 });
  }
  const missing = runCli(['flush', mountPoint, 'none-+0']);
  assert.equal(missing.status, exitStatus.SESSION_NOT_FOUND, missing.stderr);

  const text = runCli(['status', mountPoint]).stdout;
  assert.match(text, /^session +state +files +dirty +last backup +lease +last error$/m);
  assert.match(text, /^user-\+4915100000 +local +2 +0 +\d+ m?s ago +held, epoch \d+$/m);
  const everywhere = runCli(['status', '--json']);
  const mounts = JSON.parse(everywhere.stdout) as {
    mountPoint: string;
    state: string;
    status?: { mode: string };
  }[];
  const own = mounts.find((mount) => mount.mountPoint === mountPoint);
  assert.deepEqual([own?.state, own?.status?.mode], ['serving', 'hybrid']);
  assert.match(runCli(['status']).stdout, new RegExp(`^mount point +${mountPoint}$`, 'm'));

  // Its daemon hangs: an ordinary unmount would wait for it.
  writeFileSync(machine.path(SESSION, 'a.json'), '{"a":2}');
  const daemon = await mounted.daemonPid();
  process.kill(daemon, 'SIGSTOP');
  const forced = runCli(['unmount', mountPoint, '--force']);
  assert.deepEqual([forced.status, forced.stderr], [0, '']);
  assert.match(forced.stdout, /is unmounted by force; what was not flushed is in the cache/);
  assert.equal(mountAt(mountPoint), undefined);
  assert.ok(!isRunning(daemon) && !isRunning(mounted.pid));
  const exported = runCli(
    ['export', `${mountPoint}/${SESSION}`, '--to', join(machine.directory, 'out'), '--from', 'cache'],
    {
      SESSION_ENCRYPTION_KEY: machine.key,
    },
  );
  assert.equal(exported.status, 0, exported.stderr);
  assert.deepEqual(readdirSync(join(machine.directory, 'out')).sort(), ['a.json', 'creds.json']);
});

test('what there is nothing for says what to do, and makes nothing', (t) => {
  const { directory, mountPoint, key } = new Account(t).machine();
  const before = readdirSync(directory);
  for (const args of [['rekey'], ['trash', 'list'], ['trash', 'empty', '--yes'], ['restore', '--list']]) {
    const { status, stdout, stderr } = runCli(args, {
      SESSION_STORAGE_PATH: mountPoint,
      SESSION_ENCRYPTION_KEY: key,
    });
    assert.deepEqual([status, stdout], [exitStatus.SESSION_NOT_FOUND, ''], args.join(' '));
    assert.match(stderr, /^sessionfs: there is no cache in \S+\n {2}Name the mount /);
  }
  assert.deepEqual(readdirSync(directory), before);
  assert.equal(runCli(['flush', mountPoint]).status, exitStatus.NOT_MOUNTED);
  const { status, stderr } = runCli(['logs', mountPoint]);
  assert.equal(status, exitStatus.LOG_NOT_FOUND);
  assert.match(
    stderr,
    new RegExp(`there is no log ${directory}/sessions\\.sealed\\.log\n {2}A mount in the foreground`),
  );
  const folder = runCli(['logs', mountPoint, '--log-file', directory]);
  assert.equal(folder.status, exitStatus.LOG_NOT_FOUND);
  assert.match(folder.stderr, /^sessionfs: the log \S+ cannot be read: it is a directory\n {2}\S.*\n$/);
});
