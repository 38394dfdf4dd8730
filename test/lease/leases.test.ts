import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { LeaseLost } from '../../src/lease/held.ts';
import { identityInMemory } from '../../src/lease/identity.ts';
import { inboxName, MOUNTS_PREFIX } from '../../src/lease/records/inbox.ts';
import { ownerName } from '../../src/lease/records/owner.ts';
import { cut, loaded, type Mounted, mend, Rig, S, settle, TIMES } from './support.ts';

test('a session without an owner is created, and a grant lasts from when the renewal was sent', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  const held = await a.leases.acquire(S);
  assert.deepEqual(held, {
    session: S,
    epoch: 1,
    previousEpoch: 0,
    floor: 0,
    refresh: false,
    how: 'created',
  });
  assert.equal(a.leases.holds(S), true);
  const sentMs = rig.clock.nowMs;
  await rig.clock.pass(29_000);
  assert.equal((await a.leases.grant(S)).deadlineMs, sentMs + 60_000);
  assert.equal((await a.leases.acquire(S)).how, 'already');
});

test('a grant counts from when its request was sent, however long the answer takes: a read of the inbox, and an answer to a challenge', async (t) => {
  const rig = new Rig(t);
  const [a, b] = [await rig.mount('a'), await rig.mount('b')];
  await a.leases.acquire(S);
  const way = rig.bucket;
  const slowly = (operation: string, ms: number) => {
    way.before = (call) => {
      if (call.operation === operation) rig.clock.nowMs += ms;
    };
  };
  rig.clock.nowMs += 40_000;
  let sentMs = rig.clock.nowMs;
  slowly('head', 20_000);
  assert.equal((await a.leases.grant(S)).deadlineMs, sentMs + 60_000);
  slowly('none', 0);
  b.leases.acquire(S).catch(() => {});
  await settle();
  assert.notEqual((await rig.inbox(a))?.challenge, '-');
  rig.clock.nowMs += 40_000;
  sentMs = rig.clock.nowMs;
  slowly('put', 20_000);
  assert.equal((await a.leases.grant(S)).deadlineMs, sentMs + 60_000);
  slowly('head', 70_000);
  rig.clock.nowMs += 40_000;
  await assert.rejects(a.leases.grant(S), { kind: 'unreachable' });
});

test('a challenge counts from when it was known to be there', async (t) => {
  const rig = new Rig(t);
  const [a, b] = [await rig.mount('a'), await rig.mount('b')];
  await a.leases.acquire(S);
  await a.leases.end();
  rig.bucket.before = ({ operation }) => {
    if (operation === 'put') rig.clock.nowMs += 50_000;
  };
  b.leases.acquire(S).catch(() => {});
  await settle();
  rig.bucket.before = () => {};
  await rig.clock.pass(89_000);
  assert.equal(b.leases.holds(S), false);
  await rig.clock.pass(12_000);
  assert.equal(b.leases.holds(S), true);
});

test('a grant claims a session that no mount holds, and renews first if the last renewal is old', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  await rig.clock.pass(600_000);
  rig.count();
  const { epoch, deadlineMs } = await a.leases.grant(S);
  assert.deepEqual([epoch, deadlineMs], [1, rig.clock.nowMs + 60_000]);
  assert.deepEqual(rig.count(), { head: 2, put: 1 });
});

test('an hour of holding 100 sessions costs 120 reads, and no class A operation', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  for (let index = 0; index < 100; index++) await a.leases.acquire(`u-+${index}`);
  rig.count();
  for (let second = 0; second < 3600; second += 5) {
    await rig.clock.pass(5_000);
    await a.leases.grant(`u-+${second % 100}`);
  }
  assert.deepEqual(rig.count(), { head: 120 });
});

test('a mount that holds nothing asks nothing', async (t) => {
  const rig = new Rig(t);
  await rig.mount('a');
  await settle();
  rig.count();
  await rig.clock.pass(3_600_000);
  assert.deepEqual(rig.count(), {});
});

