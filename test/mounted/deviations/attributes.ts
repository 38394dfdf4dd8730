/** Owners, permissions, times and numbers. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Deviations } from '../support/deviation.ts';
import { outcome, permissionsOf } from '../support/probe.ts';
import { SharedRemount } from '../support/shared-remount.ts';

const YEAR_2001 = new Date('2001-02-03T04:05:06Z');
const YEAR_2002 = new Date('2002-03-04T05:06:07Z');
const DAY_MS = 86_400_000;

const remount = new SharedRemount('unmount', {
  first: { SESSION_UMASK: '022' },
  second: { SESSION_OWNER: '2001:2002' },
});

const ownerOf = (path: string) => `${statSync(path).uid}:${statSync(path).gid}`;

const inodesOf = (folder: string) => ['second', 'third', 'a'].map((name) => statSync(join(folder, name)).ino);

function withUmask(umask: number, make: () => void): void {
  const before = process.umask(umask);
  try {
    make();
  } finally {
    process.umask(before);
  }
}

/** On a mount with a setting of its own, and after that on one without. */
const madeWithUmask = remount.of({
  before(folder) {
    withUmask(0, () => {
      mkdirSync(join(folder, 'session'), 0o777);
      writeFileSync(join(folder, 'session/creds.json'), '{}', { mode: 0o666 });
    });
  },
  after(folder) {
    assert.equal(permissionsOf(join(folder, 'session')), '755');
    assert.equal(permissionsOf(join(folder, 'session/creds.json')), '644');
  },
});

let folderMadeMs = 0;
let numbers: number[] = [];

export const attributeDeviations: Deviations = {
  async 'New files and folders are closed to group and others, whatever the umask says'({ folder }) {
    const [file, inner] = [join(folder, 'file'), join(folder, 'inner')];
    withUmask(0, () => {
      closeSync(openSync(file, 'w', 0o666));
      mkdirSync(inner, 0o777);
    });
    assert.equal(permissionsOf(file), '600');
    assert.equal(permissionsOf(inner), '700');
    chmodSync(file, 0o664);
    chmodSync(inner, 0o755);
    assert.equal(permissionsOf(file), '664');
    assert.equal(permissionsOf(inner), '755');
    withUmask(0o277, () => closeSync(openSync(join(folder, 'strict'), 'w', 0o666)));
    assert.equal(permissionsOf(join(folder, 'strict')), '400');
    await madeWithUmask();
  },

  'A file of the mount’s owner belongs to the owner of whatever mount it is opened on': remount.of({
    before(folder) {
      for (const name of ['own.json', 'other.json']) writeFileSync(join(folder, name), '{}');
      chownSync(join(folder, 'other.json'), 1234, 1235);
    },
    after(folder, mountPoint) {
      assert.equal(ownerOf(mountPoint), '2001:2002');
      assert.equal(ownerOf(folder), '2001:2002');
      assert.equal(ownerOf(join(folder, 'own.json')), '2001:2002');
      assert.equal(ownerOf(join(folder, 'other.json')), '1234:1235');
    },
  }),

  'Set-id bits have no effect'({ folder }) {
    const file = join(folder, 'program');
    closeSync(openSync(file, 'w', 0o6755));
    assert.equal(permissionsOf(file), '6700');
    writeFileSync(file, readFileSync('/usr/bin/id'));
    chmodSync(file, 0o6755);
    assert.equal(permissionsOf(file), '6755');
    // The way there must be open to the other user.
    const run = spawnSync(
      'setpriv',
      ['--reuid=1001', '--regid=1001', '--clear-groups', '/proc/self/fd/3', '-u'],
      {
        stdio: ['ignore', 'pipe', 'pipe', openSync(file, 'r')],
        encoding: 'utf8',
      },
    );
    assert.equal(run.stdout, '1001\n', run.stderr);
  },

  'Reading does not change the access time'({ folder }) {
    const file = join(folder, 'file');
    writeFileSync(file, 'content');
    utimesSync(file, YEAR_2001, statSync(file).mtime);
    readFileSync(file);
    assert.equal(statSync(file).atimeMs, YEAR_2001.getTime());
  },

  'Access and change times do not survive a remount': remount.of({
    before(folder) {
      const file = join(folder, 'file');
      writeFileSync(file, 'content');
      utimesSync(file, YEAR_2001, YEAR_2002);
      assert.equal(statSync(file).atimeMs, YEAR_2001.getTime());
    },
    after(folder) {
      const { atimeMs, mtimeMs, ctimeMs } = statSync(join(folder, 'file'));
      assert.equal(mtimeMs, YEAR_2002.getTime());
      assert.deepEqual([atimeMs, ctimeMs], [mtimeMs, mtimeMs]);
    },
  }),

  'Times before 1970 become 1970 with a remount': remount.of({
    before(folder) {
      writeFileSync(join(folder, 'file'), '');
      utimesSync(join(folder, 'file'), new Date(-DAY_MS), new Date(-DAY_MS));
      assert.equal(statSync(join(folder, 'file')).mtimeMs, -DAY_MS);
    },
    after(folder) {
      assert.equal(statSync(join(folder, 'file')).mtimeMs, 0);
    },
  }),

  'A folder’s times do not survive a remount': remount.of({
    before(folder) {
      folderMadeMs = statSync(folder).mtimeMs;
    },
    after(folder) {
      const { mtimeMs } = statSync(folder);
      assert.ok(mtimeMs > folderMadeMs, `${mtimeMs} is not after ${folderMadeMs}`);
    },
  }),

  'Inode numbers do not survive a remount': remount.of({
    before(folder) {
      for (const name of ['first', 'second', 'third', 'a']) writeFileSync(join(folder, name), '');
      numbers = inodesOf(folder);
      unlinkSync(join(folder, 'first'));
    },
    after(folder) {
      assert.notDeepEqual(inodesOf(folder), numbers);
      assert.equal(
        outcome(() => statSync(join(folder, 'first'))),
        'ENOENT',
      );
    },
  }),
};
