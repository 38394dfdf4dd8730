import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { sealRefusals } from '../../src/crypto/seal-error.ts';
import { Errno } from '../../src/lib/errno.ts';
import {
  FilesystemCounters,
  type OperationName,
  operationNames,
  refusalNames,
} from '../../src/observe/filesystem-counters.ts';
import type { FilesystemSource } from '../../src/observe/measurements.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { CacheUsage } from '../../src/store/cache/usage.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { parseExposition } from './support/prometheus-text.ts';

const place = (name: OperationName) => operationNames.indexOf(name);

async function scrape(changes: Partial<FilesystemSource> = {}) {
  const metrics = new Metrics();
  metrics.filesystem({
    counters: [],
    files: async () => ({ sessions: 2, files: 110, dirty: 3, heldBack: 1 }),
    disk: async () => ({ journalBytes: 4096, cacheBytes: 70_000, freeBytes: 1e9 }),
    ...changes,
  });
  return parseExposition(await metrics.render()).samples;
}

test('in local mode the numbers of files and disk are there', async () => {
  const samples = await scrape();
  assert.deepEqual(
    [
      'sessionfs_files',
      'sessionfs_dirty_files',
      'sessionfs_held_back_files',
      'sessionfs_journal_bytes',
      'sessionfs_cache_bytes',
      'sessionfs_cache_free_bytes',
      'sessionfs_sessions{state="local"}',
      'sessionfs_sessions{state="remote"}',
    ].map((name) => samples.get(name)),
    [110, 3, 1, 4096, 70_000, 1e9, 2, 0],
  );
});

test('with a bucket dirty files and sessions are those of the bucket', async () => {
  const metrics = new Metrics();
  const nothing = { storageBytes: () => 0, storageObjects: () => 0, waiting: () => 0, leaseWaiting: () => 0 };
  metrics.source({
    ...nothing,
    dirtyFiles: () => 7,
    oldestDirtyMs: () => undefined,
    sessions: () => ({ local: 1, remote: 5 }),
    bucketUsable: () => 1,
  });
  metrics.filesystem({
    counters: [],
    files: async () => ({ sessions: 2, files: 110, dirty: 3, heldBack: 1 }),
    disk: async () => ({ journalBytes: 0, cacheBytes: 0, freeBytes: 0 }),
  });
  const { samples } = parseExposition(await metrics.render());
  assert.equal(samples.get('sessionfs_dirty_files'), 7);
  assert.equal(samples.get('sessionfs_sessions{state="remote"}'), 5);
});

test('a mount that does not answer leaves no stale numbers, and what it counted is still told', async () => {
  const counters = new FilesystemCounters();
  counters.operation(place('write'), Errno.EIO, 2);
  let answers = true;
  const metrics = new Metrics();
  metrics.filesystem({
    counters: [counters],
    files: async () => (answers ? { sessions: 2, files: 110, dirty: 3, heldBack: 1 } : undefined),
    disk: async () => ({ journalBytes: undefined, cacheBytes: undefined, freeBytes: undefined }),
  });
  assert.equal(parseExposition(await metrics.render()).samples.get('sessionfs_files'), 110);
  answers = false;
  const { samples } = parseExposition(await metrics.render());
  assert.deepEqual(
    ['sessionfs_files', 'sessionfs_sessions{state="local"}', 'sessionfs_cache_bytes'].map((name) =>
      samples.has(name),
    ),
    [false, false, false],
  );
  assert.equal(samples.get('sessionfs_operations_total{operation="write"}'), 1);
});

test('operations are counted with their errors and times, over all threads', async () => {
  const [serving, main] = [new FilesystemCounters(), new FilesystemCounters()];
  serving.operation(place('read'), 0, 0.05);
  serving.operation(place('read'), 0, 5);
  serving.operation(place('read'), Errno.EDQUOT, 60_000);
  serving.operation(place('fsync'), -511, 1);
  main.operation(place('fsync'), Errno.EIO, 20);
  const samples = await scrape({ counters: [serving, main] });
  const numbers = (name: string, ...labels: string[]) =>
    labels.map((label) => samples.get(`${name}{${label}}`));
  assert.deepEqual(
    numbers('sessionfs_operations_total', 'operation="read"', 'operation="fsync"', 'operation="rename"'),
    [3, 2, 0],
  );
  assert.deepEqual(
    numbers('sessionfs_operation_errors_total', 'error="ENOSPC"', 'error="EIO"', 'error="other"'),
    [1, 1, 1],
  );
  const bucket = (le: string) => `le="${le}",operation="read"`;
  assert.deepEqual(
    numbers('sessionfs_operation_duration_seconds_bucket', ...['0.0001', '0.01', '10', '+Inf'].map(bucket)),
    [1, 2, 2, 3],
  );
  assert.equal(samples.get('sessionfs_operation_duration_seconds_count{operation="read"}'), 3);
  assert.equal(samples.get('sessionfs_operation_duration_seconds_sum{operation="read"}'), 60.00505);
});