test('a release hands over within one poll, cleanly; the old holder is told who has it', async (t) => {
  const rig = new Rig(t);
  const [a, b] = [await rig.mount('a'), await rig.mount('b')];
  await a.leases.acquire(S);
  const waiting = b.leases.acquire(S);
  await rig.clock.pass(61_000);
  assert.equal(b.leases.holderOf(S), 'a');
  assert.deepEqual(b.leases.waiting, [{ session: S, holder: 'a', waitedMs: 61_000 }]);
  assert.deepEqual(b.events, [`waiting ${S} a 0`, `waiting ${S} a 30000`, `waiting ${S} a 60000`]);
  const told = b.lines.filter(({ msg }) => msg === 'Another mount holds the session; its callers wait');
  assert.deepEqual(
    told.map(({ level, session, holder, waitedMs }) => [level, session, holder, waitedMs]),
    [0, 30_000, 60_000].map((ms) => ['warn', S, 'a', ms]),
  );
  await a.leases.release([S]);
  await rig.clock.pass(10_000);
  assert.deepEqual(await waiting, {
    session: S,
    epoch: 2,
    previousEpoch: 1,
    floor: 0,
    refresh: false,
    how: 'released',
  });
  assert.equal(b.leases.holderOf(S), undefined);
  assert.equal(a.leases.holds(S), false);
  await assert.rejects(a.leases.grant(S), (error: unknown) => {
    assert.ok(error instanceof LeaseLost);
    assert.deepEqual([error.session, error.holder, error.epoch], [S, 'b', 2]);
    return true;
  });
  await a.leases.release([S]);
  assert.equal((await b.leases.grant(S)).epoch, 2);
});

test('a holder that lives answers each challenge and keeps the session', async (t) => {
  const rig = new Rig(t);
  const [a, b] = [await rig.mount('a'), await rig.mount('b')];
  await a.leases.acquire(S);
  const waiting = b.leases.acquire(S);
  for (let minute = 0; minute < 20; minute++) {
    await rig.clock.pass(60_000);
    assert.equal((await a.leases.grant(S)).epoch, 1);
  }
  assert.deepEqual(a.events, [`acquired ${S} created 1`]);
  await b.leases.end();
  await assert.rejects(waiting, /the mount ends/);
});

test('a dead holder is replaced after 90 s, uncleanly; then the floor is raised', async (t) => {
  const rig = new Rig(t);
  const [a, b] = [await rig.mount('a'), await rig.mount('b')];
  await a.leases.acquire(S);
  await a.leases.end();
  const waiting = b.leases.acquire(S);
  await rig.clock.pass(89_000);
  assert.equal(b.leases.holds(S), false);
  await rig.clock.pass(12_000);
  assert.deepEqual(await waiting, {
    session: S,
    epoch: 2,
    previousEpoch: 1,
    floor: 0,
    refresh: true,
    how: 'taken-over',
  });
  await assert.rejects(b.leases.floorRaised(S, 1), LeaseLost);
  await b.leases.floorRaised(S, 2);
  const { epoch, floor, refresh } = await b.leases.grant(S);
  assert.deepEqual([epoch, floor, refresh], [2, 2, false]);
  assert.deepEqual([rig.owner()?.floor, rig.owner()?.refresh], ['2', '0']);
});

test('a holder that says it writes for longer after a renewal is given longer', async (t) => {
  const rig = new Rig(t);
  const slow = { ...TIMES, grantMs: 200_000, takeOverMs: 300_000 };
  const [a, b] = [await rig.mount('a', { times: slow }), await rig.mount('b')];
  await a.leases.acquire(S);
  await a.leases.end();
  const waiting = b.leases.acquire(S);
  await rig.clock.pass(299_000);
  assert.equal(b.leases.holds(S), false);
  await rig.clock.pass(15_000);
  assert.equal((await waiting).how, 'taken-over');
});

