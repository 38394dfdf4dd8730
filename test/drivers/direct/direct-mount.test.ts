import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { appendFile, open, readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { canResend } from '../../../src/drivers/direct/session.ts';
import { removeDeadMounts, unmount, unmountLazily } from '../../../src/mount/mount.ts';
import { checkMountPoint } from '../../../src/mount/mount-point.ts';
import { findMount } from '../../../src/mount/mountinfo.ts';
import { cleanUp } from '../../support/cleanup.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { ServedMount } from '../support/served-mount.ts';

test('files are made, written, read, listed, renamed and removed through a real mount', async (t) => {
  const mount = await ServedMount.create(t);
  const server = mount.serve();
  const path = join(mount.folder, 'creds.json');
  const big = Buffer.alloc(3 << 20, 'päyload');

  await writeFile(path, '{"a":1}');
  await appendFile(path, '\n');
  assert.equal(await readFile(path, 'utf8'), '{"a":1}\n');
  await writeFile(path, big);
  assert.ok((await readFile(path)).equals(big));
  assert.equal((await stat(path)).size, big.length);
  await writeFile(path, 'short');
  await rename(path, join(mount.folder, 'ключ'));
  assert.equal(await readFile(join(mount.folder, 'ключ'), 'utf8'), 'short');
  assert.deepEqual((await readdir(mount.folder)).sort(), ['parked.txt', 'ключ']);
  await unlink(join(mount.folder, 'ключ'));
  await assert.rejects(stat(join(mount.folder, 'ключ')), { code: 'ENOENT' });

  assert.deepEqual(await unmount(mount.folder), { kind: 'unmounted' });
  assert.equal((await server.reported('ended')).why, 'unmounted');
  assert.equal(await findMount(mount.folder), undefined);
  assert.deepEqual(
    server.reports.filter(({ kind }) => kind === 'trouble'),
    [],
  );
});

test('the mount shows its type and the options that protect it', async (t) => {
  const mount = await ServedMount.create(t);
  mount.serve();
  const table = (await readFile('/proc/mounts', 'utf8')).split('\n');
  const line = table.find((candidate) => candidate.includes(` ${mount.folder} `)) ?? '';
  assert.match(line, /^sessionfs \S+ fuse\.sessionfs rw,nosuid,nodev,noatime,/);
  assert.match(line, /default_permissions,allow_other,max_read=262144/);
  await assert.rejects(checkMountPoint(mount.folder), { code: 'MOUNT_POINT_BUSY' });
  await unmount(mount.folder);
});

test('fsync returns once another thread has answered it', async (t) => {
  const mount = await ServedMount.create(t);
  const server = mount.serve();
  const file = await open(join(mount.folder, 'f'), 'w');
  await file.writeFile('x');
  await file.sync();
  assert.ok(server.reports.some(({ kind }) => kind === 'sync'));
  await file.close();
  await unmount(mount.folder);
});

test('a parked lookup waits until the server is woken, and others are served meanwhile', async (t) => {
  const mount = await ServedMount.create(t);
  const server = mount.serve();
  const other = await open(join(mount.folder, 'other'), 'w+');
  const late = readFile(join(mount.folder, 'parked.txt'), 'utf8');
  await mount.untilParked(server);
  await other.write('now');
  await assert.rejects(stat(join(mount.folder, 'absent')), { code: 'ENOENT' });
  assert.equal((await other.read(Buffer.alloc(8), 0, 8, 0)).bytesRead, 3);
  await other.close();
  await mount.command(server, 'release');
  assert.equal(await late, 'late\n');
  await unmount(mount.folder);
});

test('a process that waits for a parked request can be killed', async (t) => {
  const mount = await ServedMount.create(t);
  const server = mount.serve();
  const child = spawn('cat', [join(mount.folder, 'parked.txt')], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  await mount.untilParked(server);
  child.kill('SIGKILL');
  assert.deepEqual(await ended, [null, 'SIGKILL']);
  await unmount(mount.folder);
});

test('a second server takes the connection over and answers what the first left unanswered', async (t) => {
  const mount = await ServedMount.create(t);
  const first = mount.serve();
  const late = readFile(join(mount.folder, 'parked.txt'), 'utf8');
  await mount.untilParked(first);
  const { session } = await first.reported('initialized');
  assert.equal(canResend(session), true, 'this test needs Linux 6.9');
  await mount.command(first, 'stop');
  assert.equal((await first.reported('ended')).why, 'stopped');

  const second = mount.serve(session);
  mount.notifier.resend();
  await mount.command(second, 'release');
  assert.equal(await late, 'late\n');
  await unmount(mount.folder);
});

test('on a kernel that sends nothing again, what a server had read when it died ends with EINTR, and what it kept is answered', async (t) => {
  const mount = await ServedMount.create(t);
  const inFlight = openSync(join(temporaryDirectory(t), 'in-flight'), 'w+');
  cleanUp(t, () => closeSync(inFlight));
  const first = mount.serve(undefined, inFlight);
  await writeFile(join(mount.folder, 'f'), 'x');
  const late = readFile(join(mount.folder, 'parked.txt'), 'utf8');
  await mount.untilParked(first);
  const { session } = await first.reported('initialized');
  assert.equal(canResend(session), false);
  await mount.command(first, 'stop');
  assert.equal((await first.reported('ended')).why, 'stopped');

  const lost = spawn('stat', [join(mount.folder, 'lost')], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  lost.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = once(lost, 'close');
  // It dies between read(2) and its note of that.
  const dying = spawn('dd', ['bs=2M', 'count=1', 'of=/dev/null', 'status=none'], {
    stdio: [mount.fd, 'ignore', 'inherit'],
  });
  assert.deepEqual(await once(dying, 'exit'), [0, null]);

  const second = mount.serve(session, inFlight);
  assert.deepEqual(await ended, [1, null]);
  assert.match(said, /Interrupted system call/);
  await mount.command(second, 'release');
  assert.equal(await late, 'late\n');
  await assert.rejects(stat(join(mount.folder, 'lost')), { code: 'ENOENT' });
  await unmount(mount.folder);
});

test('invalidations do not block the thread that asks for them, even of what a parked request holds', async (t) => {
  const mount = await ServedMount.create(t);
  const server = mount.serve();
  const late = stat(join(mount.folder, 'parked.txt'));
  await mount.untilParked(server);
  mount.notifier.entry(1, 'parked.txt');
  mount.notifier.inode(1, 0, 0);
  mount.notifier.inode(4711, 0, 0);
  await mount.command(server, 'release');
  assert.equal((await late).size, 5);
  await mount.notifier.settled();
  await unmount(mount.folder);
});

test('a busy mount stays, and its holders are named', async (t) => {
  const mount = await ServedMount.create(t);
  mount.serve();
  const child = spawn('cat', { cwd: mount.folder, stdio: ['pipe', 'ignore', 'ignore'] });
  cleanUp(t, () => void child.stdin.end());
  await once(child, 'spawn');
  const result = await unmount(mount.folder);
  assert.ok(result.kind === 'busy');
  assert.deepEqual(
    result.holders.map(({ pid, how }) => ({ pid, how })),
    [{ pid: child.pid, how: 'working directory' }],
  );
  assert.equal((await findMount(mount.folder))?.type, 'fuse.sessionfs');
  child.stdin.end();
  await once(child, 'exit');
  assert.deepEqual(await unmount(mount.folder), { kind: 'unmounted' });
});

test('a mount that lost its server is recognised and cleaned up', async (t) => {
  const mount = await ServedMount.create(t);
  const server = mount.serve();
  await stat(mount.folder);
  await mount.command(server, 'stop');
  assert.equal((await server.reported('ended')).why, 'stopped');
  mount.close();
  assert.equal(await checkMountPoint(mount.folder), 'stale');
  assert.equal(await removeDeadMounts(mount.folder), 1);
  assert.equal(await findMount(mount.folder), undefined);
  assert.equal(await checkMountPoint(mount.folder), 'free');
});

test('a lazy unmount takes a busy mount out of sight', async (t) => {
  const mount = await ServedMount.create(t);
  const server = mount.serve();
  const file = await open(join(mount.folder, 'held'), 'w');
  await unmountLazily(mount.folder);
  assert.equal(await findMount(mount.folder), undefined);
  await file.write('still there');
  await file.close();
  assert.equal((await server.reported('ended')).why, 'unmounted');
});
