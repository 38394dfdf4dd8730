import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ByteBudget } from '../../src/lib/byte-budget.ts';
import { deferred } from '../../src/lib/deferred.ts';

test('work goes on as long as its bytes fit, in its order, and what is too large goes alone', async () => {
  const budget = new ByteBudget(10);
  const running = new Map<string, ReturnType<typeof deferred<void>>>();
  const all: Promise<unknown>[] = [];
  const start = (name: string, bytes: number) => {
    const work = async () => {
      const end = deferred<void>();
      running.set(name, end);
      await end.promise.finally(() => running.delete(name));
    };
    all.push(budget.run(bytes, work).catch(() => {}));
  };
  const isRunning = async (...names: string[]) => {
    await setImmediate();
    assert.deepEqual([...running.keys()].sort(), names);
  };
  for (const [name, bytes] of Object.entries({ a: 6, b: 4, c: 1, d: 99, e: 0 })) start(name, bytes);
  await isRunning('a', 'b');
  running.get('a')?.reject(new Error('it failed'));
  // The large one waits for both; the one behind it does not overtake it.
  await isRunning('b', 'c');
  running.get('b')?.resolve();
  running.get('c')?.resolve();
  await isRunning('d', 'e');
  running.get('d')?.resolve();
  running.get('e')?.resolve();
  await Promise.all(all);
});
