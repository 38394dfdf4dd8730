/** A drill: what the bucket has is seen and read while another mount works on it, and nothing of either changes. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { exitStatus } from '../../src/lib/errors.ts';
import { runCli } from '../cli/run-cli.ts';
import { Account, SESSION } from '../hybrid/support.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { mountAt } from '../support/mounts.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { readTree } from './session-files.ts';

const KEPT = '{"flushed":true}';

function assertReadOnly(mountPoint: string): void {
  const path = (name: string) => join(mountPoint, SESSION, name);
  const changes: readonly (() => void)[] = [
    () => writeFileSync(path('creds.json'), '{}'),
    () => writeFileSync(path('new.json'), '{}'),
    () => truncateSync(path('creds.json'), 0),
    () => unlinkSync(path('creds.json')),
    () => renameSync(path('creds.json'), path('other.json')),
    () => chmodSync(path('creds.json'), 0o600),
    () => utimesSync(path('creds.json'), 1, 1),
    () => symlinkSync('creds.json', path('link')),
    () => mkdirSync(join(mountPoint, 'user-+2')),
    () => rmdirSync(join(mountPoint, SESSION)),
    () => writeFileSync(join(mountPoint, '.sessionfs/flush'), 'all'),
  ];
  for (const change of changes) assert.throws(change, { code: 'EROFS' }, String(change));
}

test('a read-only mount shows the last flush beside a live mount, refuses every change, and leaves nothing', {
  timeout: 240_000,
}, async (t) => {
  const account = new Account(t);
  const machine = account.machine();
  const live = await machine.mount({ SESSION_BACKUP_INTERVAL: '0' });
  mkdirSync(machine.path(SESSION));
  writeFileSync(machine.path(SESSION, 'creds.json'), KEPT);
  writeFileSync(machine.path('root.txt'), 'root');
  const flushed = runCli(['flush', machine.mountPoint]);
  assert.equal(flushed.status, 0, flushed.stderr);
  writeFileSync(machine.path(SESSION, 'creds.json'), '{"flushed":false}');

  const bucket = account.bucket.slice('file://'.length);
  const before = readTree(bucket);
  const temporary = temporaryDirectory(t);
  const env = {
    SESSION_STORAGE_TYPE: 'hybrid',
    STORAGE_BUCKET: account.bucket,
    SESSION_ENCRYPTION_KEY: account.key,
    TMPDIR: temporary,
  };
  const drill = await mountSessionfs(t, { args: ['--read-only'], env });
  const read = (...names: string[]) => readFileSync(join(drill.mountPoint, ...names), 'utf8');
  assert.deepEqual(readdirSync(drill.mountPoint).sort(), ['root.txt', SESSION]);
  assert.deepEqual([read(SESSION, 'creds.json'), read('root.txt')], [KEPT, 'root']);
  assertReadOnly(drill.mountPoint);
  const options = readFileSync('/proc/self/mounts', 'latin1')
    .split('\n')
    .find((line) => line.includes(drill.mountPoint));
  assert.match(options ?? '', / ro,/);
  const shown = runCli(['status', drill.mountPoint]).stdout;
  assert.match(shown, new RegExp(`^read-only +a copy of ${account.bucket}, made \\d+ m?s ago$`, 'm'));
  const restored = runCli(['restore', join(drill.mountPoint, SESSION)], env);
  assert.equal(restored.status, exitStatus.MOUNT_READ_ONLY, restored.stderr);

  // The mount that holds the session goes on, and nothing of the drill is in the bucket.
  writeFileSync(machine.path(SESSION, 'a.json'), '{}');
  await drill.unmount();
  assert.deepEqual(readTree(bucket), before);
  assert.equal(runCli(['flush', machine.mountPoint]).status, 0);
  assert.equal(mountAt(drill.mountPoint), undefined);
  assert.deepEqual(readdirSync(temporary), []);
  assert.deepEqual(readdirSync(join(drill.mountPoint, '..')), ['sessions']);

  // Of the cache: with what is in its journal only. Here a command gets it.
  const local = { SESSION_ENCRYPTION_KEY: account.key, TMPDIR: temporary };
  const folder = join(temporaryDirectory(t), 'seen');
  mkdirSync(folder);
  const args = ['run', folder, '--read-only', '--cache-path', machine.cachePath, '--', 'cat'];
  const ran = runCli([...args, join(folder, SESSION, 'a.json'), join(folder, SESSION, 'creds.json')], local);
  assert.deepEqual([ran.status, ran.stdout], [0, '{}{"flushed":false}'], ran.stderr);
  assert.deepEqual(readdirSync(temporary), []);

  for (const [code, args, key] of [
    ['KEY_WRONG', ['--bucket', account.bucket], 'ab'.repeat(32)],
    ['KEY_WRONG', ['--cache-path', machine.cachePath], 'ab'.repeat(32)],
    ['SESSION_NOT_FOUND', [], account.key],
  ] as const) {
    const refused = runCli(['mount', folder, '--read-only', ...args], {
      ...local,
      SESSION_ENCRYPTION_KEY: key,
    });
    assert.equal(refused.status, exitStatus[code], refused.stderr);
  }
  mkdirSync(join(folder, 'plain-+1'));
  writeFileSync(join(folder, 'plain-+1', 'creds.json'), '{}');
  const plain = runCli(['mount', folder, '--read-only', '--bucket', account.bucket], local);
  assert.equal(plain.status, exitStatus.MOUNT_POINT_NOT_EMPTY, plain.stderr);
  assert.deepEqual(readdirSync(temporary), []);
  await live.unmount();
});
