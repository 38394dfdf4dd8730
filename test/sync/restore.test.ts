import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { until } from '../support/until.ts';
import { FakeGrants, grantOf } from './lease-support.ts';
import { contentsOf, Machine } from './support.ts';

const S = 'u-+1';
const RESTORED = 'Session restored from Cloud Storage';

const unreachable = () => {
  throw new BucketError('unreachable', 'no answer');
};
const object = (path: string) => toObjectName(path, 'file');

/** A machine that stored these files and is gone. */
async function stored(bucket: MemoryBucket, files: Record<string, string>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    bucket.store(object(path), Buffer.from(content), { 'sessionfs-writer': 'an earlier machine' });
  }
}

test('the listing names the sessions; one that is touched comes whole, credentials first', async (t) => {
  const bucket = new MemoryBucket();
  await stored(bucket, {
    [`${S}/a.json`]: 'ok a',
    [`${S}/deep/b.json`]: 'ok b',
    [`${S}/creds.json`]: 'ok c',
    'v-+2/creds.json': 'ok',
  });
  bucket.store('sessions/not//ours', Buffer.from('x'));
  const machine = new Machine(t, bucket);
  await machine.sync.prepare();
  assert.deepEqual([...machine.absent].sort(), [S, 'v-+2']);
  assert.equal(machine.namesKnown, true);
  bucket.calls.length = 0;
  await machine.sync.restorer.restore(S);
  assert.equal(bucket.calls[0]?.name, object(`${S}/creds.json`));
  const [content] = machine.restored;
  assert.equal(content?.session, S);
  assert.deepEqual(content.files.sort(), [`${S}/a.json`, `${S}/creds.json`, `${S}/deep/b.json`]);
  assert.deepEqual(content.directories, [`${S}/deep`]);
  assert.equal(machine.read(`${S}/deep/b.json`), 'ok b');
  assert.deepEqual(machine.ledger.absentSessions, ['v-+2']);
  const line = machine.lines.find(({ msg }) => msg === RESTORED);
  assert.deepEqual([line?.session, line?.files, line?.bytes, typeof line?.ms], [S, 3, 12, 'number']);
  // Nothing of it is taken for new.
  await machine.sync.flusher.flushAll();
  assert.ok(bucket.calls.every(({ operation }) => operation === 'get'));
});

test('a session that the bucket does not give is waited for, while another one comes', async (t) => {
  const bucket = new MemoryBucket();
  await stored(bucket, { [`${S}/creds.json`]: 'ok', 'v-+2/creds.json': 'ok' });
  const machine = new Machine(t, bucket);
  await machine.sync.prepare();
  const held = deferred<void>();
  bucket.before = ({ name }) => (name.includes('/u/') ? held.promise : undefined);
  const waiting = machine.sync.restorer.restore(S);
  await machine.sync.restorer.restore('v-+2');
  assert.deepEqual(machine.sync.restorer.waiting, [S]);
  bucket.before = unreachable;
  held.reject(new BucketError('unreachable', 'reset'));
  await machine.until(() => machine.messages().some((msg) => msg.includes('its callers wait')));
  assert.deepEqual(
    machine.restored.map(({ session }) => session),
    ['v-+2'],
  );
  bucket.before = () => {};
  await waiting;
  assert.equal(machine.read(`${S}/creds.json`), 'ok');
  assert.deepEqual(machine.counted, ['restore success', 'restore failure', 'restore success']);
});