test('of two contenders for a dead holder one has the session, and the other waits for it', async (t) => {
  const rig = new Rig(t);
  const [a, b, c] = [await rig.mount('a'), await rig.mount('b'), await rig.mount('c')];
  await a.leases.acquire(S);
  await a.leases.end();
  const won: string[] = [];
  for (const [name, { leases }] of [
    ['b', b],
    ['c', c],
  ] as const)
    void leases.acquire(S).then(
      ({ epoch }) => won.push(`${name} ${epoch}`),
      () => {},
    );
  await rig.clock.pass(300_000);
  assert.equal(won.length, 1);
  assert.equal(rig.owner()?.epoch, '2');
  const [winner, loser] = won[0] === 'b 2' ? [b, c] : [c, b];
  assert.equal(loser.leases.waiting[0]?.holder, won[0]?.charAt(0));
  assert.equal((await winner.leases.grant(S)).epoch, 2);
});

test('a holder that was cut off loses the session to a contender, and learns it at its next renewal', async (t) => {
  const rig = new Rig(t);
  const way = rig.way();
  const [a, b] = [await rig.mount('a', {}, way), await rig.mount('b')];
  await a.leases.acquire(S);
  cut(way);
  const waiting = b.leases.acquire(S);
  await rig.clock.pass(61_000);
  await assert.rejects(a.leases.grant(S), { kind: 'unreachable' });
  await rig.clock.pass(60_000);
  assert.equal((await waiting).epoch, 2);
  const before = (await loaded(a.identity)).id;
  mend(way);
  await rig.clock.pass(30_000);
  assert.deepEqual(a.events.slice(1), [`lost ${S} b`]);
  assert.equal(a.leases.holds(S), false);
  assert.deepEqual((await loaded(a.identity)).former, [before]);
  await assert.rejects(a.leases.grant(S), LeaseLost);
});

test('a holder that finds itself condemned goes on under a new id where no mount took the session', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  await a.leases.acquire(S);
  const name = inboxName((await loaded(a.identity)).id);
  rig.bucket.store(name, Buffer.alloc(0), { ...rig.bucket.objects.get(name)?.metadata, condemned: '1' });
  await rig.clock.pass(31_000);
  assert.notEqual(inboxName((await loaded(a.identity)).id), name);
  assert.equal(rig.owner()?.holder, (await loaded(a.identity)).id);
  assert.equal((await a.leases.grant(S)).epoch, 1);
  assert.deepEqual(a.events, [`acquired ${S} created 1`]);
});

test('a session that could not be claimed under the new id at once is claimed after the next renewal', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  await a.leases.acquire(S);
  rig.bucket.objects.delete(inboxName((await loaded(a.identity)).id));
  rig.bucket.before = ({ operation, name }) => {
    if (operation === 'put' && name === ownerName(S)) throw new BucketError('unreachable', 'no answer');
  };
  await rig.clock.pass(31_000);
  rig.bucket.before = () => {};
  assert.notEqual(rig.owner()?.holder, (await loaded(a.identity)).id);
  await rig.clock.pass(31_000);
  assert.equal(rig.owner()?.holder, (await loaded(a.identity)).id);
});

test('a deleted inbox is never made again: the mount goes on under a new id', async (t) => {
  const rig = new Rig(t);
  const [a, b] = [await rig.mount('a'), await rig.mount('b')];
  await a.leases.acquire(S);
  const name = inboxName((await loaded(a.identity)).id);
  rig.bucket.objects.delete(name);
  const waiting = b.leases.acquire(S);
  waiting.catch(() => {});
  await settle();
  assert.equal(rig.bucket.objects.get(name)?.metadata.start, '-');
  await rig.clock.pass(400_000);
  assert.equal(rig.owner()?.holder, (await loaded(a.identity)).id);
  assert.equal((await a.leases.grant(S)).epoch, 1);
  assert.equal(b.leases.holds(S), false);
});

test('verify tells whether a session is still held, and drops it if not', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  await a.leases.acquire(S);
  assert.equal(await a.leases.verify(S), true);
  const stolen = { ...rig.owner(), holder: 'f'.repeat(32), name: 'z', epoch: '2' };
  rig.bucket.store(ownerName(S), Buffer.alloc(0), stolen);
  assert.equal(await a.leases.verify(S), false);
  assert.deepEqual(a.events.slice(1), [`lost ${S} z`]);
});

