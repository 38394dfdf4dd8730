import assert from 'node:assert/strict';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Cache } from '../../src/store/cache/cache.ts';
import { Rig } from './support.ts';

function walk(t: TestContext, files: string[], directories: string[] = []) {
  const { cache, cachePath } = new Rig(t);
  for (const name of directories) fs.mkdirSync(join(cachePath, 'sessions', name), { recursive: true });
  for (const name of files) {
    const path = join(cachePath, 'sessions', name);
    fs.mkdirSync(dirname(path), { recursive: true });
    fs.writeFileSync(path, '');
  }
  const seen: string[] = [];
  const report = cache.walkSync((path, kind) => seen.push(kind === 'directory' ? `${path}/` : path));
  assert.deepEqual(inSteps(cache).sort(), [...seen].sort(), 'first the root, then each directory in it');
  return { seen, sorted: [...seen].sort(), report };
}

function inSteps(cache: Cache): string[] {
  const seen: string[] = [];
  const directories: string[] = [];
  cache.walkRootSync((path, kind) => {
    if (kind === 'directory') directories.push(path);
    else seen.push(path);
  });
  const ofRoot = cache.contentOfSync('');
  assert.deepEqual([ofRoot.files.sort(), ofRoot.directories], [[...seen].sort(), []]);
  for (const directory of directories) {
    const below: string[] = [];
    cache.walkBelowSync(directory, (path, kind) => below.push(kind === 'directory' ? `${path}/` : path));
    const { files, directories } = cache.contentOfSync(directory);
    assert.deepEqual([...directories.map((path) => `${path}/`), ...files].sort(), [...below].sort());
    seen.push(`${directory}/`, ...below);
  }
  assert.deepEqual(cache.contentOfSync('user/+nowhere'), { files: [], directories: [] });
  return seen;
}

test('sessions, directories, nested and top-level files come as mount paths, parents first', (t) => {
  const { seen, sorted, report } = walk(t, [
    'user/+1/creds.json',
    'user/+1/sub/%25',
    'user/+2/creds.json',
    'plain/%dir',
    'plain/%2Bfile',
    'creds.json',
    'README%',
    '%dir',
  ]);
  assert.deepEqual(sorted, [
    'README',
    'creds.json',
    'plain/',
    'plain/+file',
    'user-+1/',
    'user-+1/creds.json',
    'user-+1/sub/',
    'user-+1/sub/%',
    'user-+2/',
    'user-+2/creds.json',
  ]);
  for (const [index, path] of seen.entries()) {
    const parent = path.replace(/[^/]+\/?$/, '');
    if (parent)
      assert.ok(seen.indexOf(parent) >= 0 && seen.indexOf(parent) < index, `${parent} before ${path}`);
  }
  assert.deepEqual(report, { files: 6, directories: 4, foreign: 0, foreignExample: undefined });
});

const users: [files: string[], directories: string[], expected: string[], what: string][] = [
  [['u/+1/f'], [], ['u-+1/', 'u-+1/f'], 'only sessions: not a directory of the mount'],
  [['u/+1/f', 'u/%dir'], [], ['u-+1/', 'u-+1/f', 'u/'], 'attributes: a directory of the mount as well'],
  [
    ['u/+1/f', 'u/g'],
    [],
    ['u-+1/', 'u-+1/f', 'u/', 'u/g'],
    'another child: a directory of the mount as well',
  ],
  [[], ['u'], [], 'empty: what a removed session left'],
  [[], ['u/+1'], ['u-+1/'], 'an empty session is there'],
];
for (const [files, directories, expected, what] of users) {
  test(`the directory of a user with ${what}`, (t) => {
    assert.deepEqual(walk(t, files, directories).sorted, expected);
  });
}

test('foreign names are skipped, counted, and one is told', (t) => {
  const { sorted, report } = walk(
    t,
    ['README', 'u/+1', 'u/+2/f', 'a-+1/f', 's/+1/%41', 's/+1/line\nbreak', 's/+1/good'],
    ['s/+1/%dir', 's/+1/%ZZ', 'x%'],
  );
  assert.deepEqual(sorted, ['s-+1/', 's-+1/good', 'u-+2/', 'u-+2/f']);
  assert.equal(report.foreign, 7);
  assert.match(report.foreignExample ?? '', /^sessions\//);
});

test('symbolic links and names that are not UTF-8 are foreign', (t) => {
  const { cache, cachePath } = new Rig(t);
  fs.mkdirSync(join(cachePath, 'sessions/s/+1'), { recursive: true });
  fs.symlinkSync('/etc', join(cachePath, 'sessions/s/+1/link'));
  fs.symlinkSync('/etc', join(cachePath, 'sessions/x.json'));
  const raw = Buffer.concat([Buffer.from(join(cachePath, 'sessions/s/+1/')), Buffer.from([0xff, 0xfe])]);
  fs.writeFileSync(raw, '');
  const seen: string[] = [];
  const report = cache.walkSync((path) => seen.push(path));
  assert.deepEqual(seen, ['s-+1']);
  assert.equal(report.foreign, 3);
});