test('an object that does not open is told, and takes the place of nothing that does', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/creds.json`, 'ok old');
  await machine.sync.flusher.flush(S);
  await stored(bucket, { [`${S}/creds.json`]: 'bad', [`${S}/new.json`]: 'bad too', [`${S}/a.json`]: 'ok' });
  await machine.sync.prepare();
  assert.deepEqual([...machine.absent], [S]);
  await machine.sync.restorer.restore(S);
  assert.equal(machine.read(`${S}/creds.json`), 'ok old');
  assert.equal(machine.read(`${S}/a.json`), 'ok');
  assert.equal(machine.read(`${S}/new.json`), 'bad too', 'its readers get EIO: it does not open');
  const told = machine.lines
    .filter(({ level }) => level === 'error')
    .map(({ object, reason }) => `${object} ${reason}`);
  assert.deepEqual(told.sort(), [
    `${object(`${S}/creds.json`)} wrong-tag`,
    `${object(`${S}/new.json`)} wrong-tag`,
  ]);
  assert.ok(machine.counted.includes('restore corrupt'));
});

test('bytes that never match their checksum do not open; those that were hurt on the way once do', async (t) => {
  const bucket = new MemoryBucket();
  await stored(bucket, { [`${S}/creds.json`]: 'ok', [`${S}/a.json`]: 'ok' });
  const machine = new Machine(t, bucket);
  await machine.sync.prepare();
  let hurt = 0;
  bucket.before = ({ operation, name }) => {
    if (operation !== 'get' || (name.endsWith('creds.json') && hurt++ > 0)) return;
    throw new BucketError('corrupt', 'another checksum');
  };
  await machine.sync.restorer.restore(S);
  assert.equal(machine.read(`${S}/creds.json`), 'ok');
  assert.equal(machine.read(`${S}/a.json`), '', 'its readers get EIO: it does not open');
  assert.deepEqual(
    machine.lines.filter(({ level }) => level === 'error').map(({ reason }) => reason),
    ['checksum'],
  );
  assert.deepEqual(machine.counted, ['restore corrupt']);
});

test('no download takes more than the listed size, nor more than a file may have', async (t) => {
  const bucket = new MemoryBucket();
  await stored(bucket, { [`${S}/creds.json`]: 'ok', [`${S}/large.json`]: `ok${'x'.repeat(2000)}` });
  const machine = new Machine(t, bucket, { maxBytes: 1000 });
  await machine.sync.prepare();
  const taken: (number | undefined)[] = [];
  const get = bucket.get.bind(bucket);
  bucket.get = (name, options) => {
    taken.push(options?.maxBytes);
    return get(name, options);
  };
  await machine.sync.restorer.restore(S);
  assert.deepEqual(taken, [2], 'the large one is not asked for');
  assert.equal(machine.read(`${S}/large.json`), '', 'its readers get EIO');
  assert.deepEqual(
    machine.lines
      .filter(({ level }) => level === 'error')
      .map(({ object: name, reason }) => `${name} ${reason}`),
    [`${object(`${S}/large.json`)} too-large`],
  );
});

test('large objects of all sessions come a few at a time, small ones wait for none of them', async (t) => {
  const bucket = new MemoryBucket();
  const bytes = 100 * 1024 * 1024;
  const large = [S, 'v-+2'];
  await stored(bucket, { 'w-+3/creds.json': 'ok' });
  for (const session of large)
    for (const file of ['creds', 'a', 'b', 'c']) {
      const version = bucket.store(object(`${session}/${file}.json`), Buffer.from('ok'));
      bucket.objects.set(version.name, { ...version, size: bytes, bytes: Buffer.from('ok') });
    }
  const machine = new Machine(t, bucket, { maxBytes: 2 * bytes });
  await machine.sync.prepare();
  const isHere = deferred<void>();
  let [underWay, most] = [0, 0];
  bucket.before = async ({ operation, name }) => {
    if (operation !== 'get' || name === object('w-+3/creds.json')) return;
    most = Math.max(most, ++underWay);
    await isHere.promise;
    underWay--;
  };
  const restores = large.map((session) => machine.sync.restorer.restore(session));
  await until(() => underWay >= 2);
  await machine.sync.restorer.restore('w-+3');
  isHere.resolve();
  await Promise.all(restores);
  assert.equal(most, 2);
  assert.equal(machine.restored.length, 3);
});

test('what stands in for an object that could not be fetched never takes its place', async (t) => {
  const bucket = new MemoryBucket();
  const large = `ok${'x'.repeat(2000)}`;
  await stored(bucket, { [`${S}/creds.json`]: 'ok', [`${S}/large.json`]: large });
  const grants = new FakeGrants({ epoch: 1, previousEpoch: 1 });
  const machine = new Machine(t, bucket, { maxBytes: 1000, grants });
  await machine.sync.prepare();
  await machine.sync.restorer.restore(S);
  machine.ledger.serve(S);
  grants.granted = { ...grants.granted, epoch: 2, refresh: true };
  machine.sync.flusher.refresh(S);
  await machine.sync.flusher.flush(S);
  assert.equal(contentsOf(bucket)[`${S}/large.json`], large);
});

test('an object that has grown since it was listed is another version, one that only lies about its size is damaged', async (t) => {
  for (const isReplaced of [true, false]) {
    const bucket = new MemoryBucket();
    await stored(bucket, { [`${S}/creds.json`]: 'ok' });
    const machine = new Machine(t, bucket);
    await machine.sync.prepare();
    const listed = bucket.objects.get(object(`${S}/creds.json`));
    assert.ok(listed);
    if (isReplaced) await stored(bucket, { [`${S}/creds.json`]: 'ok and more' });
    else bucket.objects.set(listed.name, { ...listed, bytes: Buffer.from('ok and more') });
    assert.equal(await machine.sync.restorer.restore(S), !isReplaced);
    assert.equal(machine.counted.includes('restore corrupt'), !isReplaced);
  }
});

test('what was sealed with another key is waited for: an application that gets an error would start over', async (t) => {
  const bucket = new MemoryBucket();
  await stored(bucket, { [`${S}/creds.json`]: 'key' });
  const machine = new Machine(t, bucket);
  await machine.sync.prepare();
  const waiting = machine.sync.restorer.restore(S);
  await machine.until(() =>
    machine.lines.some(({ hint }) => String(hint).includes('SESSION_ENCRYPTION_KEYS_PREVIOUS')),
  );
  assert.deepEqual(machine.restored, []);
  await stored(bucket, { [`${S}/creds.json`]: 'ok' });
  assert.equal(await waiting, false, 'another version than the listed one: it has to be compared again');
  assert.equal(machine.restored.length, 0);
  await machine.sync.reconcileSession(S, grantOf(), false);
  assert.equal(await machine.sync.restorer.restore(S), true);
  assert.equal(machine.restored.length, 1);
});

test('a bucket that is gone has lost nothing: its sessions are waited for', async (t) => {
  const bucket = new MemoryBucket();
  await stored(bucket, { [`${S}/creds.json`]: 'ok', [`${S}/deleted.json`]: 'ok' });
  const machine = new Machine(t, bucket);
  await machine.sync.prepare();
  bucket.objects.delete(object(`${S}/deleted.json`));
  bucket.before = () => {
    throw new BucketError('missing', 'there is no such bucket');
  };
  const waiting = machine.sync.restorer.restore(S);
  await machine.until(() => machine.counted.includes('restore failure'));
  assert.equal(machine.ledger.absentOf(S).length, 2);
  bucket.before = () => {};
  await waiting;
  assert.deepEqual(machine.restored[0]?.files, [`${S}/creds.json`]);
});

test('a session that is not valid any more when all of it is here is not served', async (t) => {
  const bucket = new MemoryBucket();
  await stored(bucket, { [`${S}/creds.json`]: 'ok' });
  const machine = new Machine(t, bucket);
  await machine.sync.prepare();
  let absentWhenAsked: number | undefined;
  const isValid = async () => {
    absentWhenAsked = machine.ledger.absentOf(S).length;
    return false;
  };
  assert.equal(await machine.sync.restorer.restore(S, isValid), false);
  assert.equal(absentWhenAsked, 0);
  assert.deepEqual(machine.restored, []);
});

test('a restore that was cut off goes on where it was, in the next process', async (t) => {
  const bucket = new MemoryBucket();
  await stored(bucket, { [`${S}/creds.json`]: 'ok', [`${S}/a.json`]: 'ok', [`${S}/b.json`]: 'ok' });
  const first = new Machine(t, bucket);
  await first.sync.prepare();
  bucket.before = ({ name }) => (name.endsWith('b.json') ? unreachable() : undefined);
  void first.sync.restorer.restore(S);
  await first.until(() => first.ledger.absentOf(S).length === 1);
  await first.sync.end();
  first.ledger.close();
  bucket.before = () => {};
  bucket.calls.length = 0;
  const second = new Machine(t, bucket, { cachePath: first.cache.path });
  assert.deepEqual(second.ledger.absentSessions, [S]);
  await second.sync.prepare();
  await second.sync.restorer.restore(S);
  assert.deepEqual(
    bucket.calls.filter(({ operation }) => operation === 'get').map(({ name }) => name),
    [object(`${S}/b.json`)],
  );
  assert.equal(second.restored[0]?.files.length, 3);
});

test('the start waits for a long listing as long as its pages come, and no longer', async (t) => {
  const bucket = new MemoryBucket();
  bucket.pageSize = 1;
  await stored(bucket, Object.fromEntries([1, 2, 3, 4, 5, 6].map((n) => [`u-+${n}/creds.json`, 'ok'])));
  bucket.before = () => sleep(100);
  const patient = new Machine(t, bucket, { listingPageMs: 400 });
  await patient.sync.prepare();
  assert.deepEqual([patient.absent.size, patient.ledger.listed], [6, true]);
  let pages = 0;
  const never = deferred<void>();
  bucket.before = () => (pages++ < 3 ? sleep(10) : never.promise);
  const waiting = new Machine(t, bucket, { listingPageMs: 400 });
  await waiting.sync.prepare();
  assert.deepEqual([waiting.absent.size, waiting.ledger.listed, pages], [0, false, 4]);
  assert.match(waiting.sync.listingError ?? '', /no answer within 400 ms/);
});

test('files in the root are there before the names are said to be known', async (t) => {
  const bucket = new MemoryBucket();
  // One that was sealed with a missing key holds up no session.
  await stored(bucket, { 'top.json': 'ok', 'old.txt': 'key' });
  const machine = new Machine(t, bucket);
  await machine.sync.prepare();
  await machine.until(() => machine.namesKnown);
  assert.deepEqual(machine.restored, [{ session: '', files: ['old.txt', 'top.json'], directories: [] }]);
  assert.equal(machine.lines.find(({ served }) => served === 'EIO')?.reason, 'unknown-key');
});

test('without the bucket what is here is served, the listing comes when it can, and the reason is told', async (t) => {
  const bucket = new MemoryBucket();
  await stored(bucket, { 'v-+2/creds.json': 'ok', 'v-+2/a.json': 'ok' });
  bucket.before = unreachable;
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/creds.json`, 'ok');
  await machine.sync.prepare();
  assert.equal(machine.namesKnown, false);
  assert.equal(machine.ledger.listed, false);
  assert.equal(machine.sync.listingError, 'no answer');
  assert.equal(machine.lines[0]?.level, 'error');
  machine.sync.start();
  bucket.before = () => {};
  await machine.until(() => machine.namesKnown);
  assert.deepEqual([...machine.absent], ['v-+2']);
  assert.deepEqual([...machine.ledger.conflicts], []);
  assert.equal(machine.sync.listingError, undefined);
});