test('an unsettled release tells the next holder to store everything again', async (t) => {
  const rig = new Rig(t);
  const [a, b] = [await rig.mount('a'), await rig.mount('b')];
  await a.leases.acquire(S);
  await a.leases.release([S], new Set([S]));
  assert.deepEqual(await b.leases.acquire(S), {
    session: S,
    epoch: 2,
    previousEpoch: 1,
    floor: 0,
    refresh: true,
    how: 'released',
  });
});

test('a release whose answer is lost never takes effect after the session was acquired again', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  await a.leases.acquire(S);
  const { generation } = rig.bucket.objects.get(ownerName(S)) ?? { generation: '' };
  rig.bucket.before = ({ operation }) => {
    if (operation === 'put') throw new BucketError('unreachable', 'no answer');
  };
  await a.leases.release([S]);
  rig.bucket.before = () => {};
  assert.deepEqual((await loaded(a.identity)).releasing, [S]);
  await a.leases.end();
  // The same mount, after a restart: one more version, so that the release fails when it arrives.
  const again = await rig.mount('a', { identity: a.identity });
  assert.equal((await again.leases.acquire(S)).how, 'already');
  assert.notEqual(rig.bucket.objects.get(ownerName(S))?.generation, generation);
  await assert.rejects(
    rig.bucket.put(ownerName(S), Buffer.alloc(0), { ifGeneration: generation, metadata: {} }),
    { kind: 'precondition' },
  );
});

test('a claim that was stored although its answer was lost is told as what it was', async (t) => {
  const rig = new Rig(t);
  const way = rig.way();
  const [a, b] = [await rig.mount('a'), await rig.mount('b', {}, way)];
  await a.leases.acquire(S);
  await a.leases.release([S]);
  let lost = 0;
  way.after = () => {
    if (lost++ === 0) throw new BucketError('unreachable', 'the answer was lost');
  };
  const waiting = b.leases.acquire(S);
  await rig.clock.pass(5_000);
  assert.deepEqual(await waiting, {
    session: S,
    epoch: 2,
    previousEpoch: 1,
    floor: 0,
    refresh: false,
    how: 'released',
  });
});

test('waiting for a bucket that does not answer ends when it does', async (t) => {
  const rig = new Rig(t);
  const way = rig.way();
  cut(way);
  const a = await rig.mount('a', {}, way);
  assert.equal(a.leases.isOpen, false);
  const waiting = a.leases.acquire(S);
  await assert.rejects(a.leases.grant(S), { kind: 'unreachable' });
  await rig.clock.pass(600_000);
  assert.equal(a.leases.isOpen, false);
  mend(way);
  await rig.clock.pass(32_000);
  assert.equal((await waiting).how, 'created');
  assert.equal(a.leases.isOpen, true);
  assert.equal(a.lines.filter(({ level }) => level === 'warn').length, 2);
});

test('waiting outlasts a disk that is full when the mount needs a new id', async (t) => {
  const rig = new Rig(t);
  const kept = identityInMemory();
  let isFull = false;
  const save: typeof kept.save = async (identity) => {
    if (isFull) throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
    return kept.save(identity);
  };
  const a = await rig.mount('a', { identity: { load: kept.load, save } });
  await a.leases.acquire('v-+2');
  rig.bucket.objects.delete(inboxName((await loaded(kept)).id));
  isFull = true;
  await rig.clock.pass(31_000);
  const waiting = a.leases.acquire(S);
  await rig.clock.pass(31_000);
  isFull = false;
  await rig.clock.pass(60_000);
  assert.equal((await waiting).how, 'created');
  assert.equal((await a.leases.grant('v-+2')).epoch, 1);
});

test('who acquires the same session shares one acquisition', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  rig.count();
  const both = [a.leases.acquire(S), a.leases.acquire(S)];
  assert.equal(both[0], both[1]);
  await Promise.all(both);
  assert.equal(rig.count().put, 1);
});

