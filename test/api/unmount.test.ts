import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { isRunning } from '../../src/api/process-watch.ts';
import { waitUntilGone } from '../../src/api/unmount.ts';

/** A process that says when it runs, and its id. */
async function running(t: TestContext, script: string): Promise<{ child: ChildProcess; pid: number }> {
  const child = spawn('sh', ['-c', `echo ready; ${script}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  assert.ok(child.pid !== undefined);
  return { child, pid: child.pid };
}

test('a process is running until it has ended', async (t) => {
  const { child, pid } = await running(t, 'exec sleep 60');
  assert.ok(isRunning(pid));
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.ok(!isRunning(pid));
});

test('a zombie is not running', async (t) => {
  const parent = spawn('sh', ['-c', 'sh -c "sleep 0.3" & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => parent.kill('SIGKILL'));
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const zombie = Number(line.toString());
  await waitUntilGone('zombie', { timeoutMs: 10_000, isGone: async () => !isRunning(zombie) });
  assert.doesNotThrow(() => process.kill(zombie, 0));
});

test('waiting ends when it is gone', async () => {
  let looks = 0;
  const isGone = async () => ++looks === 3;
  await waitUntilGone('/m', { timeoutMs: 0, isGone });
  assert.equal(looks, 3);
});

test('a mount that stays beyond the timeout is an error that says what to do', async () => {
  let nowMs = 0;
  const clock = { wallMs: () => 0, monotonicMs: () => (nowMs += 400) };
  await assert.rejects(waitUntilGone('/m', { timeoutMs: 1000, isGone: async () => false, clock }), {
    code: 'UNMOUNT_TIMEOUT',
    message: '/m is still mounted after 1 s',
    hint: /fuser -vm \/m/,
  });
});
