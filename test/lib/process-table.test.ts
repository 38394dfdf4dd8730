import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { isAlive, processOfThread } from '../../src/lib/process-table.ts';

test('a thread is found with its process, and no argument beyond the first is told', async () => {
  const own = processOfThread(process.pid);
  assert.equal(own?.pid, process.pid);
  for (const thread of readdirSync('/proc/self/task')) assert.deepEqual(processOfThread(Number(thread)), own);
  const shell = spawn('sh', ['-c', 'read secret; exit', 'sh', 'secret'], { stdio: 'pipe' });
  await once(shell, 'spawn');
  const found = processOfThread(shell.pid ?? -1);
  assert.equal(found?.command, 'sh');
  assert.ok(found !== undefined && isAlive(found));
  assert.ok(!isAlive({ ...found, startTime: '1' }), 'another process that has its number');
  shell.kill('SIGKILL');
  await once(shell, 'exit');
  assert.ok(!isAlive(found));
  assert.equal(processOfThread(shell.pid ?? -1), undefined);
});

test('what cannot be seen is told as far as it is known', () => {
  const unseen = processOfThread(0);
  assert.equal(unseen?.pid, 0);
  assert.ok(unseen !== undefined && isAlive(unseen));
  assert.equal(processOfThread(process.pid, '/nowhere'), undefined);
});
