import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeaseLost } from '../../src/lease/held.ts';
import { identityInMemory } from '../../src/lease/identity.ts';
import { inboxName } from '../../src/lease/records/inbox.ts';
import { loaded, Rig, S } from './support.ts';

test('a restart on the same cache goes on as the same holder and costs one write', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  for (let index = 0; index < 20; index++) await a.leases.acquire(`u-+${index}`);
  await a.leases.end();
  rig.count();
  const again = await rig.mount('a', { identity: a.identity });
  for (let index = 0; index < 20; index++) {
    const { how, epoch, previousEpoch } = await again.leases.acquire(`u-+${index}`);
    assert.deepEqual([how, epoch, previousEpoch], ['already', 1, 1]);
  }
  assert.equal(rig.count().put, 1);
});

test('a restart answers a challenge', async (t) => {
  const rig = new Rig(t);
  const [a, b] = [await rig.mount('a'), await rig.mount('b')];
  await a.leases.acquire(S);
  await a.leases.end();
  b.leases.acquire(S).catch(() => {});
  await rig.clock.pass(80_000);
  const again = await rig.mount('a', { identity: a.identity });
  await again.leases.acquire(S);
  await rig.clock.pass(300_000);
  assert.equal(b.leases.holds(S), false);
  assert.equal((await again.leases.grant(S)).epoch, 1);
});

test('a mount that was condemned while it was away starts with a new id, and has its sessions back', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  await a.leases.acquire(S);
  await a.leases.end();
  const { id } = await loaded(a.identity);
  const metadata = { ...rig.bucket.objects.get(inboxName(id))?.metadata, condemned: '1' };
  rig.bucket.store(inboxName(id), Buffer.alloc(0), metadata);
  const again = await rig.mount('a', { identity: a.identity });
  assert.notEqual((await loaded(a.identity)).id, id);
  const { how, epoch } = await again.leases.acquire(S);
  assert.deepEqual([how, epoch], ['already', 1]);
  assert.equal(rig.owner()?.holder, (await loaded(a.identity)).id);
});

test('a daemon that takes over keeps id and nonce, and writes nothing', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  await a.leases.acquire(S);
  await a.leases.end();
  const before = await loaded(a.identity);
  rig.count();
  const next = await rig.mount('a', { identity: a.identity, takeover: true });
  await next.leases.acquire(S);
  assert.equal((await next.leases.grant(S)).epoch, 1);
  assert.deepEqual(rig.count(), { head: 2 });
  assert.deepEqual(await loaded(a.identity), before);
});

test('of a cache and its copy the one that started first is fenced: it writes nothing more and says so', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  await a.leases.acquire(S);
  const copied = identityInMemory();
  await copied.save(await loaded(a.identity));
  const waiting = a.leases.acquire('busy-+1');
  await waiting;
  const copy = await rig.mount('copy', { identity: copied });
  await copy.leases.acquire(S);
  await rig.clock.pass(31_000);
  assert.equal(a.leases.isFenced, true);
  assert.deepEqual(
    a.events.filter((event) => event.startsWith('lost') || event === 'fenced'),
    [`lost ${S} copy`, 'lost busy-+1 copy', 'fenced'],
  );
  assert.equal(a.lines.filter(({ level }) => level === 'error').length, 1);
  await assert.rejects(a.leases.grant(S), LeaseLost);
  await assert.rejects(a.leases.acquire('x-+1'), /another process runs as this mount: copy/);
  rig.count();
  await a.leases.release([S]);
  await rig.clock.pass(600_000);
  assert.equal(rig.count().put, undefined);
  assert.equal((await copy.leases.grant(S)).epoch, 1);
});

test('a daemon that takes over for one whose cache was copied meanwhile is fenced from the start', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  await a.leases.end();
  const copied = identityInMemory();
  await copied.save(await loaded(a.identity));
  await rig.mount('copy', { identity: copied });
  const next = await rig.mount('a', { identity: a.identity, takeover: true });
  assert.equal(next.leases.isFenced, true);
  assert.deepEqual(next.events, ['fenced']);
});

test('a daemon that takes over for one that died before its inbox stood begins a run', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  await a.leases.end();
  const known = await loaded(a.identity);
  await a.identity.save({ ...known, nonce: 'e'.repeat(32), started: false });
  const next = await rig.mount('a', { identity: a.identity, takeover: true });
  assert.equal(next.leases.isFenced, false);
  assert.equal((await next.leases.acquire(S)).how, 'created');
});
