import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { acquireCacheLock } from '../../src/store/cache/lock.ts';
import { temporaryDirectory } from './support.ts';

async function lockInChild(t: TestContext, cachePath: string): Promise<ChildProcess> {
  const program = `
    import { acquireCacheLock } from ${JSON.stringify(new URL('../../src/store/cache/lock.js', import.meta.url).href)};
    acquireCacheLock(${JSON.stringify(cachePath)});
    process.stdout.write('locked');
    setInterval(() => {}, 1000);`;
  const stdio: ('ignore' | 'pipe' | 'inherit')[] = ['ignore', 'pipe', 'inherit'];
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

test('a second process is refused and told the first one; the lock ends with SIGKILL of its holder', async (t) => {
  const cachePath = temporaryDirectory(t);
  const child = await lockInChild(t, cachePath);
  const named = { code: 'CACHE_LOCKED', message: new RegExp(`process ${child.pid}\\b`) };
  assert.throws(() => acquireCacheLock(cachePath), named);
  child.kill('SIGKILL');
  await once(child, 'exit');
  acquireCacheLock(cachePath).release();
});

test('the lock is exclusive within a process too, and free once released', (t) => {
  const cachePath = temporaryDirectory(t);
  const lock = acquireCacheLock(cachePath);
  assert.throws(() => acquireCacheLock(cachePath), { code: 'CACHE_LOCKED' });
  lock.release();
  lock.release();
  acquireCacheLock(cachePath).release();
});

test('children do not inherit the lock', async (t) => {
  const cachePath = temporaryDirectory(t);
  const lock = acquireCacheLock(cachePath);
  const child = spawn('sleep', ['60'], { stdio: 'ignore', detached: true });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  lock.release();
  acquireCacheLock(cachePath).release();
});

test('a directory that is not there is CACHE_NOT_WRITABLE', (t) => {
  const cachePath = join(temporaryDirectory(t), 'missing');
  assert.throws(() => acquireCacheLock(cachePath), { code: 'CACHE_NOT_WRITABLE' });
});

test('without flock(1) the error says what to install', (t) => {
  const cachePath = temporaryDirectory(t);
  const program = `
    import { acquireCacheLock } from ${JSON.stringify(new URL('../../src/store/cache/lock.js', import.meta.url).href)};
    try { acquireCacheLock(${JSON.stringify(cachePath)}); } catch (error) { process.stdout.write(error.hint); }`;
  // Only a mount namespace of its own is without it.
  const hide = 'mount --bind /dev/null "$(readlink -f "$(command -v flock)")" && exec "$@"';
  const node = [process.execPath, '--input-type=module', '-e', program];
  const { stdout } = spawnSync('unshare', ['--mount', 'sh', '-c', hide, 'sh', ...node], { encoding: 'utf8' });
  assert.match(stdout, /util-linux/);
});
