import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { othersInMountNamespace } from '../../src/mount/namespace.ts';
import { childrenOf } from '../crash/support/processes.ts';
import { cleanUp } from '../support/cleanup.ts';

/** Says a line when it is there, and stays until its stdin ends. */
async function started(
  t: TestContext,
  command: string,
  ...args: string[]
): Promise<ChildProcess & { pid: number }> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  cleanUp(t, () => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child as ChildProcess & { pid: number };
}

const STAY = 'echo here; exec cat';

test('this process and its children do not count, and their children do', async (t) => {
  const child = await started(t, 'sh', '-c', STAY);
  const parent = await started(t, 'sh', '-c', `sh -c '${STAY}' && true`);
  const [grandchild = 0] = childrenOf(parent.pid);
  const others = await othersInMountNamespace();
  for (const pid of [process.pid, child.pid, parent.pid]) assert.ok(!others.includes(pid), `${pid} counts`);
  assert.ok(others.includes(grandchild), `${grandchild} does not count among ${others}`);
});

test('a mount namespace is empty once its last process has ended', async (t) => {
  const only = await started(
    t,
    'unshare',
    '--mount',
    'sh',
    '-c',
    `echo here; sh -c 'sh -c "exec cat"; true'; exec cat`,
  );
  assert.ok(!(await othersInMountNamespace()).includes(only.pid));
  const within = async () => othersInMountNamespace('/proc', only.pid);
  while ((await within()).length === 0) await new Promise(setImmediate);
  const [child = 0] = childrenOf(only.pid);
  const [grandchild = 0] = childrenOf(child);
  process.kill(child, 'SIGKILL');
  process.kill(grandchild, 'SIGKILL');
  while ((await within()).length > 0) await new Promise(setImmediate);
});
