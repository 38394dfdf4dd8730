/** Waits for a session that end before this mount has it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Abandoned } from '../../src/lease/held.ts';
import { Rig, S, settle } from './support.ts';

test('an abandoned wait asks nothing any more, and leaves the session to a mount that wants it', async (t) => {
  const rig = new Rig(t);
  const [a, b] = [await rig.mount('a'), await rig.mount('b')];
  await a.leases.acquire(S);
  const waiting = b.leases.acquire(S);
  await rig.clock.pass(10_000);
  assert.equal(b.leases.waiting.length, 1);
  b.leases.abandon(S);
  await assert.rejects(waiting, Abandoned);
  assert.deepEqual(b.leases.waiting, []);
  await a.leases.release([S]);
  rig.count();
  await rig.clock.pass(600_000);
  assert.deepEqual(rig.count(), {});
  assert.equal(b.leases.holds(S), false);
  assert.equal((await b.leases.acquire(S)).how, 'released');
});

test('an abandoned wait that has not had its turn asks nothing', async (t) => {
  const rig = new Rig(t);
  const way = rig.way();
  const a = await rig.mount('a', {}, way);
  let letGo = () => {};
  const answers = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let asked = 0;
  way.before = async ({ operation }) => {
    if (operation === 'head') asked++;
    await answers;
  };
  const all = Array.from({ length: 100 }, (_, index) => a.leases.acquire(`u${index}-+1`));
  const settled = Promise.allSettled(all);
  await settle();
  const underWay = asked;
  assert.ok(underWay > 0 && underWay < all.length, String(underWay));
  const stopped = a.leases.stopAcquiring();
  letGo();
  await stopped;
  const got = (await settled).filter(({ status }) => status === 'fulfilled');
  assert.deepEqual([asked, got.length, a.leases.held.length], [underWay, underWay, underWay]);
});

test('what an abandoned wait got all the same is held, and can be released: no caller waits for a mount that has ended', async (t) => {
  const rig = new Rig(t);
  const way = rig.way();
  const [a, b] = [await rig.mount('a', {}, way), await rig.mount('b')];
  let acquired = a.leases.acquire(S);
  let stopped = Promise.resolve();
  way.before = ({ operation }) => {
    if (operation === 'put') stopped = a.leases.stopAcquiring();
  };
  assert.equal((await acquired).how, 'created');
  await stopped;
  assert.deepEqual(a.leases.held, [S]);
  await a.leases.release(a.leases.held);
  assert.equal((await b.leases.acquire(S)).how, 'released');
  // One that is waiting for b.
  acquired = a.leases.acquire(S);
  acquired.catch(() => {});
  await rig.clock.pass(5_000);
  await a.leases.stopAcquiring();
  await assert.rejects(acquired, Abandoned);
  assert.deepEqual(a.leases.held, []);
});

test('a wait that is cancelled ends at once, also in the middle of a request', async (t) => {
  const rig = new Rig(t);
  const way = rig.way();
  const abort = new AbortController();
  const [a, b] = [await rig.mount('a'), await rig.mount('b', { signal: abort.signal }, way)];
  await a.leases.acquire(S);
  const sleeping = b.leases.acquire(S);
  await settle();
  way.before = () => new Promise(() => {});
  const asking = b.leases.acquire('v-+2');
  await settle();
  abort.abort();
  await assert.rejects(sleeping, /the mount ends/);
  await assert.rejects(asking, /the mount ends/);
  await assert.rejects(b.leases.acquire('w-+3'), /the mount ends/);
  assert.deepEqual(b.leases.waiting, []);
});
