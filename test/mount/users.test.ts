import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findMountUsers } from '../../src/mount/users.ts';
import { cleanUp } from '../support/cleanup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** A /proc with one process whose links and maps point where they are told. */
async function fakeProc(t: TestContext, links: Record<string, string>, maps = ''): Promise<string> {
  const proc = temporaryDirectory(t);
  await mkdir(join(proc, '17/fd'), { recursive: true });
  await mkdir(join(proc, 'self'));
  await writeFile(join(proc, '17/comm'), 'node\n');
  await writeFile(join(proc, '17/maps'), maps);
  for (const [name, target] of Object.entries(links)) await symlink(target, join(proc, '17', name));
  return proc;
}

const cases: Array<[string, Record<string, string>, string, object[]]> = [
  [
    'working directory',
    { cwd: '/m' },
    '',
    [{ pid: 17, command: 'node', how: 'working directory', path: '/m' }],
  ],
  [
    'root directory',
    { cwd: '/', root: '/m/a' },
    '',
    [{ pid: 17, command: 'node', how: 'root directory', path: '/m/a' }],
  ],
  [
    'open file',
    { 'fd/0': '/dev/null', 'fd/3': '/m/x y' },
    '',
    [{ pid: 17, command: 'node', how: 'open file', path: '/m/x y' }],
  ],
  [
    'mapped file',
    {},
    '7f00-7f01 rw-p 00000000 00:00 0 \n7f01-7f02 r--s 00000000 00:3e 12       /m/a b\n',
    [{ pid: 17, command: 'node', how: 'mapped file', path: '/m/a b' }],
  ],
  ['namesake beside the mount', { cwd: '/mm', root: '/', 'fd/3': '/m2/x' }, '', []],
];

for (const [what, links, maps, expected] of cases) {
  test(`a ${what} ${expected.length > 0 ? 'holds a mount' : 'does not hold it'}`, async (t) => {
    assert.deepEqual(await findMountUsers('/m', await fakeProc(t, links, maps)), expected);
  });
}

test('a real process is found by its working directory', async (t) => {
  const directory = temporaryDirectory(t);
  const child = spawn('cat', { cwd: directory, stdio: ['pipe', 'ignore', 'ignore'] });
  cleanUp(t, async () => {
    child.stdin.end();
    await once(child, 'exit');
  });
  await once(child, 'spawn');
  assert.deepEqual(await findMountUsers(directory), [
    { pid: child.pid, command: 'cat', how: 'working directory', path: directory },
  ]);
});
