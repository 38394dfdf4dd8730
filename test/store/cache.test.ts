import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cache } from '../../src/store/cache/cache.ts';
import { faultyAsync, Rig } from './support.ts';

const mode = (path: string) => fs.statSync(path).mode & 0o777;

test('a file that was put is read back, privately kept, under its object name', async (t) => {
  const { cache, cachePath } = new Rig(t);
  await cache.put('user-+1/creds.json', Buffer.from('sealed'));
  assert.equal(cache.readSync('user-+1/creds.json').toString(), 'sealed');
  const file = join(cachePath, 'sessions/user/+1/creds.json');
  assert.equal(fs.readFileSync(file, 'utf8'), 'sealed');
  assert.equal(mode(file), 0o600);
  assert.equal(mode(join(cachePath, 'sessions/user/+1')), 0o700);
});

test('put replaces, remove and rmdir may come twice', async (t) => {
  const rig = new Rig(t);
  const { cache } = rig;
  await cache.mkdir('d', Buffer.from('meta'));
  await cache.mkdir('d');
  await cache.put('d/f', Buffer.from('one'));
  await cache.put('d/f', Buffer.from('two'));
  assert.deepEqual(rig.tree(), { 'd/': '', 'd/%dir': 'meta', 'd/f': 'two' });
  assert.equal(cache.readDirectoryMetaSync('d')?.toString(), 'meta');
  for (let twice = 0; twice < 2; twice++) {
    await cache.remove('d/f');
    await cache.rmdir('d');
    assert.deepEqual(rig.tree(), {});
  }
  assert.equal(cache.readDirectoryMetaSync('d'), undefined);
  assert.throws(() => cache.readSync('d/f'), { code: 'ENOENT' });
  assert.deepEqual(rig.tree('tmp'), {});
});

test('a session and a directory with the name of its user do not disturb one another', async (t) => {
  const rig = new Rig(t);
  const { cache } = rig;
  await cache.mkdir('user', Buffer.from('meta'));
  await cache.mkdir('user-+1');
  await cache.put('user', Buffer.from('impossible together with the directory, but not the same name'));
  await cache.remove('user');
  await cache.rmdir('user');
  assert.deepEqual(rig.tree(), { 'user/': '', 'user/+1/': '' });
  await cache.rmdir('user-+1');
  assert.deepEqual(rig.tree(), {}, 'the last session takes the directory of the user with it');
});

test('the header is read without the rest', async (t) => {
  const { cache } = new Rig(t);
  const out = Buffer.alloc(64, 0xff);
  await cache.put('long', Buffer.alloc(100, 1));
  assert.equal(cache.readHeaderSync('long', out), 100);
  assert.deepEqual(out, Buffer.alloc(64, 1));
  await cache.put('short', Buffer.alloc(10, 2));
  assert.equal(cache.readHeaderSync('short', out), 10);
});

test('a symbolic link in the cache is not followed', (t) => {
  const { cache, cachePath } = new Rig(t);
  fs.symlinkSync('/etc/hostname', join(cachePath, 'sessions/link%'));
  assert.throws(() => cache.readSync('link'), { code: 'ELOOP' });
});

test('a put that fails at any operation leaves the old version or the new one, and nothing else', async (t) => {
  const rig = new Rig(t);
  await rig.cache.put('s-+1/f', Buffer.from('old'));
  let index = 0;
  for (let failed = true; failed; index++) {
    const cache = new Cache(
      rig.cachePath,
      faultyAsync((_, at) => (at === index ? 'ENOSPC' : undefined)),
    );
    failed = await cache.put('s-+1/f', Buffer.from('new')).then(
      () => false,
      () => true,
    );
    assert.ok(['old', 'new'].includes(rig.cache.readSync('s-+1/f').toString()));
    assert.deepEqual(rig.tree('tmp'), {});
  }
  assert.ok(index > 6);
});

test('what an interrupted process left in tmp is removed', (t) => {
  const rig = new Rig(t);
  fs.writeFileSync(join(rig.cachePath, 'tmp/x'), 'x');
  rig.cache.removeLeftoversSync();
  assert.deepEqual(rig.tree('tmp'), {});
});