test('a listing tells every owner, and what is this mount’s counts as held', async (t) => {
  const rig = new Rig(t);
  rig.bucket.pageSize = 2;
  const [a, b] = [await rig.mount('a'), await rig.mount('b')];
  const sessions = [S, 'plain', '', 'v-+2'];
  for (const session of sessions) await a.leases.acquire(session);
  await b.leases.acquire('w-+3');
  await a.leases.end();
  const again = await rig.mount('a', { identity: a.identity });
  const owners = await again.leases.list();
  assert.deepEqual([...owners.keys()].sort(), [...sessions, 'w-+3'].sort());
  assert.equal(owners.get('w-+3')?.name, 'b');
  assert.deepEqual(
    sessions.map((session) => again.leases.holds(session)),
    [true, true, true, true],
  );
  assert.equal(again.leases.holds('w-+3'), false);
});

test('sessions of an earlier run are released although this run never touched them', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  await a.leases.acquire(S);
  await a.leases.end();
  const again = await rig.mount('a', { identity: a.identity });
  await again.leases.release([S, 'never-+held']);
  assert.equal(rig.owner()?.holder, '-');
  assert.equal(rig.owner('never-+held'), undefined);
});

test('objects that a rule of the bucket is about to delete are written again', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  await a.leases.acquire(S);
  await rig.clock.pass(1_000);
  await a.leases.acquire('v-+2');
  rig.count();
  assert.equal(await a.leases.rewriteOlderThan(rig.clock.nowMs), 2);
  assert.equal(rig.count().put, 2);
  await a.leases.floorRaised(S, 1);
  await a.leases.release([S, 'v-+2']);
  assert.equal(rig.owner()?.holder, '-');
});

test('an owner object that something else changed is never overwritten', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  rig.bucket.store(ownerName(S), Buffer.alloc(0), { holder: 'someone', epoch: 'many' });
  await assert.rejects(a.leases.grant(S), { kind: 'corrupt' });
  assert.deepEqual(rig.owner(), { holder: 'someone', epoch: 'many' });
});

test('inboxes of mounts that are gone are removed in the end: no owner names them, and they are old', async (t) => {
  const rig = new Rig(t);
  const DAY_MS = 86_400_000;
  const [a, b, gone] = [await rig.mount('a'), await rig.mount('b'), await rig.mount('gone')];
  await a.leases.acquire(S);
  const condemned = await rig.mount('condemned');
  const name = inboxName((await loaded(condemned.identity)).id);
  rig.bucket.store(name, Buffer.alloc(0), { ...(await rig.inbox(condemned)), condemned: '1' });
  rig.bucket.store(`${MOUNTS_PREFIX}not-ours`, Buffer.alloc(0), { condemned: 'perhaps' });
  const left = async (mounts: readonly Mounted[]) => {
    const inboxes = await Promise.all(mounts.map((mount) => rig.inbox(mount)));
    return inboxes.map((inbox) => inbox !== undefined);
  };
  const all = [a, b, gone, condemned];
  rig.clock.nowMs += 0.9 * DAY_MS;
  assert.equal(await a.leases.removeOldInboxes(await a.leases.list()), 0);
  rig.clock.nowMs += 0.2 * DAY_MS;
  assert.equal(await a.leases.removeOldInboxes(await a.leases.list()), 1);
  assert.deepEqual(await left(all), [true, true, true, false]);
  rig.clock.nowMs += 30 * DAY_MS;
  // Its own stays too, although it holds nothing.
  assert.equal(await b.leases.removeOldInboxes(await b.leases.list()), 1);
  assert.deepEqual(await left(all), [true, true, false, false]);
  assert.ok(rig.bucket.objects.has(`${MOUNTS_PREFIX}not-ours`));
  // A mount that was not gone goes on under a new id.
  assert.equal((await gone.leases.acquire('v-+2')).how, 'created');
  assert.equal((await gone.leases.grant('v-+2')).epoch, 1);
  assert.ok(await rig.inbox(gone));
});