test('here unchanged, there newer: the bucket counts; here changed, there not: it is uploaded', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  for (const session of [S, 'v-+2'])
    for (const file of ['creds', 'a']) await machine.write(`${session}/${file}.json`, 'ok 1');
  await machine.sync.flusher.flushAll();
  await stored(bucket, { [`${S}/creds.json`]: 'ok 2' });
  await machine.write('v-+2/a.json', 'ok local');
  await machine.sync.prepare();
  assert.deepEqual([...machine.absent], [S]);
  await machine.sync.restorer.restore(S);
  assert.equal(machine.read(`${S}/creds.json`), 'ok 2');
  assert.equal(machine.restored[0]?.files.length, 2);
  await machine.sync.flusher.flushAll();
  assert.equal(contentsOf(bucket)['v-+2/a.json'], 'ok local');
});

test('changed on both sides: the bucket counts for the whole session, and what changed here is kept aside', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  for (const file of ['creds', 'a', 'b']) await machine.write(`${S}/${file}.json`, 'ok 1');
  await machine.sync.flusher.flushAll();
  await stored(bucket, { [`${S}/creds.json`]: 'ok theirs', [`${S}/theirs.json`]: 'ok theirs' });
  await machine.write(`${S}/creds.json`, 'ok mine');
  await machine.write(`${S}/mine.json`, 'ok mine');
  await machine.delete(`${S}/b.json`);
  await machine.sync.prepare();
  await machine.sync.restorer.restore(S);
  await machine.sync.flusher.flushAll();
  assert.deepEqual(
    machine.restored[0]?.files.sort(),
    ['a', 'b', 'creds', 'theirs'].map((file) => `${S}/${file}.json`),
  );
  assert.equal(machine.read(`${S}/creds.json`), 'ok theirs');
  assert.deepEqual(contentsOf(bucket)[`${S}/creds.json`], 'ok theirs');
  assert.equal(contentsOf(bucket)[`${S}/mine.json`], undefined);
  const kept = readdirSync(join(machine.cache.path, 'set-aside'));
  assert.deepEqual(kept.map((name) => name.replace(/\.\d+$/, '')).sort(), [
    'sessions%2Fu%2F+1%2Fcreds.json',
    'sessions%2Fu%2F+1%2Fmine.json',
  ]);
  assert.ok(machine.counted.includes('conflict 2'));
  const line = machine.lines.find(({ msg }) => msg.includes('kept aside'));
  assert.deepEqual([line?.session, line?.files, line?.keptIn], [S, 2, join(machine.cache.path, 'set-aside')]);
});

