/** A bucket that ignores conditions is used by one mount alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rig, S, settle } from './support.ts';

test('a session of another mount is waited for until it is released, never contended for nor taken over', async (t) => {
  const rig = new Rig(t);
  rig.bucket.ignored = ['delete'];
  const a = await rig.mount('a');
  const b = await rig.mount('b');
  await a.leases.acquire(S);
  const inbox = await rig.inbox(a);
  const acquired = b.leases.acquire(S);
  await settle();
  assert.match(
    String(b.leases.failureOf(S)?.error) ?? '',
    /ignores conditions \(delete\).*only one mount.*a does/,
  );
  const [line] = b.lines.filter(({ msg }) => msg.startsWith('Cannot read the lease'));
  assert.match(String(line?.hint), /sessionfs unmount/);
  assert.deepEqual(await rig.inbox(a), inbox, 'no challenge is written');

  await a.leases.end();
  await rig.clock.pass(600_000);
  assert.equal(b.leases.holds(S), false, 'a dead mount keeps its sessions');

  const again = await rig.mount('a', { identity: a.identity });
  await again.leases.acquire(S);
  await again.leases.release([S]);
  await rig.clock.pass(60_000);
  assert.equal((await acquired).how, 'released');
});

test('one mount alone acquires, releases and restarts as with any other bucket', async (t) => {
  const rig = new Rig(t);
  rig.bucket.ignored = ['create', 'replace', 'delete'];
  const a = await rig.mount('a');
  assert.equal((await a.leases.acquire(S)).how, 'created');
  await a.leases.end();
  const again = await rig.mount('a', { identity: a.identity });
  assert.ok((await again.leases.acquire(S)).epoch >= 1);
  assert.ok((await again.leases.grant(S)).deadlineMs > rig.clock.nowMs);
  await again.leases.release([S]);
});
