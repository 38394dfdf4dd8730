/** Sequences in which the right to a session comes and goes: nothing of another mount is overwritten, and nothing is lost. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { MemoryLimit } from '../../src/sync/memory-limit.ts';
import type { WriteGrant, WriteGrants } from '../../src/sync/write-grant.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { contentsOf, Machine } from './support.ts';

const S = 'user-+4915100000';
const CREDS = `${S}/creds.json`;

class Held extends Error {}

/** WriteGrants that a test gives and takes. */
class TestRights implements WriteGrants {
  now: WriteGrant = {
    epoch: 1,
    previousEpoch: 0,
    floor: 0,
    refresh: false,
    deadlineMs: Number.POSITIVE_INFINITY,
  };
  readonly raised: number[] = [];
  /** Before the grant of this number is given. */
  before: (call: number) => void = () => {};
  #calls = 0;

  async grant(): Promise<WriteGrant> {
    this.before(++this.#calls);
    return this.now;
  }

  change(grant: Partial<WriteGrant>): void {
    this.now = { ...this.now, ...grant };
  }

  async verify(): Promise<boolean> {
    return true;
  }

  async floorRaised(_session: string, epoch: number): Promise<void> {
    this.raised.push(epoch);
    this.change({ floor: epoch, refresh: false });
  }

  isLost(error: unknown): boolean {
    return error instanceof Held;
  }
}

function storeElsewhere(bucket: MemoryBucket, path: string, content: string, epoch: number): void {
  const metadata = { 'sessionfs-writer': 'other', 'sessionfs-epoch': String(epoch) };
  bucket.store(toObjectName(path, 'file'), Buffer.from(content), metadata);
}

interface Rig {
  bucket: MemoryBucket;
  grants: TestRights;
  cachePath: string;
  machine: Machine;
}

async function rig(t: TestContext): Promise<Rig> {
  const bucket = new MemoryBucket();
  const grants = new TestRights();
  const cachePath = temporaryDirectory(t);
  const machine = new Machine(t, bucket, { grants, cachePath });
  await machine.sync.prepare();
  machine.ledger.serve(S);
  return { bucket, grants, cachePath, machine };
}

test('the floor is not raised while anything of the session is in the bucket only', async (t) => {
  const { bucket, grants, machine } = await rig(t);
  for (const name of ['creds.json', 'pre-key-1.json'])
    storeElsewhere(bucket, `${S}/${name}`, `ok ${name}`, 1);
  grants.change({ epoch: 2, previousEpoch: 1, refresh: true });
  await machine.sync.reconcileSession(S, grants.now, false);
  await machine.sync.restorer.restore(S);
  grants.before = () => {
    throw new BucketError('unreachable', 'a moment only');
  };
  machine.sync.flusher.refresh(S);
  await machine.until(() => machine.counted.some((event) => event.startsWith('backup failure')));
  grants.before = () => {};
  const limit = new MemoryLimit({
    ledger: machine.ledger,
    cache: machine.cache,
    limitBytes: 0,
    evict: () => {},
    announce: () => {},
    settle: async () => {},
  });
  await limit.evicted(S);
  await machine.sync.flusher.flushAll();
  assert.deepEqual(grants.raised, []);
  await machine.sync.restorer.restore(S);
  machine.sync.flusher.refresh(S);
  await machine.until(() => grants.raised.length > 0);
  assert.deepEqual(grants.raised, [2]);
  const epochs = [...bucket.objects.values()].map(({ metadata }) => metadata['sessionfs-epoch']);
  assert.deepEqual(epochs, ['2', '2']);
});

test('a conflict is found again by the next daemon, and overwrites nothing there either', async (t) => {
  const { bucket, grants, cachePath, machine } = await rig(t);
  await machine.write(CREDS, 'ok mine 1');
  await machine.sync.flusher.flush(S);
  storeElsewhere(bucket, CREDS, 'ok theirs', 2);
  await machine.write(CREDS, 'ok mine 2');
  grants.change({ epoch: 3, previousEpoch: 2 });
  await machine.sync.reconcileSession(S, grants.now, true);
  await assert.rejects(machine.sync.flusher.flush(S), /conflict/);
  const next = new Machine(t, bucket, { grants, cachePath });
  await assert.rejects(next.sync.flusher.flush(S), /conflict/);
  assert.equal(contentsOf(bucket)[CREDS], 'ok theirs');
});

test('a right that was lost and got again in the middle of a flush overwrites nothing', async (t) => {
  const { bucket, grants, machine } = await rig(t);
  const files = [CREDS, `${S}/key.json`];
  for (const file of files) await machine.write(file, 'ok mine 1');
  await machine.sync.flusher.flush(S);
  for (const file of files) await machine.write(file, 'ok mine 2');
  let asked = 0;
  grants.before = () => {
    // The flush, the key; before the credentials this process is stopped, another mount takes over, writes, and releases.
    if (++asked !== 3) return;
    storeElsewhere(bucket, CREDS, 'ok theirs', 2);
    grants.change({ epoch: 3, previousEpoch: 2 });
  };
  await assert.rejects(machine.sync.flusher.flush(S));
  assert.equal(contentsOf(bucket)[CREDS], 'ok theirs');
  await assert.rejects(machine.sync.flusher.flush(S), /conflict/);
  assert.equal(contentsOf(bucket)[CREDS], 'ok theirs');
});

test('a session that was not opened here since another mount had it yields when its flush gets the right again', async (t) => {
  const { bucket, grants, cachePath, machine } = await rig(t);
  await machine.write(CREDS, 'ok mine 1');
  await machine.sync.flusher.flush(S);
  await machine.write(CREDS, 'ok mine 2');
  const next = new Machine(t, bucket, { grants, cachePath });
  next.ledger.beginMount();
  await next.sync.prepare();
  grants.before = () => {
    throw new Held('another mount has it');
  };
  await assert.rejects(next.sync.flusher.flushAll());
  storeElsewhere(bucket, CREDS, 'ok theirs', 2);
  storeElsewhere(bucket, `${S}/pre-key-9.json`, 'ok theirs', 2);
  grants.before = () => {};
  grants.change({ epoch: 3, previousEpoch: 2 });
  await next.sync.flusher.flushAll().catch(() => {});
  await next.sync.reconcileSession(S, grants.now, false);
  await next.sync.restorer.restore(S);
  next.ledger.serve(S);
  assert.equal(next.read(CREDS), 'ok theirs');
  assert.equal(next.read(`${S}/pre-key-9.json`), 'ok theirs');
  await next.sync.flusher.flush(S);
  assert.equal(contentsOf(bucket)[CREDS], 'ok theirs');
  assert.ok(next.counted.includes('conflict 1'), 'what was here is kept aside');
});

test('a listing that began before a session was got says nothing of what was stored in it since', async (t) => {
  const bucket = new MemoryBucket();
  const grants = new TestRights();
  bucket.pageSize = 1;
  storeElsewhere(bucket, CREDS, 'ok theirs', 1);
  storeElsewhere(bucket, 'user-+4915199999/creds.json', 'ok another session', 1);
  const outage = new BucketError('unreachable', 'an outage at the start');
  bucket.before = ({ operation }) => {
    if (operation === 'list') throw outage;
  };
  const machine = new Machine(t, bucket, { grants });
  await machine.sync.prepare();
  grants.change({ epoch: 2, previousEpoch: 1 });
  let pages = 0;
  bucket.before = async ({ operation, name }) => {
    // That of the whole bucket, after its first page.
    if (operation !== 'list' || name !== 'sessions/' || ++pages !== 2) return;
    await machine.sync.reconcileSession(S, grants.now, false);
    await machine.sync.restorer.restore(S);
    machine.ledger.serve(S);
    await machine.write(CREDS, 'ok mine');
    await machine.write(`${S}/pre-key-1.json`, 'ok mine');
    await machine.sync.flusher.flush(S);
  };
  machine.sync.start();
  await machine.until(() => machine.messages().includes('The bucket answers'));
  assert.ok(pages >= 2);
  assert.deepEqual([...machine.ledger.conflicts], []);
  await machine.write(CREDS, 'ok mine 2');
  await machine.sync.flusher.flushAll();
  assert.equal(contentsOf(bucket)[CREDS], 'ok mine 2');
  assert.equal(contentsOf(bucket)[`${S}/pre-key-1.json`], 'ok mine');
  assert.ok(machine.absent.has('user-+4915199999'), 'what was not touched is learned from it');
});

test('a session whose comparison fails while the bucket is listed is out of step until it is compared', async (t) => {
  const bucket = new MemoryBucket();
  const grants = new TestRights();
  storeElsewhere(bucket, CREDS, 'ok theirs', 1);
  let isOut = true;
  let tries = 0;
  const failing = new BucketError('unreachable', 'no answer');
  const machine = new Machine(t, bucket, { grants });
  grants.change({ epoch: 2, previousEpoch: 1 });
  bucket.before = async ({ operation, name }) => {
    if (operation !== 'list') return;
    if (isOut || name !== 'sessions/') throw failing;
    // The listing is under way.
    tries++;
    await assert.rejects(machine.sync.reconcileSession(S, grants.now, false));
  };
  await machine.sync.prepare();
  isOut = false;
  machine.sync.start();
  await machine.until(() => machine.messages().includes('The bucket answers'));
  assert.equal(tries, 1);
  assert.deepEqual(machine.leftOut, [[S]]);
  assert.equal(machine.ledger.epochOf(S), undefined);
  bucket.before = () => {};
  await machine.sync.reconcileSession(S, grants.now, false);
  await machine.sync.restorer.restore(S);
  assert.equal(machine.read(CREDS), 'ok theirs');
});