test('found only after it was served, a conflict leaves both sides as they are', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/creds.json`, 'ok 1');
  await machine.sync.flusher.flushAll();
  await stored(bucket, { [`${S}/creds.json`]: 'ok theirs' });
  bucket.before = unreachable;
  await machine.sync.prepare();
  machine.sync.start();
  machine.ledger.serve(S);
  bucket.before = () => {};
  await machine.until(() => machine.namesKnown);
  assert.deepEqual([...machine.absent], []);
  assert.deepEqual([...machine.ledger.conflicts], [S]);
  assert.equal(machine.read(`${S}/creds.json`), 'ok 1');
  assert.equal(contentsOf(bucket)[`${S}/creds.json`], 'ok theirs');
});

test('what the bucket lost is stored again, never deleted here', async (t) => {
  const bucket = new MemoryBucket();
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/creds.json`, 'ok');
  await machine.sync.flusher.flushAll();
  bucket.objects.clear();
  await machine.sync.prepare();
  await machine.sync.flusher.flushAll();
  assert.deepEqual(contentsOf(bucket), { [`${S}/creds.json`]: 'ok' });
});

test('objects of sessions that are here are stored again before a rule deletes them, others are not', async (t) => {
  const bucket = new MemoryBucket();
  const day = 86_400_000;
  bucket.nowMs = () => Date.now() - 20 * day;
  const machine = new Machine(t, bucket);
  await machine.write(`${S}/old.json`, 'ok');
  await machine.sync.flusher.flushAll();
  await stored(bucket, { 'v-+2/creds.json': 'ok' });
  bucket.nowMs = Date.now;
  await machine.write(`${S}/young.json`, 'ok');
  await machine.sync.flusher.flushAll();
  await machine.sync.prepare();
  bucket.calls.length = 0;
  bucket.ageRuleDays = 30;
  machine.ledger.serve(S);
  machine.sync.start();
  await machine.until(() => machine.counted.filter((event) => event === 'backup success 1 0').length === 3);
  assert.deepEqual(
    bucket.calls.filter(({ operation }) => operation === 'put').map(({ name }) => name),
    [object(`${S}/old.json`)],
  );
  assert.ok(machine.counted.includes('refreshed 1'));
});
