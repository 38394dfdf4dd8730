/** When a mount may write, and until when: the renewal alone, without sessions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { identityInMemory, KeptIdentity, newIdentity } from '../../src/lease/identity.ts';
import { inboxName } from '../../src/lease/records/inbox.ts';
import { Fenced, Renewal } from '../../src/lease/renewal.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { createLogger } from '../../src/observe/log.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { FakeClock, settle, TIMES } from './support.ts';

const SLOW_MS = 10_000;

class Mount {
  readonly clock = new FakeClock();
  readonly bucket = new MemoryBucket();
  readonly store = identityInMemory();
  readonly identity = new KeptIdentity(this.store, newIdentity());
  readonly events: string[] = [];
  readonly renewal = new Renewal({
    bucket: this.bucket,
    identity: this.identity,
    name: 'a',
    times: TIMES,
    clock: this.clock,
    log: createLogger({ level: 'silent' }),
    idChanged: () => this.events.push('new id'),
    fenced: (otherName) => this.events.push(`fenced by ${otherName}`),
  });

  constructor() {
    this.bucket.nowMs = () => this.clock.nowMs;
  }

  get inbox(): Readonly<Record<string, string>> | undefined {
    return this.bucket.objects.get(inboxName(this.identity.now.id))?.metadata;
  }

  /** As another mount changes it. */
  change(fields: Readonly<Record<string, string>>): void {
    this.bucket.store(inboxName(this.identity.now.id), Buffer.alloc(0), { ...this.inbox, ...fields });
  }

  /** The next call of this kind finds that `happened` came before it. */
  beforeNext(operation: string, happened: () => void): void {
    this.bucket.before = (call) => {
      if (call.operation !== operation) return;
      this.bucket.before = () => {};
      happened();
    };
  }
}

for (const what of ['in this run', 'by a process that died before it was noted'])
  test(`no write is allowed before it is noted, durably, that the inbox was opened ${what}`, async () => {
    const mount = new Mount();
    await mount.renewal.open();
    if (what === 'in this run') mount.bucket.objects.clear();
    await mount.identity.change((now) => ({ ...now, opened: false, started: false }));
    const { save } = mount.store;
    const disk = deferred<void>();
    mount.store.save = (identity) => disk.promise.then(() => save(identity));
    let isOpen = false;
    const opening = mount.renewal.renew().then(() => {
      isOpen = true;
    });
    await settle();
    assert.notEqual(mount.inbox, undefined);
    assert.equal(isOpen, false);
    disk.resolve();
    await opening;
    const { opened, started } = (await mount.store.load()) ?? assert.fail();
    assert.deepEqual([opened, started], [true, true]);
  });

test('the right to write counts from when the request was sent, not from its answer', async () => {
  const mount = new Mount();
  const { clock, bucket, renewal } = mount;
  const startMs = clock.nowMs;
  bucket.before = () => {
    clock.nowMs += SLOW_MS;
  };
  assert.equal(await renewal.deadlineMs(), startMs + SLOW_MS + TIMES.grantMs, 'sent after one answer');
  clock.nowMs += TIMES.renewIntervalMs;
  const sentMs = clock.nowMs;
  assert.equal(await renewal.deadlineMs(), sentMs + TIMES.grantMs);
});

test('answers that come after the right has ended give none', async () => {
  const mount = new Mount();
  await mount.renewal.open();
  mount.clock.nowMs += TIMES.grantMs;
  mount.bucket.calls.length = 0;
  mount.bucket.before = () => {
    mount.clock.nowMs += TIMES.grantMs;
  };
  await assert.rejects(mount.renewal.deadlineMs(), { kind: 'unreachable', message: /more slowly/ });
  assert.equal(mount.bucket.calls.length, 3);
});

test('a challenge is answered only if the inbox is still as it was read', async () => {
  const mount = new Mount();
  await mount.renewal.open();
  const before = mount.identity.now.id;
  mount.change({ challenge: 'b' });
  mount.beforeNext('put', () => mount.change({ condemned: '1' }));
  await mount.renewal.renew();
  assert.notEqual(mount.identity.now.id, before);
  assert.deepEqual(mount.events, ['new id']);
  assert.equal(mount.inbox?.condemned, '0');
});

test('a mount that was condemned has no right left from before', async () => {
  const mount = new Mount();
  await mount.renewal.open();
  mount.change({ condemned: '1' });
  mount.bucket.before = ({ operation }) => {
    if (operation === 'put') throw new BucketError('unreachable', 'no answer');
  };
  await assert.rejects(mount.renewal.renew(), { kind: 'unreachable' });
  await assert.rejects(mount.renewal.deadlineMs(), { kind: 'unreachable' });
});

test('nor has one that finds another process in its place', async () => {
  const mount = new Mount();
  await mount.renewal.open();
  mount.change({ start: 'f'.repeat(32), name: 'b' });
  await assert.rejects(mount.renewal.renew(), Fenced);
  await assert.rejects(mount.renewal.deadlineMs(), Fenced);
  await assert.rejects(mount.renewal.open(), Fenced);
  assert.deepEqual(mount.events, ['fenced by b']);
});

test('an old inbox is written again, unless another mount has changed it', async () => {
  const mount = new Mount();
  await mount.renewal.open();
  const { clock, renewal } = mount;
  assert.equal(await renewal.rewriteOlderThan(clock.nowMs), false, 'it is not old');
  clock.nowMs += 1_000;
  assert.equal(await renewal.rewriteOlderThan(clock.nowMs), true);
  clock.nowMs += 1_000;
  mount.change({ challenge: 'b' });
  clock.nowMs += 1_000;
  assert.equal(await renewal.rewriteOlderThan(clock.nowMs), false);
  assert.equal(mount.inbox?.challenge, 'b');
});
