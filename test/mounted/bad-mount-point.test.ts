import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { exitStatus } from '../../src/lib/errors.ts';
import { cleanUp } from '../support/cleanup.ts';
import { cliMain } from '../support/cli-main.ts';
import { DaemonProcess } from '../support/daemon-process.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { mounts, unmountBelow } from '../support/mounts.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { untilStarted } from './log-lines.ts';
import { assertRefused } from './refused-start.ts';
import { readTree, sessionTree, writeTree } from './session-files.ts';

test('a mount point that does not exist is refused, with the command that makes it', (t) => {
  const within = temporaryDirectory(t);
  const directory = join(within, 'sessions');
  assertRefused(
    { within, args: [directory] },
    {
      code: 'MOUNT_POINT_MISSING',
      message: new RegExp(`${directory} does not exist$`),
      hint: new RegExp(`mkdir -p ${directory}`),
    },
  );
  assert.deepEqual(readTree(within), {}, 'something was made all the same');
});

test('a mount point that is a file is refused, and the file stays as it is', (t) => {
  const within = temporaryDirectory(t);
  const file = join(within, 'sessions');
  writeFileSync(file, 'not a directory');
  assertRefused(
    { within, args: [file] },
    { code: 'MOUNT_POINT_NOT_A_DIRECTORY', message: /is not a directory/, hint: /Name an empty directory/ },
  );
  assert.deepEqual(readTree(within), { sessions: 'not a directory' });
});

test('a directory that is mounted already is refused whatever the cache, and its mount goes on', async (t) => {
  const within = temporaryDirectory(t);
  const mounted = await mountSessionfs(t, { mountPoint: join(within, 'sessions') });
  const { mountPoint } = mounted;
  writeTree(mountPoint, sessionTree('user1-+15550001'));
  for (const more of [[], ['--cache-path', join(within, 'other')]]) {
    assertRefused(
      { within, args: [mountPoint, ...more] },
      {
        code: 'MOUNT_POINT_BUSY',
        message: new RegExp(`already mounted on ${mountPoint}$`),
        hint: new RegExp(`sessionfs unmount ${mountPoint}$`),
      },
    );
  }
  assert.deepEqual(readTree(mountPoint), sessionTree('user1-+15550001'));
  await mounted.unmount();
});

test('a mount point below a file is refused, and nothing is advised that cannot work', (t) => {
  const within = temporaryDirectory(t);
  writeFileSync(join(within, 'afile'), 'text');
  assertRefused(
    { within, args: [join(within, 'afile/x')] },
    { code: 'MOUNT_POINT_MISSING', message: /afile\/x lies below a file$/, hint: /parents are directories/ },
  );
  assert.deepEqual(readTree(within), { afile: 'text' });
});

test('of two mounts that start on one directory at once, with two caches, one is refused', {
  timeout: 120_000,
}, async (t) => {
  const within = temporaryDirectory(t);
  const mountPoint = join(within, 'sessions');
  mkdirSync(mountPoint);
  const starts = ['a', 'b'].map((name) => {
    const args = [cliMain, 'mount', mountPoint, '--cache-path', join(within, name)];
    const daemon = new DaemonProcess(process.execPath, args, cleanEnvironment(), repository);
    cleanUp(t, async () => {
      daemon.killAll();
      await daemon.waitForExit(60_000);
      unmountBelow(mountPoint);
    });
    return daemon;
  });
  const refused = await Promise.race(
    starts.map(async (daemon) => ({ daemon, exit: await daemon.waitForExit(60_000) })),
  );
  assert.deepEqual(refused.exit, { code: exitStatus.MOUNT_POINT_BUSY, signal: null }, refused.daemon.log());
  assert.match(refused.daemon.log(), /sessionfs is already mounted on/);
  const other = starts.find((daemon) => daemon !== refused.daemon);
  assert.ok(other !== undefined);
  await untilStarted(other);
  writeFileSync(join(mountPoint, 'notes.txt'), 'served');
  assert.equal(readFileSync(join(mountPoint, 'notes.txt'), 'utf8'), 'served');
  assert.equal(mounts().filter((mount) => mount.mountPoint === mountPoint).length, 1);
});

test('files that are no sessions are named, and nothing is touched', (t) => {
  const within = temporaryDirectory(t);
  const directory = join(within, 'sessions');
  mkdirSync(directory);
  writeTree(directory, {
    ...sessionTree('user1-+15550001'),
    'holiday.jpg': 'JFIF',
    'src/': '',
    'src/main.ts': 'x',
  });
  const before = readTree(within);
  assertRefused(
    { within, args: [directory] },
    {
      code: 'MOUNT_POINT_NOT_EMPTY',
      message: /2 entries that are no sessions .*: holiday\.jpg, src$/,
      hint: /Move them away/,
    },
  );
  assert.deepEqual(readTree(within), before);
});

test('of many foreign files five are named', (t) => {
  const within = temporaryDirectory(t);
  for (let index = 0; index < 9; index++) writeFileSync(join(within, `photo-${index}.jpg`), '');
  assertRefused(
    { within, args: [within, '--cache-path', `${within}-none/cache`] },
    { code: 'MOUNT_POINT_NOT_EMPTY', message: /holds 9 entries .*: (photo-\d\.jpg, ){5}…$/, hint: /Move/ },
  );
  assert.equal(readFileSync(join(within, 'photo-0.jpg'), 'utf8'), '');
});
