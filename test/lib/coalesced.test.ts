import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Coalesced } from '../../src/lib/coalesced.ts';
import { type Deferred, deferred } from '../../src/lib/deferred.ts';

/** Work that ends when the test says so. */
function rig(): { coalesced: Coalesced; runs: Deferred<void>[] } {
  const runs: Deferred<void>[] = [];
  const coalesced = new Coalesced(() => {
    const run = deferred<void>();
    runs.push(run);
    return run.promise;
  });
  return { coalesced, runs };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test('who comes while it runs shares the one run after it', async () => {
  const { coalesced, runs } = rig();
  const done: string[] = [];
  const asked = ['a', 'b', 'c'].map((who) => coalesced.run().then(() => done.push(who)));
  await settle();
  assert.equal(runs.length, 1);
  runs[0]?.resolve();
  await settle();
  assert.deepEqual([runs.length, done], [2, ['a']]);
  runs[1]?.resolve();
  await Promise.all(asked);
  assert.equal(runs.length, 2);
});

test('who comes while the second one runs gets a third', async () => {
  const { coalesced, runs } = rig();
  const first = coalesced.run();
  const second = coalesced.run();
  runs[0]?.resolve();
  await first;
  await settle();
  const third = coalesced.run();
  runs[1]?.resolve();
  await second;
  await settle();
  assert.equal(runs.length, 3);
  runs[2]?.resolve();
  await third;
});

test('a run that fails fails for those who asked for it, and not for the next ones', async () => {
  const { coalesced, runs } = rig();
  const first = coalesced.run();
  const second = coalesced.run();
  runs[0]?.reject(new Error('no'));
  await assert.rejects(first, /no/);
  await settle();
  runs[1]?.resolve();
  await second;
  const again = coalesced.run();
  runs[2]?.resolve();
  await again;
});
