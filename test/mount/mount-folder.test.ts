import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isPlaceAt, MountFolder, openPlace } from '../../src/mount/mount-folder.ts';
import { findMountUsers } from '../../src/mount/users.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

function folderWith(t: Scope, mode: number): string {
  const path = join(temporaryDirectory(t), 'sessions');
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
}

function open(t: Scope, path: string): MountFolder {
  const folder = MountFolder.open(path);
  cleanUp(t, () => folder.release());
  return folder;
}

const modeOf = (path: string) => statSync(path).mode & 0o7777;

for (const mode of [0o755, 0o2777, 0o1777, 0o700, 0o007]) {
  test(`a folder of mode ${mode.toString(8)} is shut, says what it was to the next one that opens it, and is given back`, (t) => {
    const path = folderWith(t, mode);
    assert.deepEqual(open(t, path).shut(), { kind: 'shut' });
    assert.equal(modeOf(path), 0);
    const next = open(t, path);
    assert.deepEqual([next.isShut, next.mode], [true, mode]);
    next.shut();
    next.giveBack();
    assert.deepEqual([modeOf(path), next.isShut], [mode, false]);
    assert.ok(Math.abs(statSync(path).mtimeMs - Date.now()) < 3_600_000);
  });
}

test('a folder that is shut and does not say what it was is its owner’s', (t) => {
  const path = folderWith(t, 0);
  assert.equal(open(t, path).mode, 0o700);
  open(t, path).giveBack();
  assert.equal(modeOf(path), 0o700);
});

test('a mode that another process has given a folder meanwhile stays', (t) => {
  const path = folderWith(t, 0o755);
  const folder = open(t, path);
  folder.shut();
  chmodSync(path, 0o711);
  folder.giveBack();
  assert.equal(modeOf(path), 0o711);
  assert.equal(open(t, path).mode, 0o711);
});

test('a folder is open to its owner only while it is listed or mounted on, and shut again whatever happens', (t) => {
  const path = folderWith(t, 0o777);
  const folder = open(t, path);
  writeFileSync(join(path, 'creds.json'), '{}');
  assert.equal(
    folder.listed(() => modeOf(path)),
    0o777,
  );
  folder.shut();
  assert.deepEqual(
    folder.listed(() => [modeOf(path), readdirSync(folder.path)]),
    [0o500, ['creds.json']],
  );
  assert.throws(() =>
    folder.writable(() => {
      assert.equal(modeOf(path), 0o700);
      throw new Error('no mount');
    }),
  );
  assert.deepEqual([modeOf(path), open(t, path).mode], [0, 0o777]);
});

test('another user’s folder is not shut, and it is said why', (t) => {
  const path = folderWith(t, 0o777);
  chmodSync(join(path, '..'), 0o755);
  const script = `
    const { MountFolder } = await import(${JSON.stringify(new URL('../../src/mount/mount-folder.js', import.meta.url).href)});
    process.setuid(65534);
    console.log(JSON.stringify(MountFolder.open(process.argv[1]).shut()));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script, path], {
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  assert.deepEqual(JSON.parse(stdout), { kind: 'refused', reason: 'EPERM' });
  assert.equal(modeOf(path), 0o777);
});

test('a place is held, not a name: a link is none, and one that was moved is seen to be', (t) => {
  const path = folderWith(t, 0o755);
  symlinkSync(path, `${path}-link`);
  assert.throws(() => openPlace(`${path}-link`));
  const folder = open(t, path);
  assert.equal(isPlaceAt(folder.fd, path), true);
  renameSync(path, `${path}-moved`);
  mkdirSync(path);
  assert.equal(isPlaceAt(folder.fd, path), false);
  folder.shut();
  assert.deepEqual([modeOf(path), modeOf(`${path}-moved`)], [0o755, 0]);
});

test('a process that holds the place is no user of the mount over it', async (t) => {
  const path = folderWith(t, 0o755);
  open(t, path);
  assert.deepEqual(await findMountUsers(path), []);
});