test('a malformed owner object blocks its own session, says how to clear it, and no other session', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  await a.leases.acquire(S);
  await a.leases.end();
  rig.bucket.store(ownerName('v-+2'), Buffer.alloc(0), { holder: 'someone', epoch: 'many' });
  const again = await rig.mount('a', { identity: a.identity });
  assert.deepEqual([...(await again.leases.list()).keys()], [S]);
  assert.deepEqual([again.leases.holds(S), again.leases.isUnreadable('v-+2')], [true, true]);
  const told = again.lines.filter(({ msg }) => msg.startsWith('The owner object of a session is malformed'));
  assert.deepEqual(
    told.map(({ level, session, object }) => [level, session, object]),
    [['error', 'v-+2', ownerName('v-+2')]],
  );
  assert.match(String(told[0]?.hint), /Stop the mounts that use this session, delete this object/);
  const waiting = again.leases.acquire('v-+2');
  await rig.clock.pass(60_000);
  assert.equal((await again.leases.acquire('w-+3')).how, 'created');
  assert.equal(await again.leases.rewriteOlderThan(0), 0);
  const line = again.lines.find(({ msg }) => msg.startsWith('Cannot read the lease of the session'));
  assert.deepEqual([line?.session, line?.hint], ['v-+2', told[0]?.hint]);
  rig.bucket.objects.delete(ownerName('v-+2'));
  await rig.clock.pass(10_000);
  assert.equal((await waiting).how, 'created');
  await again.leases.list();
  assert.equal(again.leases.isUnreadable('v-+2'), false);
});

test('values that no mount can go on from lock no session out without a word, and deleting the object ends it', async (t) => {
  for (const how of ['released', 'held'] as const) {
    const rig = new Rig(t);
    const [a, gone] = [await rig.mount('a'), await rig.mount('gone')];
    await gone.leases.acquire(S);
    await gone.leases.end();
    const { holder = '' } = rig.owner() ?? {};
    const spoiled = {
      holder: how === 'held' ? holder : '-',
      name: 'gone',
      epoch: '9'.repeat(15),
      floor: '0',
      refresh: '0',
    };
    rig.bucket.store(ownerName(S), Buffer.alloc(0), spoiled);
    const inbox = await rig.inbox(gone);
    if (how === 'held')
      rig.bucket.store(inboxName(holder), Buffer.alloc(0), { ...inbox, permission: '9'.repeat(15) });
    const waiting = a.leases.acquire(S);
    await rig.clock.pass(100_000);
    const told = () => a.lines.filter(({ msg }) => msg.startsWith('Cannot read the lease of the session'));
    assert.match(String(told()[0]?.reason), how === 'held' ? /"permission"/ : /"epoch"/);
    assert.match(String(told()[0]?.hint), /delete this object/);
    if (how === 'held') {
      rig.bucket.objects.delete(inboxName(holder));
      await rig.clock.pass(200_000);
      assert.match(String(told().at(-1)?.reason), /"epoch"/);
    }
    assert.deepEqual(rig.owner(), spoiled);
    rig.bucket.objects.delete(ownerName(S));
    await rig.clock.pass(10_000);
    assert.equal((await waiting).how, 'created');
  }
});

test('a store that refuses every change as a lost race is asked with pauses, and not without end', async (t) => {
  const rig = new Rig(t);
  const a = await rig.mount('a');
  await a.leases.acquire('v-+2');
  const refuse = ({ operation }: { operation: string }) => {
    if (operation === 'put') throw new BucketError('precondition', 'orgPolicyConstraintFailed');
  };
  rig.bucket.before = refuse;
  rig.count();
  const waiting = a.leases.acquire(S);
  await rig.clock.pass(60_000);
  const asked = rig.count().put ?? 0;
  assert.ok(asked > 8 && asked < 300, `${asked} requests in a minute`);
  const line = a.lines.find(({ msg }) => msg.startsWith('Cannot read the lease of the session'));
  assert.match(String(line?.reason), /refuses every change/);
  await assert.rejects(a.leases.grant(S), { kind: 'throttled' });
  await assert.rejects(a.leases.floorRaised('v-+2', 1), { kind: 'throttled' });
  rig.count();
  await a.leases.release(['v-+2']);
  const fresh = await rig.mount('b');
  await rig.clock.pass(60_000);
  assert.ok((rig.count().put ?? 0) < 600);
  rig.bucket.before = () => {};
  await rig.clock.pass(10_000);
  assert.equal((await waiting).how, 'created');
  assert.equal((await fresh.leases.acquire('w-+3')).how, 'created');
});
