import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCli } from '../cli/run-cli.ts';
import { cleanUp } from '../support/cleanup.ts';
import { type Mounted, mountSessionfs } from '../support/mount-sessionfs.ts';
import { mountAt } from '../support/mounts.ts';
import { ELSEWHERE } from '../support/stopped.ts';
import { logLines, untilLogged, untilStarted } from './log-lines.ts';
import { traces } from './refused-start.ts';
import { readTree, sessionTree, type Tree, writeTree } from './session-files.ts';
import { Succession } from './support/succession.ts';

const SESSIONS = 12;
const succession = new Succession();

interface Used {
  readonly mounted: Mounted;
  readonly tree: Tree;
}

/** What applications wrote a moment ago: new sessions in place of those that were there, and a plain file that was never committed by a rest or an fsync. */
async function usedMount(t: TestContext): Promise<Used> {
  const mounted = await succession.take();
  const { mountPoint } = mounted;
  for (const name of readdirSync(mountPoint)) rmSync(join(mountPoint, name), { recursive: true });
  const sessions = Array.from({ length: SESSIONS }, (_, index) =>
    sessionTree(`user${index}-+1555${index}`, `${t.name}, ${index}`),
  );
  writeTree(mountPoint, Object.assign({ 'notes.txt': `${t.name}\n` }, ...sessions));
  return { mounted, tree: readTree(mountPoint) };
}

/** The daemon has ended with 0 and left nothing but a cache in which all of `tree` is, also for the next mount. */
async function assertEndedWell({ mounted, tree }: Used): Promise<void> {
  assert.deepEqual(await mounted.exited(), { code: 0, signal: null }, mounted.log());
  assert.equal(mountAt(mounted.mountPoint), undefined);
  assert.deepEqual(readdirSync(mounted.mountPoint), []);
  assert.deepEqual(readdirSync(join(`${mounted.mountPoint}.sealed`, 'journal')), [], mounted.log());
  await succession.follow(mounted, async (next) => {
    assert.deepEqual(readTree(next.mountPoint), tree);
    await untilStarted(next);
    assert.doesNotMatch(next.log(), /Went on with the journal/);
  });
}

/** A process that works in the mount and has a file of it open; answers its id. */
async function startHolder(t: TestContext, { mounted }: Used): Promise<number> {
  const script = 'cd "$1" && exec 3<creds.json && echo ready && exec sleep 600';
  const holder = spawn('sh', ['-c', script, 'sh', join(mounted.mountPoint, 'user1-+15551')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanUp(t, () => void holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  return holder.pid ?? -1;
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} writes everything to the cache, unmounts and exits with 0`, async (t) => {
    const used = await usedMount(t);
    const { mounted } = used;
    mounted.signal(signal);
    await assertEndedWell(used);
    const stopped = logLines(mounted.log()).find(({ msg }) => msg === 'Mount stopped');
    const expected = ELSEWHERE.test(mounted.log()) ? ['warn', 0, true] : ['info', 0, false];
    assert.deepEqual([stopped?.level, stopped?.dirty, stopped?.lazy], expected, mounted.log());
  });
}

test('a mount in use is unmounted lazily, and the log names the process that holds it', async (t) => {
  const used = await usedMount(t);
  const { mounted } = used;
  const holder = await startHolder(t, used);
  mounted.signal('SIGTERM');
  await assertEndedWell(used);
  const warning = logLines(mounted.log()).find(({ msg }) => /unmounted lazily/.test(msg));
  assert.deepEqual([warning?.level, warning?.holders], ['warn', [`${holder} (sleep)`]]);
});

test('further signals during the shutdown lose nothing', async (t) => {
  const used = await usedMount(t);
  const { mounted } = used;
  // The shutdown waits a while for who holds the mount: time for the other signals.
  await startHolder(t, used);
  mounted.signal('SIGTERM');
  await untilLogged(mounted, /"msg":"Stopping"/);
  mounted.signal('SIGTERM');
  await untilLogged(mounted, /"signal":"SIGTERM","msg":"still finishing/);
  mounted.signal('SIGINT');
  await assertEndedWell(used);
  assert.match(mounted.log(), /"signal":"SIGINT","msg":"still finishing/);
});

test('umount(8) ends the daemon as a signal does', async (t) => {
  const used = await usedMount(t);
  const { mounted } = used;
  assert.equal(spawnSync('umount', [mounted.mountPoint]).status, 0);
  await assertEndedWell(used);
});

test('umount(8) of a mount in use ends the daemon when its last user has gone', async (t) => {
  const used = await usedMount(t);
  const { mounted } = used;
  const holder = await startHolder(t, used);
  assert.equal(spawnSync('umount', ['--lazy', mounted.mountPoint]).status, 0);
  process.kill(holder, 'SIGKILL');
  await assertEndedWell(used);
});

test('a mount that was unmounted lazily is ended by a signal, no matter which process still holds it', async (t) => {
  const used = await usedMount(t);
  const { mounted } = used;
  await startHolder(t, used);
  assert.equal(spawnSync('umount', ['--lazy', mounted.mountPoint]).status, 0);
  mounted.signal('SIGTERM');
  await assertEndedWell(used);
});

test('a daemon whose mount was taken away leaves alone what is mounted there now', async (t) => {
  const used = await usedMount(t);
  const old = used.mounted;
  await startHolder(t, used);
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
  const used = await usedMount(t);
  const { mounted } = used;
  const { status, stdout, stderr } = runCli(['unmount', mounted.mountPoint]);
  assert.deepEqual([status, stderr], [0, '']);
  assert.equal(stdout, `sessionfs: ${mounted.mountPoint} is unmounted\n`);
  assert.deepEqual(traces(join(mounted.mountPoint, '..')), []);
  await assertEndedWell(used);
});

test('a mount of which another mount namespace has a copy is ended everywhere', async (t) => {
  const used = await usedMount(t);
  const { mounted } = used;
  const script = `echo here; read -r line; stat -f "$0"`;
  const elsewhere = spawn('unshare', ['--mount', 'sh', '-c', script, mounted.mountPoint], { stdio: 'pipe' });
  cleanUp(t, () => void elsewhere.kill('SIGKILL'));
  let said = '';
  elsewhere.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await once(elsewhere.stdout, 'data');
  mounted.signal('SIGTERM');
  await assertEndedWell(used);
  assert.match(mounted.log(), ELSEWHERE);
  elsewhere.stdin.end('look\n');
  await once(elsewhere, 'close');
  assert.match(said, /Transport endpoint is not connected/);
});