test('every failure is there at 0, so that the first one is an increase', async () => {
  const samples = await scrape();
  for (const sample of [
    'sessionfs_operation_errors_total{error="EIO"}',
    'sessionfs_incomplete_json_total{outcome="given-up"}',
    'sessionfs_incomplete_json_total{outcome="rename-refused"}',
    'sessionfs_shared_sessions_total',
    ...refusalNames.map((reason) => `sessionfs_refused_files_total{reason="${reason}"}`),
  ])
    assert.equal(samples.get(sample), 0, sample);
});

test('each reason for which a file does not open is counted by itself', () => {
  assert.deepEqual([...sealRefusals, 'disk'], [...refusalNames]);
});

test('what another thread counts is seen without a message', async () => {
  const counters = new FilesystemCounters();
  const url = new URL('../../src/observe/filesystem-counters.js', import.meta.url).href;
  const script = `
    const { workerData } = require('node:worker_threads');
    import(${JSON.stringify(url)}).then(({ FilesystemCounters }) => {
      const counters = new FilesystemCounters(workerData);
      for (let time = 0; time < 1000; time++) counters.operation(0, 0, 1);
    });`;
  const worker = new Worker(script, { eval: true, workerData: counters.shared });
  await new Promise((resolve) => worker.once('exit', resolve));
  const samples = await scrape({ counters: [counters] });
  assert.equal(samples.get('sessionfs_operations_total{operation="lookup"}'), 1000);
});

test('the room of a cache is measured without its journal, and not at every scrape', async (t) => {
  const cachePath = temporaryDirectory(t);
  const journalDirectory = join(cachePath, 'journal');
  mkdirSync(journalDirectory);
  mkdirSync(join(cachePath, 'sessions', 'u'), { recursive: true });
  writeFileSync(join(cachePath, 'sessions', 'u', 'creds.json'), 'x'.repeat(700));
  writeFileSync(join(cachePath, 'version'), '1');
  writeFileSync(join(journalDirectory, '1'), 'x'.repeat(50));
  const usage = new CacheUsage({ cachePath, journalDirectory });
  let read = await usage.read();
  await until(async () => {
    read = await usage.read();
    return read.cacheBytes !== undefined;
  });
  assert.deepEqual([read.cacheBytes, read.journalBytes], [701, 50]);
  assert.ok((read.freeBytes ?? 0) > 0);
  writeFileSync(join(cachePath, 'more'), 'x');
  writeFileSync(join(journalDirectory, '2'), 'x');
  const { cacheBytes, journalBytes } = await usage.read();
  assert.deepEqual([cacheBytes, journalBytes], [701, 51]);
});

test('a cache that is gone has no numbers', async () => {
  const usage = new CacheUsage({ cachePath: '/no/such/cache', journalDirectory: '/no/such/cache/journal' });
  assert.deepEqual(await usage.read(), {
    journalBytes: undefined,
    cacheBytes: undefined,
    freeBytes: undefined,
    trash: undefined,
  });
});

test('what the trash keeps is told, and nothing where none is', async () => {
  const disk = { journalBytes: 0, cacheBytes: 0, freeBytes: 0 };
  const trash = { archives: 3, sessions: 2, bytes: 700 };
  const kept = await scrape({ disk: async () => ({ ...disk, trash }) });
  assert.deepEqual(
    ['archives', 'sessions', 'bytes'].map((name) => kept.get(`sessionfs_trash_${name}`)),
    [3, 2, 700],
  );
  assert.equal((await scrape({ disk: async () => disk })).has('sessionfs_trash_bytes'), false);
});
