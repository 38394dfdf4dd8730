/** When what the ledger notes is on stable storage, and what a disk that fails leaves of it. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import fs from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileOperations } from '../../src/lib/file-operations.ts';
import { systemError } from '../../src/lib/system-error.ts';
import { Ledger } from '../../src/sync/ledger/ledger.ts';
import { recordDisk } from '../support/recorded-disk.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const CREDS = 'sessions/u/+1/creds.json';
const KEY = 'sessions/u/+1/pre-key-1.json';
const version = { generation: '7', crc32c: 1, size: 2, updatedMs: 3 };

function open(t: TestContext, cachePath: string): Ledger {
  const ledger = Ledger.open({ cachePath, bucket: 'gs://b', cachedObjects: () => [] });
  t.after(() => ledger.close());
  return ledger;
}

test('a change, and an upload that is about to be tried, is on stable storage once it is noted', async (t) => {
  const cachePath = temporaryDirectory(t);
  const ledger = open(t, cachePath);
  const path = join(cachePath, 'bucket.log');
  const synced: number[] = [];
  const { fdatasync } = fileOperations;
  t.mock.method(fileOperations, 'fdatasync', async (fd: number) => {
    await fdatasync(fd);
    if (fs.readlinkSync(`/proc/self/fd/${fd}`) === path) synced.push(fs.fstatSync(fd).size);
  });
  const changes = [
    () => ledger.changed([CREDS], []),
    () => ledger.attempt(CREDS, '0', 1),
    () => ledger.changed([], [CREDS]),
  ];
  for (const change of changes) {
    synced.length = 0;
    await change();
    assert.deepEqual(synced, [fs.statSync(path).size]);
  }
});

test('what was only noted is on stable storage once it is settled, and is synced once', async (t) => {
  const cachePath = temporaryDirectory(t);
  const ledger = open(t, cachePath);
  const path = join(cachePath, 'bucket.log');
  const { fdatasync } = fileOperations;
  let synced = 0;
  let syncs = 0;
  t.mock.method(fileOperations, 'fdatasync', async (fd: number) => {
    await fdatasync(fd);
    syncs++;
    synced = fs.fstatSync(fd).size;
  });
  await ledger.together(async () => {
    ledger.absent(CREDS, version);
    await ledger.settle();
  });
  assert.deepEqual([synced, syncs], [fs.statSync(path).size, 1]);
  await ledger.settle();
  assert.equal(syncs, 1);
  ledger.same(CREDS, version);
  await ledger.settle();
  assert.deepEqual([synced, syncs], [fs.statSync(path).size, 2]);
});

test('a ledger that is written anew is on stable storage before it has its name, and its name before it is used', async (t) => {
  const cachePath = temporaryDirectory(t);
  const done = await recordDisk(t, cachePath);
  open(t, cachePath);
  const [path, aside] = [join(cachePath, 'bucket.log'), join(cachePath, 'bucket.log.new')];
  assert.deepEqual(done, [
    { what: 'sync', path: aside },
    { what: 'name', path, from: aside },
    { what: 'sync', path: cachePath },
  ]);
});

test('a ledger that was written anew in use is the one that is used, and nothing is durable before its name is', async (t) => {
  const cachePath = temporaryDirectory(t);
  const path = join(cachePath, 'bucket.log');
  const ledger = open(t, cachePath);
  const { fsyncSync } = fs;
  let isFailing = true;
  const events = new EventEmitter();
  const failed = once(events, 'failed');
  t.mock.method(fs, 'fsyncSync', (fd: number) => {
    if (!isFailing || fs.readlinkSync(`/proc/self/fd/${fd}`) !== cachePath) return fsyncSync(fd);
    events.emit('failed');
    throw systemError('EMFILE', 'open', cachePath);
  });
  const inode = fs.statSync(path).ino;
  // Most of it is outdated, so that it is written anew.
  for (let line = 0; line < 1_200; line++) ledger.same(CREDS, { ...version, generation: String(line) });
  await failed;
  assert.notEqual(fs.statSync(path).ino, inode);
  await assert.rejects(ledger.changed([CREDS], []), { code: 'EMFILE' });
  isFailing = false;
  await ledger.changed([KEY], []);
  const next = open(t, cachePath);
  assert.deepEqual([next.get(CREDS)?.local, next.get(KEY)?.local], ['changed', 'changed']);
});

test('a line that the disk took half of is taken back: what follows is read, and nothing counts as changed', async (t) => {
  const cachePath = temporaryDirectory(t);
  const ledger = open(t, cachePath);
  await ledger.changed([CREDS], []);
  ledger.same(CREDS, version);
  const { writeSync } = fs;
  let isFull = true;
  t.mock.method(fs, 'writeSync', ((fd: number, bytes: Uint8Array, at: number) => {
    if (!isFull) return writeSync(fd, bytes, at);
    if (at > 0) throw systemError('ENOSPC', 'write', 'injected');
    return writeSync(fd, bytes, at, 10);
  }) as never);
  await assert.rejects(ledger.changed([KEY], []), { code: 'ENOSPC' });
  assert.equal(ledger.get(KEY), undefined);
  isFull = false;
  ledger.same(KEY, version);
  ledger.close();
  const next = open(t, cachePath);
  assert.deepEqual([next.dirtySessions, next.get(KEY)?.local, next.get(CREDS)?.local], [[], 'same', 'same']);
});

/** Returns how to end it. */
function fillDisk(t: TestContext): () => void {
  const full = t.mock.method(fs, 'writeSync', (() => {
    throw systemError('ENOSPC', 'write', 'injected');
  }) as never);
  return () => full.mock.restore();
}

