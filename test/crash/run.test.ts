/** `sessionfs run`: a mount for as long as a command runs. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { exitStatus } from '../../src/lib/errors.ts';
import { untilLogged } from '../mounted/log-lines.ts';
import { readTree } from '../mounted/session-files.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { mountAt } from '../support/mounts.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { childrenOf, daemonOf } from './support/processes.ts';
import { startRun, startShell } from './support/run-command.ts';

const KEY = '89abcdef01234567'.repeat(4);
const OLD_KEY = 'fedcba9876543210'.repeat(4);

for (const [what, script, code] of [
  ['its exit status', 'exit 7', 7],
  ['128 + n when signal n ended it', 'kill -TERM $$', 143],
] as const) {
  test(`run answers the status of the command: ${what}`, async (t) => {
    const run = await startShell(t, script);
    assert.deepEqual(await run.ended(), { code, signal: null }, run.process.log());
    assert.equal(mountAt(run.mountPoint), undefined);
  });
}

test('run answers 127 for a command that does not exist, and unmounts', async (t) => {
  const run = await startRun(t, ['sessionfs-no-such-command']);
  assert.equal((await run.ended()).code, 127, run.process.log());
  assert.match(run.process.log(), /"command":"sessionfs-no-such-command".*could not be started/);
  assert.equal(mountAt(run.mountPoint), undefined);
});

test('run answers 126 for a command that cannot be executed', async (t) => {
  const file = join(temporaryDirectory(t), 'not-executable');
  writeFileSync(file, 'text', { mode: 0o600 });
  const run = await startRun(t, [file]);
  assert.equal((await run.ended()).code, 126, run.process.log());
});

test('the command finds the mount, and all it wrote is flushed and unmounted after it', async (t) => {
  const script = 'mkdir u-+1 && echo "{}" > u-+1/creds.json && printf line > notes.txt';
  const run = await startShell(t, `cd "$DIR" && ${script}`, await placed(t));
  assert.equal((await run.ended()).code, 0, run.process.log());
  assert.equal(mountAt(run.mountPoint), undefined);
  assert.deepEqual(readdirSync(run.mountPoint), []);
  assert.deepEqual(readdirSync(join(`${run.mountPoint}.sealed`, 'journal')), []);
  const mounted = await mountSessionfs(t, { mountPoint: run.mountPoint });
  const tree = { 'notes.txt': 'line', 'u-+1/': '', 'u-+1/creds.json': '{}\n' };
  assert.deepEqual(readTree(run.mountPoint), tree);
  await mounted.unmount();
});

/** A mount point that the command knows as DIR. */
async function placed(t: TestContext): Promise<{ mountPoint: string; env: Record<string, string> }> {
  const mountPoint = join(temporaryDirectory(t), 'sessions');
  mkdirSync(mountPoint);
  return { mountPoint, env: { DIR: mountPoint } };
}

test('the command and the processes beside it never see the encryption key', async (t) => {
  const env = { SESSION_ENCRYPTION_KEY: KEY, SESSION_ENCRYPTION_KEYS_PREVIOUS: OLD_KEY, OTHER: 'seen' };
  const run = await startRun(t, ['env'], { env });
  assert.equal((await run.ended()).code, 0, run.process.log());
  assert.match(run.process.log(), /^OTHER=seen$/m);
  assert.doesNotMatch(run.process.log(), /SESSION_ENCRYPTION_KEY/);
  for (const key of [KEY, OLD_KEY]) assert.ok(!run.process.log().includes(key));
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1'] as const) {
  test(`${signal} is passed on, and the command decides how it ends`, async (t) => {
    const name = signal.slice(3);
    const script = `trap 'echo got ${name}; exit 5' ${name}; echo waiting; while :; do sleep 0.05; done`;
    const run = await startShell(t, script);
    await untilLogged(run.process, /waiting/);
    run.process.signal(signal);
    assert.equal((await run.ended()).code, 5, run.process.log());
    assert.match(run.process.log(), new RegExp(`^got ${name}$`, 'm'));
    assert.equal(mountAt(run.mountPoint), undefined);
  });
}

test('the command is not started when the mount cannot be made', async (t) => {
  const within = temporaryDirectory(t);
  const trace = join(within, 'started');
  const run = await startRun(t, ['touch', trace], { mountPoint: join(within, 'missing') });
  assert.equal((await run.ended()).code, exitStatus.MOUNT_POINT_MISSING, run.process.log());
  assert.ok(!existsSync(trace));
});

const AS_PID_1 = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];

test('as process 1, orphans are collected, and the status is the command’s', async (t) => {
  const orphans = 'for i in 1 2 3; do sh -c "sleep 0.1 & sleep 0.1 &"; done';
  const script = `${orphans}; sleep 1; cat /proc/[0-9]*/stat; echo "{}" > "$DIR/creds.json"; exit 9`;
  const run = await startShell(t, script, { ...(await placed(t)), under: AS_PID_1 });
  assert.equal((await run.ended()).code, 9, run.process.log());
  const processes = run.process.log().match(/^\d+ \(.*\) \S /gm) ?? [];
  assert.ok(processes.length >= 4, run.process.log());
  assert.deepEqual(
    processes.filter((line) => line.endsWith(' Z ')),
    [],
  );
  const mounted = await mountSessionfs(t, { mountPoint: run.mountPoint });
  assert.deepEqual(readTree(run.mountPoint), { 'creds.json': '{}\n' });
  await mounted.unmount();
});

test('as process 1, SIGTERM reaches the command', async (t) => {
  const script = 'trap "echo got it; exit 6" TERM; echo waiting; while :; do sleep 0.05; done';
  const run = await startShell(t, script, { under: AS_PID_1 });
  await untilLogged(run.process, /waiting/);
  const [first] = childrenOf(run.process.pid);
  assert.ok(first);
  process.kill(first, 'SIGTERM');
  assert.equal((await run.ended()).code, 6, run.process.log());
  assert.match(run.process.log(), /^got it$/m);
});

test('the command is ended before a mount that is lost for good is taken away', async (t) => {
  const look = 'grep -c " $DIR fuse.sessionfs " /proc/self/mounts';
  const script = `trap 'echo mounts: $(${look}); exit 0' TERM; echo waiting; while :; do sleep 0.05; done`;
  const run = await startShell(t, script, await placed(t));
  await untilLogged(run.process, /waiting/);
  const daemon = daemonOf(run.process.pid);
  assert.ok(daemon);
  const keyFile = `${run.mountPoint}.sealed.key`;
  assert.notEqual(readFileSync(keyFile, 'utf8'), KEY);
  writeFileSync(keyFile, KEY);
  process.kill(daemon, 'SIGKILL');
  assert.equal((await run.ended()).code, exitStatus.DAEMON_FAILED, run.process.log());
  assert.match(run.process.log(), /^mounts: 1$/m);
  assert.equal(mountAt(run.mountPoint), undefined);
});
