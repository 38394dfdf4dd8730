/** Computers of the world `remote`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Machine, Process, runOn } from './platform/machine.ts';
import { Computer } from './remote/computer.ts';
import type { Daemon } from './remote/daemon.ts';
import { SimulatedStore } from './remote/store.ts';
import { Truth } from './remote/truth.ts';

for (const [first, second] of [
  ['hand over', 'stop'],
  ['stop', 'hand over'],
  ['hand over', 'hand over'],
] as const)
  test(`a daemon that is to ${first} does not hear that it is to ${second}, also before it has begun`, async () => {
    const machine = new Machine(1);
    runOn(machine);
    const heard: string[] = [];
    const hear = (what: string) => {
      heard.push(what);
      return new Promise<never>(() => {});
    };
    const computer = new Computer('m0', {
      machine,
      truth: new Truth(() => []),
      settings: {},
      storeOf: (name) => new SimulatedStore(machine, name, () => {}),
    });
    computer.daemon = {
      process: new Process('m0 d1'),
      state: 'serving',
      stop: () => hear('stop'),
      handOver: () => hear('hand over'),
    } as unknown as Daemon;
    const tell = { stop: () => computer.stop(() => {}), 'hand over': () => computer.reload() };
    assert.equal(computer.isServing, true);
    tell[first]();
    assert.equal(computer.isServing, false);
    tell[second]();
    while (await machine.step());
    assert.deepEqual(heard, [first]);
    runOn(undefined);
  });
