import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { Scope } from '../support/cleanup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { assertRefused } from './refused-start.ts';
import { readTree, sessionTree, writeTree } from './session-files.ts';
import { Succession } from './support/succession.ts';

const succession = new Succession();

function places(scope: Scope): { within: string; mountPoint: string } {
  const within = temporaryDirectory(scope);
  const mountPoint = join(within, 'sessions');
  mkdirSync(mountPoint);
  return { within, mountPoint };
}

test('a cache on a read-only disk is refused, with the reason', (t) => {
  const { within, mountPoint } = places(t);
  const disk = join(within, 'disk');
  mkdirSync(disk);
  assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'none', disk]).status, 0);
  for (const cachePath of [disk, join(disk, 'cache')]) {
    assertRefused(
      { within, args: [mountPoint, '--cache-path', cachePath] },
      {
        code: 'CACHE_NOT_WRITABLE',
        message: new RegExp(`the cache ${cachePath} .*EROFS`),
        hint: /writable directory/,
      },
    );
  }
});

test('a cache path that leads through a file is refused, with the reason', (t) => {
  const { within, mountPoint } = places(t);
  const file = join(within, 'file');
  writeFileSync(file, '');
  for (const [cachePath, reason] of [
    [file, 'EEXIST|ENOTDIR'],
    [join(file, 'cache'), 'ENOTDIR'],
  ] as const) {
    assertRefused(
      { within, args: [mountPoint, '--cache-path', cachePath] },
      {
        code: 'CACHE_NOT_WRITABLE',
        message: new RegExp(`the cache ${cachePath} .*(${reason})`),
        hint: /writable directory/,
      },
    );
  }
});

test('a cache on the mount itself is refused, also behind a link, and one around it', (t) => {
  const { within, mountPoint } = places(t);
  const link = join(within, 'link');
  symlinkSync(mountPoint, link);
  const onMount = [mountPoint, join(mountPoint, 'cache'), link, join(link, 'cache')];
  for (const cachePath of [...onMount, within]) {
    assertRefused(
      { within, args: [mountPoint, '--cache-path', cachePath] },
      {
        code: 'CACHE_ON_MOUNT',
        message: /lies inside .*the cache needs a place of its own/,
        hint: /SESSION_CACHE_PATH beside the mount point/,
      },
    );
  }
  assert.deepEqual(readTree(within), { 'link/': '', 'sessions/': '' });
});

test('a cache of another format version is refused and left as it is', async () => {
  const mounted = await succession.take();
  const { mountPoint } = mounted;
  const cachePath = `${mountPoint}.sealed`;
  writeTree(mountPoint, sessionTree('user1-+15550001'));
  await mounted.unmount();
  const format = join(cachePath, 'format.json');
  const written = JSON.parse(readFileSync(format, 'utf8')) as { version: number };
  writeFileSync(format, JSON.stringify({ ...written, version: written.version + 1 }));
  const refusal = {
    code: 'CACHE_FORMAT',
    message: new RegExp(`the cache ${cachePath} has version 2, not 1`),
    hint: /Start the version of sessionfs that wrote it/,
  } as const;
  assertRefused({ within: dirname(mountPoint), args: [mountPoint] }, refusal);

  writeFileSync(format, JSON.stringify(written));
  await succession.follow(mounted, () =>
    assert.deepEqual(readTree(mountPoint), sessionTree('user1-+15550001')),
  );
});

test('a directory with other files in it does not become a cache', (t) => {
  const { within, mountPoint } = places(t);
  const cachePath = join(within, 'photos');
  writeTree(within, { 'photos/': '', 'photos/holiday.jpg': 'JFIF' });
  assertRefused(
    { within, args: [mountPoint, '--cache-path', cachePath] },
    {
      code: 'CACHE_FORMAT',
      message: /not a sessionfs cache and not empty: it has holiday\.jpg/,
      hint: /empty/,
    },
  );
});

function daemonOf(mountPoint: string): number {
  return JSON.parse(readFileSync(join(mountPoint, '.sessionfs/status.json'), 'utf8')).pids.daemon;
}

test('a cache that another daemon uses is refused with the id of that process', async () => {
  const mounted = await succession.take();
  const { mountPoint } = mounted;
  const [within, cachePath] = [dirname(mountPoint), `${mountPoint}.sealed`];
  const second = join(within, 'second');
  mkdirSync(second);
  assertRefused(
    { within, args: [second, '--cache-path', cachePath] },
    {
      code: 'CACHE_LOCKED',
      message: new RegExp(`the cache ${cachePath} is in use by process ${daemonOf(mountPoint)}$`),
      hint: /its own SESSION_CACHE_PATH/,
    },
  );
  writeTree(mountPoint, sessionTree('user2-+15550002'));
  await mounted.unmount();
});
