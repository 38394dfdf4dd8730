/** Events of the simulated machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Machine, Process } from './platform/machine.ts';

test('a process that is paused does everything late, in its order, also where a shorter pause came in between', async () => {
  const machine = new Machine(1);
  const process = new Process('m0 d1');
  const done: [string, number][] = [];
  const plan = (name: string, atMs: number) =>
    machine.schedule(atMs, () => done.push([name, machine.nowMs]), process);
  plan('second', 150);
  plan('first', 100);
  plan('third', 400);
  process.pauseUntil(300);
  machine.schedule(200, () => process.pauseUntil(250), null);
  while (await machine.step());
  assert.deepEqual(done, [
    ['first', 300],
    ['second', 300],
    ['third', 400],
  ]);
});
