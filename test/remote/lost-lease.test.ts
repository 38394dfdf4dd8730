/** A lease that is lost while a session is compared or restored: nothing of the session is served before this mount holds it again. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { signature } from '../../src/bucket/object-metadata.ts';
import { inboxCodec, inboxName } from '../../src/lease/records/inbox.ts';
import { ownerCodec, ownerName } from '../../src/lease/records/owner.ts';
import type { SessionOpener } from '../../src/remote/session-opener.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { until } from '../support/until.ts';
import { Machine } from '../sync/support.ts';
import { openLeases, openOpener } from './support.ts';

const S = 'u-+1';
const B = 'b'.repeat(32);
const object = (file: string) => `sessions/u/+1/${file}`;
const options = { timeout: 60_000 };
const EMPTY = Buffer.alloc(0);

/** Mount A on a bucket that mount B, played by the test, shares. */
class Rig {
  readonly bucket = new MemoryBucket();
  readonly machine: Machine;
  readonly opener: SessionOpener;

  constructor(t: TestContext, env: Record<string, string> = {}) {
    const { bucket } = this;
    const leases = openLeases(t, bucket, env);
    this.machine = new Machine(t, bucket, { grants: leases, intervalMs: 0 });
    const { sync, ledger } = this.machine;
    this.opener = openOpener(t, { leases, sync, ledger });
    this.owner('', 1);
    const inbox = { start: 'b', challenge: '', condemned: false, grantMs: 60_000, name: 'b' };
    bucket.store(inboxName(B), EMPTY, inboxCodec.write(inbox));
  }

  owner(holder: string, epoch: number): void {
    const record = { holder, name: 'b', epoch, floor: 0, refresh: false };
    this.bucket.store(ownerName(S), EMPTY, ownerCodec.write(record));
  }

  /** What B writes under an epoch. */
  store(epoch: number, files: Readonly<Record<string, string>>): void {
    for (const [file, content] of Object.entries(files))
      this.bucket.store(object(file), Buffer.from(content), signature('b', epoch));
  }

  /** Mount A pauses once it has fetched the credentials, and before it fetches the key. */
  pauseInRestore(during: () => void): void {
    let isOver = false;
    this.bucket.before = async ({ operation, name }) => {
      if (isOver || operation !== 'get' || name !== object('key.json')) return;
      isOver = true;
      await until(() => this.machine.ledger.get(object('creds.json'))?.local === 'same');
      during();
    };
  }

  /** A asked B's inbox whether it lives. */
  async untilContended(): Promise<void> {
    const isChallenged = () => this.bucket.objects.get(inboxName(B))?.metadata.challenge !== '-';
    await until(() => isChallenged() || this.machine.restored.length > 0);
    assert.deepEqual(this.machine.restored, [], 'a session of another mount was served');
  }

  async opened(): Promise<Record<string, string>> {
    await this.machine.until(() => this.machine.restored.length > 0);
    const files = this.machine.restored[0]?.files ?? [];
    return Object.fromEntries(
      files.map((path) => [path.slice(S.length + 1), this.machine.read(path)]).sort(),
    );
  }
}

const V1 = { 'creds.json': 'ok creds 1', 'key.json': 'ok key 1' };
const V2 = { 'creds.json': 'ok creds 2', 'key.json': 'ok key 2' };

for (const [what, files] of [
  ['all files changed', V2],
  ['only what was fetched already changed', { 'creds.json': V2['creds.json'] }],
] as const)
  test(`a lease that is lost in mid-restore, ${what}: two versions never mix`, options, async (t) => {
    const rig = new Rig(t);
    rig.store(1, V1);
    await rig.machine.sync.prepare();
    rig.pauseInRestore(() => {
      rig.owner(B, 3);
      rig.store(3, files);
    });
    rig.opener.want(S);
    await rig.untilContended();
    rig.owner('', 3);
    assert.deepEqual(await rig.opened(), { ...V1, ...files });
  });

test('late writes of an earlier holder in mid-restore: the session is compared again', options, async (t) => {
  const rig = new Rig(t);
  rig.store(1, V1);
  await rig.machine.sync.prepare();
  rig.pauseInRestore(() => rig.store(1, V2));
  rig.opener.want(S);
  assert.deepEqual(await rig.opened(), V2);
});

test('a lease that is lost before a complete session is served', options, async (t) => {
  // A pause of 150 ms makes a renewal due.
  const rig = new Rig(t, {
    SESSION_LEASE_LOOK_INTERVAL: '100',
    SESSION_LEASE_PERMISSION: '2000',
    SESSION_LEASE_TAKEOVER: '2500',
    SESSION_LEASE_POLL: '100',
  });
  rig.store(1, V1);
  await rig.machine.sync.prepare();
  await rig.machine.sync.restorer.restore(S);
  rig.machine.restored.length = 0;
  let isOver = false;
  rig.bucket.before = async ({ operation }) => {
    if (isOver || operation !== 'list') return;
    isOver = true;
    const { objects } = rig.bucket;
    const owned = objects.get(ownerName(S))?.metadata;
    assert.equal(owned?.epoch, '2');
    const name = inboxName(String(owned?.holder));
    rig.bucket.store(name, EMPTY, { ...objects.get(name)?.metadata, condemned: '1' });
    rig.owner(B, 3);
    await sleep(150);
  };
  rig.opener.want(S);
  await rig.untilContended();
  rig.store(3, V2);
  rig.owner('', 3);
  assert.deepEqual(await rig.opened(), V2);
});
