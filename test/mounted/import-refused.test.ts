import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { mountAt } from '../support/mounts.ts';
import { untilStarted } from './log-lines.ts';
import { assertRefused } from './refused-start.ts';
import { readTree, sessionTree, writeTree } from './session-files.ts';
import { SmallDisk } from './small-disk.ts';

const MIB = 1024 * 1024;
const small = sessionTree('user1-+15550001');
const large = {
  ...sessionTree('user2-+15550002'),
  'user2-+15550002/sender-key-1.json': JSON.stringify({ filler: 'x'.repeat(6 * MIB) }),
};

function plainOn(disk: SmallDisk): void {
  writeTree(disk.mountPoint, { ...small, ...large });
}

test('a disk that is full before all is imported refuses the start and leaves every plain file where it was', async (t) => {
  const disk = new SmallDisk(t, 4);
  plainOn(disk);
  const before = readTree(disk.mountPoint);
  for (let attempt = 1; attempt <= 2; attempt++) {
    assertRefused(
      { within: disk.within, args: [disk.mountPoint, ...disk.cacheArguments] },
      {
        code: 'CACHE_NOT_WRITABLE',
        message: /cannot import the plain session user2-\+15550002: ENOSPC/,
        hint: /Make room .* the plain files are untouched/,
      },
    );
    assert.deepEqual(readTree(disk.mountPoint), before);
    assert.deepEqual(readdirSync(disk.within).sort(), ['disk', 'sessions']);
  }

  disk.grow(64);
  const mounted = await mountSessionfs(t, { mountPoint: disk.mountPoint, args: disk.cacheArguments });
  assert.deepEqual(readTree(disk.mountPoint), before);
  await mounted.unmount();
  assert.deepEqual(readdirSync(disk.mountPoint), []);
});

test('a start that fails after the import leaves the plain sessions where their application finds them', async (t) => {
  const disk = new SmallDisk(t, 64);
  plainOn(disk);
  const before = readTree(disk.mountPoint);
  const under = ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin', '--'];
  assertRefused(
    { within: disk.within, args: [disk.mountPoint, ...disk.cacheArguments], under },
    { code: 'MOUNT_NOT_PERMITTED', message: /not allowed to mount/, hint: /Docker/ },
  );
  assert.deepEqual(readTree(disk.mountPoint), before);

  const mounted = await mountSessionfs(t, { mountPoint: disk.mountPoint, args: disk.cacheArguments });
  assert.deepEqual(readTree(disk.mountPoint), before);
  await mounted.unmount();
  assert.deepEqual(readdirSync(disk.mountPoint), []);
});

test('plain sessions on a volume of their own cannot be moved: they are imported, named and left below the mount', async (t) => {
  const disk = new SmallDisk(t, 8);
  writeTree(disk.path, small);
  const { path: mountPoint, within } = disk;
  for (let round = 1; round <= 2; round++) {
    const mounted = await mountSessionfs(t, { mountPoint });
    await untilStarted(mounted);
    assert.deepEqual(readTree(mountPoint), small);
    // The second start finds them again.
    const expected =
      round === 1
        ? /"left":\["user1-\+15550001"\],"msg":"Plain sessions .* not all could be moved away/
        : /"left":\["user1-\+15550001"\],"msg":"Skipped plain sessions/;
    assert.match(mounted.log(), expected);
    mounted.signal('SIGTERM');
    assert.deepEqual(await mounted.exited(), { code: 0, signal: null });
    assert.equal(mountAt(mountPoint)?.type, 'tmpfs', 'the volume itself was unmounted');
    assert.deepEqual(readTree(mountPoint), small);
  }
  assert.deepEqual(
    readdirSync(within).filter((name) => name.includes('plain')),
    [],
  );
});