test('what a full disk refuses is noted before anything that comes later', async (t) => {
  const cachePath = temporaryDirectory(t);
  const ledger = open(t, cachePath);
  ledger.same(CREDS, version);
  await ledger.changed([KEY], []);
  const [creds, key] = [ledger.get(CREDS), ledger.get(KEY)];
  assert.ok(creds && key);
  const end = fillDisk(t);
  ledger.touched(creds);
  end();
  ledger.noObject(key);
  const next = open(t, cachePath);
  assert.deepEqual([next.get(CREDS)?.local, next.get(KEY)], ['changed', undefined]);
});

test('where a full disk refuses more than is kept, the ledger is written anew once there is space', async (t) => {
  const cachePath = temporaryDirectory(t);
  const ledger = open(t, cachePath);
  const keyOf = (number: number) => `sessions/u/+1/pre-key-${number}.json`;
  const end = fillDisk(t);
  for (let number = 0; number < 3_000; number++) ledger.same(keyOf(number), version);
  end();
  const path = join(cachePath, 'bucket.log');
  const { ino } = fs.statSync(path);
  await ledger.changed([CREDS], []);
  for (let turn = 0; turn < 100_000 && fs.statSync(path).ino === ino; turn++) await nextTurn();
  const next = open(t, cachePath);
  assert.deepEqual([next.countsOf('u-+1').files, next.get(CREDS)?.local], [3_001, 'changed']);
});

test('what waits for a full disk is written before the ledger is closed', (t) => {
  const cachePath = temporaryDirectory(t);
  const ledger = open(t, cachePath);
  const end = fillDisk(t);
  ledger.same(CREDS, version);
  end();
  ledger.close();
  assert.equal(open(t, cachePath).get(CREDS)?.local, 'same');
});

test('a temporary file is never noted: renaming it is what counts', async (t) => {
  const ledger = open(t, temporaryDirectory(t));
  await ledger.changed([`${CREDS}.tmp`], []);
  assert.deepEqual([ledger.get(`${CREDS}.tmp`), ledger.dirtySessions], [undefined, []]);
});
