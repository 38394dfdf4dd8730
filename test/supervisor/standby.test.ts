import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cgroupLimits } from '../../src/lib/cgroup-limits.ts';
import { deferred } from '../../src/lib/deferred.ts';
import type { DaemonChild } from '../../src/supervisor/daemon-child.ts';
import { roomForStandby, Standby } from '../../src/supervisor/standby.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

const GIB = 2 ** 30;

class FakeChild {
  readonly #exited = deferred<void>();
  readonly exited = this.#exited.promise;
  signals: string[] = [];

  kill(signal: string): void {
    this.signals.push(signal);
    this.#exited.resolve();
  }
}

function standby(): { standby: Standby; spawned: FakeChild[] } {
  const spawned: FakeChild[] = [];
  const spawn = () => {
    const child = new FakeChild();
    spawned.push(child);
    return child as unknown as DaemonChild;
  };
  return { standby: new Standby(spawn, 0), spawned };
}

async function untilSpawned(spawned: FakeChild[], count: number): Promise<void> {
  await until(() => spawned.length >= count);
}

test('one process waits, is taken once, and the next comes when asked for', async () => {
  const { standby: waiting, spawned } = standby();
  assert.equal(waiting.take(), undefined);
  waiting.prepare();
  waiting.prepare();
  await untilSpawned(spawned, 1);
  waiting.prepare();
  await sleep(5);
  assert.equal(spawned.length, 1);
  assert.equal(waiting.take(), spawned[0]);
  assert.equal(waiting.take(), undefined);
  waiting.prepare();
  await untilSpawned(spawned, 2);
  await waiting.discard();
  assert.deepEqual([spawned[0]?.signals, spawned[1]?.signals], [[], ['SIGKILL']]);
  assert.equal(waiting.take(), undefined);
});

test('one that has died is not taken, and one that was not started yet never is', async () => {
  const { standby: waiting, spawned } = standby();
  waiting.prepare();
  await untilSpawned(spawned, 1);
  spawned[0]?.kill('SIGKILL');
  await sleep(1);
  assert.equal(waiting.take(), undefined);
  waiting.prepare();
  await waiting.discard();
  await sleep(5);
  assert.equal(spawned.length, 1);
});

test('there is room from 512 MiB and 100 tasks on', () => {
  const infinite = Number.POSITIVE_INFINITY;
  assert.equal(roomForStandby({ memoryBytes: infinite, tasks: infinite }), true);
  assert.equal(roomForStandby({ memoryBytes: GIB / 2, tasks: 100 }), true);
  assert.equal(roomForStandby({ memoryBytes: GIB / 2 - 1, tasks: 100 }), false);
  assert.equal(roomForStandby({ memoryBytes: GIB, tasks: 99 }), false);
});

test('the lowest limit of the group and those above it counts, in both versions of control groups', (t) => {
  const root = temporaryDirectory(t);
  const write = (path: string, text: string) => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const limits = (groups: string) => {
    write('groups', groups);
    return cgroupLimits(join(root, 'groups'), root);
  };
  write('pod/memory.max', `${GIB}\n`);
  write('pod/box/memory.max', 'max\n');
  write('pod/box/pids.max', '50\n');
  assert.deepEqual(limits('0::/pod/box\n'), { memoryBytes: GIB, tasks: 50 });
  assert.deepEqual(limits('0::/elsewhere\n'), { memoryBytes: Infinity, tasks: Infinity });
  write('memory/job/memory.limit_in_bytes', '1048576\n');
  write('pids/job/pids.max', '20\n');
  assert.deepEqual(limits('8:pids:/job\n4:cpu,memory:/job\n0::/\n'), { memoryBytes: 1048576, tasks: 20 });
  assert.deepEqual(cgroupLimits(join(root, 'none'), root), { memoryBytes: Infinity, tasks: Infinity });
});
