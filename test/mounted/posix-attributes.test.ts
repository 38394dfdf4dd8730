import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { directTest } from '../support/driver.ts';
import { permissionsOf } from './support/probe.ts';
import { sharedMount } from './support/shared-mount.ts';
import { SharedRemount } from './support/shared-remount.ts';

const shared = await sharedMount();
const remount = new SharedRemount('unmount');
/** Other users have a way to the shared mount. */
for (const path of [join(shared.mounted.mountPoint, '..'), shared.mounted.mountPoint]) chmodSync(path, 0o755);

const TIMES = { 'file.json': '2001-02-03T04:05:06.123456789Z', late: '2106-02-07T06:28:16.000000001Z' };

function assertNanoseconds(folder: string): void {
  const expected = { 'file.json': 981173106123456789n, late: 4294967296000000001n };
  for (const [name, mtimeNs] of Object.entries(expected)) {
    assert.equal(statSync(join(folder, name), { bigint: true }).mtimeNs, mtimeNs);
  }
}

directTest(
  'modification times keep their nanoseconds, also across a remount',
  remount.of({
    before(folder) {
      for (const [name, time] of Object.entries(TIMES)) {
        writeFileSync(join(folder, name), '{}');
        assert.equal(spawnSync('touch', ['-m', '-d', time, join(folder, name)]).status, 0);
      }
      assertNanoseconds(folder);
    },
    after: assertNanoseconds,
  }),
);

function assertAttributes(folder: string): void {
  const [file, directory, link] = pathsIn(folder);
  assert.equal(permissionsOf(file), '751');
  assert.equal(permissionsOf(directory), '3770');
  for (const path of [file, directory])
    assert.deepEqual([statSync(path).uid, statSync(path).gid], [1001, 1002]);
  assert.equal(statSync(file).mtimeMs, 2_000_000);
  assert.equal(lstatSync(link).mtimeMs, 4_000_000);
  assert.equal(readFileSync(link, 'utf8'), '{}');
}

function pathsIn(folder: string): [file: string, directory: string, link: string] {
  return [join(folder, 'file.json'), join(folder, 'folder'), join(folder, 'link')];
}

test(
  'chmod, chown and utimes tell what they set, of files, folders and links, across a remount too',
  remount.of({
    before(folder) {
      const [file, directory, link] = pathsIn(folder);
      writeFileSync(file, '{}');
      mkdirSync(directory);
      symlinkSync('file.json', link);
      for (const path of [file, directory]) {
        chownSync(path, 1001, 1002);
        chmodSync(path, 0o751);
      }
      chmodSync(directory, 0o3770);
      utimesSync(file, 1000, 2000);
      lutimesSync(link, 3000, 4000);
      assertAttributes(folder);
      assert.equal(statSync(file).atimeMs, 1_000_000);
    },
    after: assertAttributes,
  }),
);

test('changing a file changes its times and its folder’s, and a chmod its change time only', async () => {
  const folder = shared.folder();
  const file = join(folder, 'file');
  writeFileSync(file, 'one');
  utimesSync(file, 1000, 1000);
  utimesSync(folder, 1000, 1000);
  writeFileSync(file, 'two');
  assert.ok(statSync(file).mtimeMs > 1_000_000);
  assert.equal(statSync(folder).mtimeMs, 1_000_000);
  utimesSync(file, 1000, 1000);
  truncateSync(file, statSync(file).size);
  assert.ok(statSync(file).mtimeMs > 1_000_000, 'truncated to the size that it has');
  writeFileSync(join(folder, 'second.json'), '{}');
  assert.ok(statSync(folder).mtimeMs > 1_000_000);
  const before = statSync(file);
  utimesSync(folder, 1000, 1000);
  chmodSync(file, 0o640);
  assert.equal(statSync(file).mtimeMs, before.mtimeMs);
  assert.ok(statSync(file).ctimeMs >= before.ctimeMs);
  assert.equal(statSync(folder).mtimeMs, 1_000_000);
});

function as(
  uid: number,
  gid: number,
  script: string,
  ...args: string[]
): { status: number | null; stdout: string } {
  const who = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  return spawnSync('setpriv', [...who, 'sh', '-c', script, 'sh', ...args], { encoding: 'utf8' });
}

directTest('another user gets in exactly as far as the permissions say', () => {
  const folder = shared.folder();
  const file = join(folder, 'creds.json');
  writeFileSync(file, '{"version":1}');
  const read = () => as(2001, 2001, 'cat "$1"', file);

  assert.notEqual(read().status, 0);
  chmodSync(folder, 0o711);
  assert.notEqual(read().status, 0);
  chmodSync(file, 0o644);
  assert.equal(read().stdout, '{"version":1}');
  assert.notEqual(as(2001, 2001, 'ls "$1"', folder).status, 0);
  assert.notEqual(as(2001, 2001, 'echo "{}" > "$1"', file).status, 0);
  assert.notEqual(as(2001, 2001, 'chmod 777 "$1"', file).status, 0);
  assert.notEqual(as(2001, 2001, 'rm -f "$1"', file).status, 0);
  chmodSync(file, 0o646);
  assert.equal(as(2001, 2001, 'echo "{}" > "$1"', file).status, 0);
  assert.equal(readFileSync(file, 'utf8'), '{}\n');
  chownSync(folder, 2001, 2001);
  assert.equal(as(2001, 2001, 'echo "{}" > "$1/mine.json"', folder).status, 0);
  assert.deepEqual(
    [statSync(join(folder, 'mine.json')).uid, statSync(join(folder, 'mine.json')).gid],
    [2001, 2001],
  );
});

directTest('in a sticky folder only its owner and the file’s remove a file', () => {
  const folder = shared.folder();
  chmodSync(folder, 0o1777);
  assert.equal(as(2001, 2001, 'echo x > "$1/file"', folder).status, 0);
  assert.notEqual(as(2002, 2002, 'rm -f "$1/file"', folder).status, 0);
  assert.equal(as(2001, 2001, 'rm "$1/file"', folder).status, 0);
});

test('what is made in a set-group-id folder belongs to the folder’s group, and its folders pass that on', () => {
  const folder = shared.folder();
  chownSync(folder, 0, 2005);
  chmodSync(folder, 0o2775);
  writeFileSync(join(folder, 'file.json'), '{}');
  mkdirSync(join(folder, 'inner'));
  assert.equal(statSync(join(folder, 'file.json')).gid, 2005);
  assert.equal(statSync(join(folder, 'inner')).gid, 2005);
  assert.equal(permissionsOf(join(folder, 'inner')), '2700');
});

directTest('a write by another user than root takes the set-id bits away', () => {
  const folder = shared.folder();
  chmodSync(folder, 0o755);
  const file = join(folder, 'file');
  writeFileSync(file, 'x');
  chmodSync(file, 0o6777);
  assert.equal(as(2001, 2001, 'echo y >> "$1"', file).status, 0);
  assert.equal(permissionsOf(file), '777');
});
