import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mapLimit } from '../../src/lib/map-limit.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('every item is worked on once, never more than the limit at a time', async () => {
  const done: number[] = [];
  let running = 0;
  let most = 0;
  await mapLimit([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    most = Math.max(most, ++running);
    await turn();
    running--;
    done.push(item);
  });
  assert.deepEqual(done.sort(), [1, 2, 3, 4, 5, 6, 7]);
  assert.equal(most, 3);
});

test('the first failure ends it, after what was running has ended', async () => {
  let running = 0;
  const begun: number[] = [];
  const work = mapLimit([1, 2, 3, 4, 5, 6], 2, async (item) => {
    begun.push(item);
    running++;
    await turn();
    running--;
    if (item === 1) throw new Error('first');
  });
  await assert.rejects(work, { message: 'first' });
  assert.equal(running, 0);
  assert.ok(begun.length < 6);
});
