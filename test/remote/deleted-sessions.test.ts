/** The lease of a session that was deleted: another mount can make a session of that name at once. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { ownerName } from '../../src/lease/records/owner.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { DeletedSessions } from '../../src/remote/deleted-sessions.ts';
import { CheckpointPlan } from '../../src/store/checkpoint/plan.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { until } from '../support/until.ts';
import { Machine } from '../sync/support.ts';
import { openLeases, openOpener } from './support.ts';

const S = 'u-+1';
const CREDS = `${S}/creds.json`;
const options = { timeout: 60_000 };

class Rig {
  readonly bucket: MemoryBucket;
  readonly machine: Machine;
  readonly deleted: DeletedSessions;
  readonly opener;
  readonly leases;

  constructor(t: TestContext, bucket = new MemoryBucket()) {
    this.bucket = bucket;
    this.leases = openLeases(t, bucket);
    this.machine = new Machine(t, bucket, { grants: this.leases, intervalMs: 0 });
    const { sync, ledger, cache } = this.machine;
    const { leases } = this;
    this.opener = openOpener(t, { leases, sync, ledger });
    this.deleted = new DeletedSessions({ ledger, cache, leases, flusher: sync.flusher, opener: this.opener });
    this.machine.emptied = (session) => void this.deleted.release(session);
  }

  get holder(): string | undefined {
    return this.bucket.objects.get(ownerName(S))?.metadata.holder;
  }

  async removeFolder(): Promise<void> {
    const path = this.machine.cache.files.locate(toObjectName(S, 'directory'));
    await rm(path, { recursive: true, force: true });
  }

  async untilReleased(): Promise<void> {
    await until(() => this.holder === '-');
  }
}

async function made(t: TestContext): Promise<Rig> {
  const rig = new Rig(t);
  await rig.machine.write(CREDS, 'ok');
  await rig.machine.sync.flusher.flush(S);
  assert.notEqual(rig.holder, '-');
  return rig;
}

/** The checkpoint that removed the folder. */
function withoutFolder(): CheckpointPlan {
  const plan = new CheckpointPlan();
  plan.directories.set(S, { exists: false, since: 1 });
  return plan;
}

test(
  'a flush that deletes all of a removed session releases it; another mount makes it anew',
  options,
  async (t) => {
    const rig = await made(t);
    await rig.machine.delete(CREDS);
    await rig.removeFolder();
    await rig.machine.sync.flusher.flush(S);
    await rig.untilReleased();
    const other = new Rig(t, rig.bucket);
    assert.equal(await other.opener.existsElsewhere(S), false);
    await other.machine.write(CREDS, 'ok theirs');
    await other.machine.sync.flusher.flush(S);
    assert.equal(other.leases.epochOf(S), 2);
    assert.equal(await rig.opener.existsElsewhere(S), true);
  },
);

test(
  'a folder that is removed after its files were flushed is released by that checkpoint',
  options,
  async (t) => {
    const rig = await made(t);
    await rig.machine.delete(CREDS);
    await rig.machine.sync.flusher.flush(S);
    await rig.deleted.checkpointed(new CheckpointPlan());
    assert.notEqual(rig.holder, '-', 'the folder is there, and may be filled again');
    await rig.removeFolder();
    await rig.deleted.checkpointed(withoutFolder());
    assert.equal(rig.holder, '-');
  },
);

test('a session whose deletion is not stored yet stays held', options, async (t) => {
  const rig = await made(t);
  await rig.machine.delete(CREDS);
  await rig.removeFolder();
  await rig.deleted.checkpointed(withoutFolder());
  assert.notEqual(rig.holder, '-');
});

test(
  'one that was deleted by a run that died before it released it is released after the listing',
  options,
  async (t) => {
    const rig = new Rig(t);
    await rig.leases.acquire(S, () => true);
    await rig.deleted.listed();
    assert.equal(rig.holder, '-');
  },
);

test('one that is made again at once is held again, under the next epoch', options, async (t) => {
  const rig = await made(t);
  await rig.machine.delete(CREDS);
  await rig.removeFolder();
  await rig.machine.sync.flusher.flush(S);
  await rig.machine.write(CREDS, 'ok again');
  await rig.machine.sync.flusher.flush(S);
  assert.equal(rig.leases.epochOf(S), 2);
  assert.equal(await rig.leases.verify(S), true);
});
