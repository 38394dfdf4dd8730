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
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Mounted, mountSessionfs } from '../../support/mount-sessionfs.ts';
import type { Bench, Deviations } from '../support/deviation.ts';
import { outcome, permissionsOf } from '../support/probe.ts';

const YEAR_2001 = new Date('2001-02-03T04:05:06Z');

/** Mounts, lets `before` work, and mounts again for `after`. */
async function remounted(
  t: Bench['t'],
  before: (mountPoint: string) => void,
  after: (mountPoint: string) => void,
  env: Record<string, string> = {},
): Promise<void> {
  const first: Mounted = await mountSessionfs(t);
  before(first.mountPoint);
  await first.unmount();
  const second = await mountSessionfs(t, { mountPoint: first.mountPoint, env });
  after(second.mountPoint);
  await second.unmount();
}

const ownerOf = (path: string) => `${statSync(path).uid}:${statSync(path).gid}`;

export const attributeDeviations: Deviations = {
  async 'New files and folders are closed to group and others, whatever the umask says'({ t, folder }) {
    const [file, inner] = [join(folder, 'file'), join(folder, 'inner')];
    const umask = process.umask(0);
    try {
      closeSync(openSync(file, 'w', 0o666));
      mkdirSync(inner, 0o777);
    } finally {
      process.umask(umask);
    }
    assert.equal(permissionsOf(file), '600');
    assert.equal(permissionsOf(inner), '700');
    chmodSync(file, 0o664);
    chmodSync(inner, 0o755);
    assert.equal(permissionsOf(file), '664');
    assert.equal(permissionsOf(inner), '755');
    const open = await mountSessionfs(t, { env: { SESSION_UMASK: '022' } });
    const [session, creds] = [join(open.mountPoint, 'u-+1'), join(open.mountPoint, 'u-+1/creds.json')];
    const loose = process.umask(0);
    try {
      mkdirSync(session, 0o777);
      writeFileSync(creds, '{}', { mode: 0o666 });
    } finally {
      process.umask(loose);
    }
    await open.unmount();
    const again = await mountSessionfs(t, { mountPoint: open.mountPoint });
    assert.equal(permissionsOf(session), '755');
    assert.equal(permissionsOf(creds), '644');
    await again.unmount();
    const strict = process.umask(0o277);
    try {
      closeSync(openSync(join(folder, 'strict'), 'w', 0o666));
    } finally {
      process.umask(strict);
    }
    assert.equal(permissionsOf(join(folder, 'strict')), '400');
  },

  async 'A file of the mount’s owner belongs to the owner of whatever mount it is opened on'({ t }) {
    const names = { own: 'own.json', other: 'other.json' };
    await remounted(
      t,
      (mountPoint) => {
        for (const name of Object.values(names)) writeFileSync(join(mountPoint, name), '{}');
        mkdirSync(join(mountPoint, 'user1-+1555'));
        chownSync(join(mountPoint, names.other), 1234, 1235);
      },
      (mountPoint) => {
        assert.equal(ownerOf(mountPoint), '2001:2002');
        assert.equal(ownerOf(join(mountPoint, 'user1-+1555')), '2001:2002');
        assert.equal(ownerOf(join(mountPoint, names.own)), '2001:2002');
        assert.equal(ownerOf(join(mountPoint, names.other)), '1234:1235');
      },
      { SESSION_OWNER: '2001:2002' },
    );
  },

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

  async 'Access and change times do not survive a remount'({ t }) {
    const modified = new Date('2002-03-04T05:06:07Z');
    await remounted(
      t,
      (mountPoint) => {
        const file = join(mountPoint, 'file');
        writeFileSync(file, 'content');
        utimesSync(file, YEAR_2001, modified);
        assert.equal(statSync(file).atimeMs, YEAR_2001.getTime());
      },
      (mountPoint) => {
        const { atimeMs, mtimeMs, ctimeMs } = statSync(join(mountPoint, 'file'));
        assert.equal(mtimeMs, modified.getTime());
        assert.deepEqual([atimeMs, ctimeMs], [mtimeMs, mtimeMs]);
      },
    );
  },

  async 'Times before 1970 become 1970 with a remount'({ t }) {
    const day = 86_400_000;
    await remounted(
      t,
      (mountPoint) => {
        writeFileSync(join(mountPoint, 'file'), '');
        utimesSync(join(mountPoint, 'file'), new Date(-day), new Date(-day));
        assert.equal(statSync(join(mountPoint, 'file')).mtimeMs, -day);
      },
      (mountPoint) => assert.equal(statSync(join(mountPoint, 'file')).mtimeMs, 0),
    );
  },

  async 'A folder’s times do not survive a remount'({ t }) {
    let made = 0;
    await remounted(
      t,
      (mountPoint) => {
        mkdirSync(join(mountPoint, 'user1-+1555'));
        made = statSync(join(mountPoint, 'user1-+1555')).mtimeMs;
      },
      (mountPoint) => {
        const { mtimeMs } = statSync(join(mountPoint, 'user1-+1555'));
        assert.ok(mtimeMs > made, `${mtimeMs} is not after ${made}`);
      },
    );
  },

  async 'Inode numbers do not survive a remount'({ t }) {
    let before = 0;
    await remounted(
      t,
      (mountPoint) => {
        writeFileSync(join(mountPoint, 'first'), '');
        writeFileSync(join(mountPoint, 'second'), '');
        before = statSync(join(mountPoint, 'second')).ino;
        for (const name of ['third', 'a']) writeFileSync(join(mountPoint, name), '');
        spawnSync('rm', [join(mountPoint, 'first')]);
      },
      (mountPoint) => {
        const { ino } = statSync(join(mountPoint, 'second'));
        assert.notEqual(ino, before);
        assert.equal(
          outcome(() => statSync(join(mountPoint, 'first'))),
          'ENOENT',
        );
      },
    );
  },
};
