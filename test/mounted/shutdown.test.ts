import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCli } from '../cli/run-cli.ts';
import { cleanUp } from '../support/cleanup.ts';
import { type Mounted, mountSessionfs } from '../support/mount-sessionfs.ts';
import { mountAt } from '../support/mounts.ts';
import { logLines, untilLogged } from './log-lines.ts';
import { traces } from './refused-start.ts';
import { readTree, sessionTree, type Tree, writeTree } from './session-files.ts';

const SESSIONS = 40;

/** What applications wrote a moment ago: sessions, and a plain file that was never committed by a rest or an fsync. */
function writeMuch(mountPoint: string): Tree {
  const sessions = Array.from({ length: SESSIONS }, (_, index) => sessionTree(`user${index}-+1555${index}`));
  const tree: Tree = Object.assign({ 'notes.txt': 'a line\n' }, ...sessions);
  writeTree(mountPoint, tree);
  return readTree(mountPoint);
}

/** The daemon has ended with 0 and left nothing but a cache in which all of `tree` is, also for the next mount. */
async function assertEndedWell(t: TestContext, mounted: Mounted, tree: Tree): Promise<void> {
  assert.deepEqual(await mounted.exited(), { code: 0, signal: null }, mounted.log());
  assert.equal(mountAt(mounted.mountPoint), undefined);
  assert.deepEqual(readdirSync(mounted.mountPoint), []);
  assert.deepEqual(readdirSync(join(`${mounted.mountPoint}.sealed`, 'journal')), [], mounted.log());
  const next = await mountSessionfs(t, { mountPoint: mounted.mountPoint });
  assert.deepEqual(readTree(next.mountPoint), tree);
  await next.unmount();
  assert.doesNotMatch(next.log(), /Replayed the journal/);
}

/** A process that works in the mount and has a file of it open; answers its id. */
async function startHolder(t: TestContext, mountPoint: string): Promise<number> {
  const script = 'cd "$1" && exec 3<creds.json && echo ready && exec sleep 600';
  const holder = spawn('sh', ['-c', script, 'sh', join(mountPoint, 'user1-+15551')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanUp(t, () => void holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  return holder.pid ?? -1;
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} writes everything to the cache, unmounts and exits with 0`, async (t) => {
    const mounted = await mountSessionfs(t);
    const tree = writeMuch(mounted.mountPoint);
    mounted.signal(signal);
    await assertEndedWell(t, mounted, tree);
    const stopped = logLines(mounted.log()).find(({ msg }) => msg === 'Mount stopped');
    assert.deepEqual([stopped?.level, stopped?.dirty, stopped?.lazy], ['info', 0, false]);
  });
}

test('a mount in use is unmounted lazily, and the log names the process that holds it', async (t) => {
  const mounted = await mountSessionfs(t);
  const tree = writeMuch(mounted.mountPoint);
  const holder = await startHolder(t, mounted.mountPoint);
  mounted.signal('SIGTERM');
  await assertEndedWell(t, mounted, tree);
  const warning = logLines(mounted.log()).find(({ msg }) => /unmounted lazily/.test(msg));
  assert.deepEqual([warning?.level, warning?.holders], ['warn', [`${holder} (sleep)`]]);
});

test('further signals during the shutdown lose nothing', async (t) => {
  const mounted = await mountSessionfs(t);
  const tree = writeMuch(mounted.mountPoint);
  // The shutdown waits a while for who holds the mount: time for the other signals.
  await startHolder(t, mounted.mountPoint);
  mounted.signal('SIGTERM');
  await untilLogged(mounted, /"msg":"Stopping"/);
  mounted.signal('SIGTERM');
  await untilLogged(mounted, /"signal":"SIGTERM","msg":"still finishing/);
  mounted.signal('SIGINT');
  await assertEndedWell(t, mounted, tree);
  assert.match(mounted.log(), /"signal":"SIGINT","msg":"still finishing/);
});

test('umount(8) ends the daemon as a signal does', async (t) => {
  const mounted = await mountSessionfs(t);
  const tree = writeMuch(mounted.mountPoint);
  assert.equal(spawnSync('umount', [mounted.mountPoint]).status, 0);
  await assertEndedWell(t, mounted, tree);
});

test('umount(8) of a mount in use ends the daemon when its last user has gone', async (t) => {
  const mounted = await mountSessionfs(t);
  const tree = writeMuch(mounted.mountPoint);
  const holder = await startHolder(t, mounted.mountPoint);
  assert.equal(spawnSync('umount', ['--lazy', mounted.mountPoint]).status, 0);
  process.kill(holder, 'SIGKILL');
  await assertEndedWell(t, mounted, tree);
});

test('a mount that was unmounted lazily is ended by a signal, no matter which process still holds it', async (t) => {
  const mounted = await mountSessionfs(t);
  const tree = writeMuch(mounted.mountPoint);
  await startHolder(t, mounted.mountPoint);
  assert.equal(spawnSync('umount', ['--lazy', mounted.mountPoint]).status, 0);
  mounted.signal('SIGTERM');
  await assertEndedWell(t, mounted, tree);
});

test('a daemon whose mount was taken away leaves alone what is mounted there now', async (t) => {
  const old = await mountSessionfs(t);
  writeMuch(old.mountPoint);
  await startHolder(t, old.mountPoint);
  assert.equal(spawnSync('umount', ['--lazy', old.mountPoint]).status, 0);
  const args = ['--cache-path', `${old.mountPoint}.other`];
  const young = await mountSessionfs(t, { mountPoint: old.mountPoint, args });
  writeTree(young.mountPoint, sessionTree('user1-+15551'));
  old.signal('SIGTERM');
  assert.deepEqual(await old.exited(), { code: 0, signal: null }, old.log());
  assert.deepEqual(readTree(young.mountPoint), sessionTree('user1-+15551'));
  await young.unmount();
});

test('sessionfs unmount returns when everything is in the cache and the daemon gone', async (t) => {
  const mounted = await mountSessionfs(t);
  const tree = writeMuch(mounted.mountPoint);
  const { status, stdout, stderr } = runCli(['unmount', mounted.mountPoint]);
  assert.deepEqual([status, stderr], [0, '']);
  assert.equal(stdout, `sessionfs: ${mounted.mountPoint} is unmounted\n`);
  assert.deepEqual(traces(join(mounted.mountPoint, '..')), []);
  await assertEndedWell(t, mounted, tree);
});

test('a mount of which another mount namespace has a copy is ended everywhere', async (t) => {
  const mounted = await mountSessionfs(t);
  const tree = writeMuch(mounted.mountPoint);
  const script = `echo here; read -r line; stat -f "$0"`;
  const elsewhere = spawn('unshare', ['--mount', 'sh', '-c', script, mounted.mountPoint], { stdio: 'pipe' });
  cleanUp(t, () => void elsewhere.kill('SIGKILL'));
  let said = '';
  elsewhere.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await once(elsewhere.stdout, 'data');
  mounted.signal('SIGTERM');
  await assertEndedWell(t, mounted, tree);
  assert.match(mounted.log(), /Another mount namespace still has the mount; it is ended there as well/);
  elsewhere.stdin.end('look\n');
  await once(elsewhere, 'close');
  assert.match(said, /Transport endpoint is not connected/);
});
