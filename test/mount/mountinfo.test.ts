import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { findMount, isMounted, parseDarwinMounts, parseMountinfo } from '../../src/mount/mountinfo.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const TABLE = `21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 21 0:37 / /srv/my\\040app/ses\\011\\134sions rw,nosuid,nodev,noatime shared:7 master:2 - fuse.sessionfs sessionfs rw,user_id=0
41 21 0:38 / /srv/été rw - tmpfs with\\040blank rw
42 21 0:39 / /srv/été rw unbindable - fuse.sessionfs sessionfs rw
43 21 0:40 / /plain rw - proc proc rw
`;

test('octal escapes of blanks, tabs and backslashes are undone, other bytes are UTF-8', () => {
  assert.deepEqual(
    parseMountinfo(TABLE).map(({ mountPoint }) => mountPoint),
    ['/', '/srv/my app/ses\t\\sions', '/srv/été', '/srv/été', '/plain'],
  );
});

test('any number of optional fields may stand before the type', () => {
  assert.deepEqual(parseMountinfo(TABLE)[1], {
    device: '0:37',
    mountPoint: '/srv/my app/ses\t\\sions',
    type: 'fuse.sessionfs',
    source: 'sessionfs',
    root: '/',
    userId: 0,
  });
  assert.deepEqual(parseMountinfo(TABLE).map(({ source }) => source)[2], 'with blank');
});

test('a digit behind an escape belongs to the name', () => {
  assert.equal(parseMountinfo('1 1 0:1 / /a\\0401 rw - tmpfs x rw')[0]?.mountPoint, '/a 1');
});

test('lines that are no mount are passed over', () => {
  assert.deepEqual(parseMountinfo('\nnonsense\n1 2 0:3 / /a rw - \n1 2 0:3 / /a rw'), [
    { device: '0:3', mountPoint: '/a', type: '', source: '', root: '/' },
  ]);
});

test('the last mount on a folder is the one that is seen', async (t) => {
  const table = join(temporaryDirectory(t), 'mountinfo');
  await writeFile(table, TABLE);
  assert.equal((await findMount('/srv/été', table))?.type, 'fuse.sessionfs');
  assert.equal(await findMount('/srv', table), undefined);
});

test("this machine's own table can be read", async () => {
  assert.equal((await findMount('/proc'))?.type, 'proc');
});

test('a device is mounted as long as any line has it', async (t) => {
  const table = join(temporaryDirectory(t), 'mountinfo');
  await writeFile(table, TABLE);
  assert.equal(await isMounted('0:38', table), true);
  assert.equal(await isMounted('0:99', table), false);
});

test('what mount(8) of macOS prints is read, and what macFUSE mounted for us is known by its source', () => {
  const text = `/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
sessionfs@macfuse0 on /Users/x/my sessions (macfuse, nodev, nosuid, synchronous, mounted by x)
other@macfuse1 on /Volumes/other (macfuse, nodev)
`;
  assert.deepEqual(
    parseDarwinMounts(text).map(({ mountPoint, type, device }) => [mountPoint, type, device]),
    [
      ['/', 'apfs', '/dev/disk3s1s1'],
      ['/Users/x/my sessions', 'fuse.sessionfs', 'sessionfs@macfuse0'],
      ['/Volumes/other', 'macfuse', 'other@macfuse1'],
    ],
  );
});
