/** A long listing: page by page, with turns for others, and true as far as it came. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { BucketError } from '../../src/bucket/bucket-error.ts';
import { folderOf, toObjectName } from '../../src/naming/object-name.ts';
import { MemoryBucket } from '../support/memory-bucket.ts';
import { FakeGrants, grantOf } from './lease-support.ts';
import { contentsOf, Machine } from './support.ts';

const S = 'u-+1';
const object = (path: string) => toObjectName(path, 'file');

function bucketOf(paths: readonly string[], pageSize: number): MemoryBucket {
  const bucket = new MemoryBucket();
  bucket.pageSize = pageSize;
  for (const path of paths) bucket.store(object(path), Buffer.from('ok'), { 'sessionfs-writer': 'other' });
  return bucket;
}

/** Something that waits until it is let go. */
function hold() {
  const events = new EventEmitter();
  const reached = once(events, 'reached');
  const gone = once(events, 'gone');
  return {
    reached,
    wait: async () => {
      events.emit('reached');
      await gone;
    },
    letGo: () => void events.emit('gone'),
  };
}

test('each page is noted before the next but one is asked for, and others have their turn in it', async (t) => {
  const pageSize = 1000;
  const pages = 8;
  const paths = Array.from({ length: pages * pageSize }, (_, index) => `u-+${index % 50}/${index}.json`);
  const bucket = bucketOf(paths, pageSize);
  const machine = new Machine(t, bucket);
  const known: number[] = [];
  const turns: number[] = [];
  let turn = 0;
  const count = () => {
    turn++;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  t.after(() => clearImmediate(timer));
  bucket.before = ({ operation }) => {
    if (operation !== 'list') return;
    known.push(machine.ledger.inBucket().objects);
    turns.push(turn);
  };
  await machine.sync.prepare();
  assert.equal(known.length, pages);
  known.forEach(
    (objects, page) => void assert.ok(objects >= (page - 1) * pageSize, `${objects} at page ${page}`),
  );
  // A page is compared in a few parts.
  turns.slice(1).forEach((now, page) => void assert.ok(now - (turns[page] ?? 0) >= 4, `${turns}`));
  assert.deepEqual([machine.ledger.inBucket().objects, machine.absent.size], [paths.length, 50]);
});

test('a listing that breaks off hides no conflict from the next one, and is true of what it named', async (t) => {
  const other = 'v-+2/creds.json';
  const bucket = new MemoryBucket();
  bucket.pageSize = 2;
  const grants = new FakeGrants({ epoch: 1, previousEpoch: 1 });
  const first = new Machine(t, bucket, { grants });
  for (const file of ['creds', 'a', 'b', 'c', 'd']) await first.write(`${S}/${file}.json`, 'ok 1');
  await first.sync.flusher.flush(S);
  await first.write(`${S}/a.json`, 'ok here');
  await first.sync.end();
  first.ledger.close();
  const theirs = { 'sessionfs-writer': 'other' };
  // The listing names it before any other file of the session.
  const before = [...bucket.objects.values()];
  bucket.objects.clear();
  bucket.store(object(`${S}/creds.json`), Buffer.from('ok there'), theirs);
  bucket.store(object(other), Buffer.from('ok'), theirs);
  for (const stored of before) if (!bucket.objects.has(stored.name)) bucket.objects.set(stored.name, stored);
  let lists = 0;
  bucket.before = ({ operation }) => {
    if (operation === 'list' && ++lists === 2) throw new BucketError('unreachable', 'no answer');
  };
  const machine = new Machine(t, bucket, { cachePath: first.cache.path, grants });
  machine.ledger.setListed(false);
  machine.ledger.beginMount();
  await machine.sync.prepare();
  assert.deepEqual([machine.ledger.listed, machine.ledger.absentSessions], [false, ['v-+2']]);
  machine.sync.start();
  await machine.until(() => machine.namesKnown);
  await machine.sync.restorer.restore(S);
  await machine.sync.flusher.flushAll();
  assert.equal(machine.read(`${S}/creds.json`), 'ok there');
  assert.equal(contentsOf(bucket)[`${S}/a.json`], 'ok 1', 'half a session is not mixed with another half');
  assert.ok(machine.counted.includes('conflict 1'));
});

test('an upload that begins while a page is noted is on the disk before it is sent', async (t) => {
  const bucket = bucketOf([`${S}/creds.json`], 1000);
  const machine = new Machine(t, bucket);
  const { length } = machine.ledger.attemptsOf('sessions/v/+2/x');
  await machine.ledger.together(async () => {
    machine.ledger.absent(object(`${S}/creds.json`), { generation: '7', crc32c: 1, size: 2, updatedMs: 3 });
    await machine.ledger.attempt('sessions/v/+2/x', '0', 1);
    const next = new Machine(t, bucket, { cachePath: machine.cache.path });
    assert.equal(next.ledger.attemptsOf('sessions/v/+2/x').length, length + 1);
    assert.deepEqual(next.ledger.absentSessions, [S]);
  });
});

test('a list that is older than what a flush under way stores tells of no conflict', async (t) => {
  const bucket = new MemoryBucket();
  let nowMs = 0;
  // No object waits for its next turn.
  const clock = { wallMs: Date.now, monotonicMs: () => (nowMs += 1_000) };
  const machine = new Machine(t, bucket, { grants: new FakeGrants(), clock });
  const { ledger, sync } = machine;
  await machine.write(`${S}/creds.json`, 'ok 1');
  await sync.flusher.flush(S);
  ledger.serve(S);
  const list = bucket.list.bind(bucket);
  const whole = () => {
    sync.start();
    return machine.until(() => machine.namesKnown);
  };
  const comparisons: [prefix: string, begin: () => Promise<void>][] = [
    ['sessions/', whole],
    [folderOf(S), () => sync.reconcileSession(S, grantOf(), true)],
  ];
  for (const [version, [prefix, begin]] of comparisons.entries()) {
    ledger.setListed(false);
    await machine.write(`${S}/creds.json`, `ok ${version + 2}`);
    const upload = hold();
    bucket.before = ({ operation }) => (operation === 'put' ? upload.wait() : undefined);
    const flushed = sync.flusher.flush(S);
    await upload.reached;
    const answer = hold();
    bucket.list = async (...given) => {
      const page = await list(...given);
      if (given[0].startsWith(prefix)) await answer.wait();
      return page;
    };
    const compared = begin();
    await Promise.race([answer.reached, compared]);
    upload.letGo();
    await flushed;
    answer.letGo();
    await compared;
    assert.deepEqual([...ledger.conflicts], [], prefix);
  }
  assert.deepEqual(
    machine.counted.filter((event) => event.startsWith('conflict')),
    [],
  );
});
