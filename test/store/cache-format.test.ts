import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Cache } from '../../src/store/cache/cache.ts';
import { KEY_ID, temporaryDirectory } from './support.ts';

function place(t: TestContext) {
  const directory = temporaryDirectory(t);
  const cachePath = join(directory, 'cache');
  const mountPoint = join(directory, 'sessions');
  return {
    directory,
    cachePath,
    mountPoint,
    open: () => Cache.open(cachePath, { mountPoint, keyId: KEY_ID }),
  };
}

test('open makes a private directory that says what it is, and can be repeated', (t) => {
  const { cachePath, open } = place(t);
  assert.equal(Cache.readKeyId(cachePath), undefined);
  open();
  open();
  assert.equal(Cache.readKeyId(cachePath), KEY_ID);
  const text = fs.readFileSync(join(cachePath, 'format.json'), 'utf8');
  assert.deepEqual(JSON.parse(text), { format: 'sessionfs-cache', version: 1, keyId: KEY_ID });
  assert.equal(fs.statSync(join(cachePath, 'format.json')).mode & 0o777, 0o600);
  for (const name of ['', 'journal', 'tmp', 'sessions']) {
    assert.equal(fs.statSync(join(cachePath, name)).mode & 0o777, 0o700, name);
  }
});

test('a directory that others may read is narrowed', (t) => {
  const { cachePath, open } = place(t);
  fs.mkdirSync(cachePath, { mode: 0o755 });
  open();
  assert.equal(fs.statSync(cachePath).mode & 0o777, 0o700);
});

test('a fresh volume, and what an interrupted first start left, become a cache', (t) => {
  const { cachePath, open } = place(t);
  fs.mkdirSync(join(cachePath, 'lost+found'), { recursive: true });
  fs.writeFileSync(join(cachePath, 'lock'), '');
  fs.writeFileSync(join(cachePath, 'format.json.new'), '{"form');
  open();
  assert.equal(Cache.readKeyId(cachePath), KEY_ID);
});

test('a directory with other files is refused and left alone', (t) => {
  const { cachePath, open } = place(t);
  fs.mkdirSync(cachePath);
  fs.writeFileSync(join(cachePath, 'thesis.txt'), 'x');
  assert.throws(open, { code: 'CACHE_FORMAT' });
  assert.deepEqual(fs.readdirSync(cachePath), ['thesis.txt']);
});

for (const [what, text] of [
  ['another version', `{"format":"sessionfs-cache","version":2,"keyId":"${KEY_ID}"}`],
  ['another format', `{"format":"other","version":1,"keyId":"${KEY_ID}"}`],
  ['no key id', '{"format":"sessionfs-cache","version":1}'],
  ['no JSON', 'nonsense'],
  ['null', 'null'],
]) {
  test(`a format file with ${what} is refused, for open and for readKeyId`, (t) => {
    const { cachePath, open } = place(t);
    fs.mkdirSync(cachePath);
    fs.writeFileSync(join(cachePath, 'format.json'), text ?? '');
    assert.throws(open, { code: 'CACHE_FORMAT' });
    assert.throws(() => Cache.readKeyId(cachePath), { code: 'CACHE_FORMAT' });
  });
}

test('a cache of another key is refused, one of a previous key is taken over', (t) => {
  const { cachePath, mountPoint, open } = place(t);
  open();
  const keyId = 'f'.repeat(16);
  assert.throws(() => Cache.open(cachePath, { mountPoint, keyId }), { code: 'KEY_WRONG' });
  assert.equal(Cache.readKeyId(cachePath), KEY_ID);
  Cache.open(cachePath, { mountPoint, keyId, acceptedKeyIds: [KEY_ID] });
  assert.equal(Cache.readKeyId(cachePath), keyId);
});

test('a cache that cannot be made is CACHE_NOT_WRITABLE', (t) => {
  const { cachePath, open } = place(t);
  fs.writeFileSync(cachePath, 'a file');
  assert.throws(open, { code: 'CACHE_NOT_WRITABLE' });
});

test('a directory that the user may not write is CACHE_NOT_WRITABLE', {
  skip: process.getuid?.() !== 0,
}, (t) => {
  const { directory, cachePath } = place(t);
  fs.chmodSync(directory, 0o755);
  fs.mkdirSync(cachePath, { mode: 0o755 });
  const program = `
    import { Cache } from ${JSON.stringify(new URL('../../src/store/cache/cache.js', import.meta.url).href)};
    process.setuid(65534);
    try { Cache.open(${JSON.stringify(cachePath)}, { mountPoint: '/nonexistent', keyId: '${KEY_ID}' }); }
    catch (error) { process.stdout.write(error.code); }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  assert.equal(stdout, 'CACHE_NOT_WRITABLE', stderr);
});

test('a cache on the mount, under the mount, or above it is refused, through symbolic links too', (t) => {
  const { directory, mountPoint } = place(t);
  const keyId = KEY_ID;
  fs.mkdirSync(mountPoint);
  fs.symlinkSync(mountPoint, join(directory, 'link'));
  fs.symlinkSync('.', join(directory, 'here'));
  for (const cachePath of [
    mountPoint,
    join(mountPoint, 'deep/cache'),
    directory,
    join(directory, 'link/cache'),
    join(directory, 'here/here/sessions/cache'),
    join(directory, 'here'),
  ]) {
    assert.throws(() => Cache.open(cachePath, { mountPoint, keyId }), { code: 'CACHE_ON_MOUNT' }, cachePath);
  }
  const throughLink = join(directory, 'link');
  const inside = join(mountPoint, 'cache');
  assert.throws(() => Cache.open(inside, { mountPoint: throughLink, keyId }), { code: 'CACHE_ON_MOUNT' });
  assert.deepEqual(fs.readdirSync(mountPoint), []);
  Cache.open(`${mountPoint}.sealed`, { mountPoint, keyId });
});

test('symbolic links in a circle end in an error, not in a hang', (t) => {
  const { directory, mountPoint } = place(t);
  fs.symlinkSync('loop', join(directory, 'loop'));
  const open = () => Cache.open(join(directory, 'loop/cache'), { mountPoint, keyId: KEY_ID });
  assert.throws(open, { code: 'CACHE_NOT_WRITABLE' });
});

test('a disk that takes upper and lower case for the same name is refused', (t) => {
  const directory = temporaryDirectory(t);
  const cachePath = join(directory, 'cache');
  const real = fs.lstatSync;
  const mocked = t.mock.method(fs, 'lstatSync', ((path: string, options: fs.StatSyncOptions) =>
    real(path.replace(/SESSIONS$/, 'sessions'), options)) as typeof fs.lstatSync);
  const open = () => Cache.open(cachePath, { mountPoint: join(directory, 'mount'), keyId: KEY_ID });
  assert.throws(open, { code: 'CACHE_CASE_INSENSITIVE', hint: /case-sensitive/ });
  mocked.mock.restore();
  open();
});
