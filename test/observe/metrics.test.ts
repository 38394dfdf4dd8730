import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import type { MetricsSource } from '../../src/observe/measurements.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { repository } from '../support/repository.ts';
import { type Exposition, parseExposition } from './support/prometheus-text.ts';

const scrape = async (metrics: Metrics): Promise<Exposition> => parseExposition(await metrics.render());

function source(changes: Partial<MetricsSource> = {}): MetricsSource {
  return {
    dirtyFiles: () => 3,
    oldestDirtyMs: () => 1500,
    sessions: () => ({ local: 2, remote: 5 }),
    storageBytes: () => 4096,
    storageObjects: () => 54,
    waiting: () => 1,
    leaseWaiting: () => 0,
    bucketUsable: () => 1,
    ...changes,
  };
}

test('every result that is known beforehand is there at 0, so that the first failure is an increase', async () => {
  const { samples } = await scrape(new Metrics());
  for (const sample of [
    'sessionfs_backups_total{result="success"}',
    'sessionfs_backups_total{result="failure"}',
    'sessionfs_restores_total{result="success"}',
    'sessionfs_restores_total{result="corrupt"}',
    'sessionfs_restores_total{result="failure"}',
    'sessionfs_backup_files_total',
    'sessionfs_conflicts_total',
    'sessionfs_set_aside_files_total',
    'sessionfs_lifecycle_refreshed_total',
    'sessionfs_fresh_registrations_total',
    'sessionfs_daemon_restarts_total',
  ]) {
    assert.equal(samples.get(sample), 0, sample);
  }
});

test('backups are counted by result, with what they carried', async () => {
  const metrics = new Metrics();
  metrics.backup('success', { files: 54, bytes: 9000, deletes: 2 });
  metrics.backup('failure', { files: 1, bytes: 100, deletes: 0 });
  metrics.backup('failure', { files: 0, bytes: 0, deletes: 0 });
  const { samples } = await scrape(metrics);
  assert.equal(samples.get('sessionfs_backups_total{result="success"}'), 1);
  assert.equal(samples.get('sessionfs_backups_total{result="failure"}'), 2);
  assert.equal(samples.get('sessionfs_backup_files_total'), 55);
  assert.equal(samples.get('sessionfs_backup_bytes_total'), 9100);
  assert.equal(samples.get('sessionfs_backup_deletes_total'), 2);
});

test('a restore is measured in seconds; one that failed is counted only', async () => {
  const metrics = new Metrics();
  // On a bound, which counts for it.
  metrics.restore('success', 500);
  metrics.restore('corrupt', 200_000);
  metrics.restore('failure', 1);
  const { samples, types } = await scrape(metrics);
  const bucket = (le: string) => samples.get(`sessionfs_restore_duration_seconds_bucket{le="${le}"}`);
  assert.equal(types.get('sessionfs_restore_duration_seconds'), 'histogram');
  assert.deepEqual(
    [bucket('0.05'), bucket('0.25'), bucket('0.5'), bucket('120'), bucket('+Inf')],
    [0, 0, 1, 1, 2],
  );
  assert.equal(samples.get('sessionfs_restore_duration_seconds_count'), 2);
  assert.equal(samples.get('sessionfs_restore_duration_seconds_sum'), 200.5);
  assert.equal(samples.get('sessionfs_restores_total{result="failure"}'), 1);
});

test('requests to the bucket are counted by operation, class and result', async () => {
  const metrics = new Metrics();
  metrics.bucketOperation({ operation: 'put', class: 'A', result: 'ok', bytes: 700, ms: 40 });
  metrics.bucketOperation({ operation: 'put', class: 'A', result: 'throttled', bytes: 0, ms: 20 });
  metrics.bucketOperation({ operation: 'get', class: 'B', result: 'ok', bytes: 50, ms: 7000 });
  metrics.bucketOperation({ operation: 'list', class: 'A', result: 'ok', bytes: 0, ms: 1 });
  const { samples } = await scrape(metrics);
  const count = (labels: string) => samples.get(`sessionfs_bucket_operations_total{${labels}}`);
  assert.equal(count('class="A",operation="put",result="ok"'), 1);
  assert.equal(count('class="A",operation="put",result="throttled"'), 1);
  assert.equal(count('class="B",operation="get",result="ok"'), 1);
  assert.equal(samples.get('sessionfs_bucket_bytes_total{operation="put"}'), 700);
  assert.equal(samples.get('sessionfs_bucket_bytes_total{operation="get"}'), 50);
  assert.equal(samples.has('sessionfs_bucket_bytes_total{operation="list"}'), false);
  assert.equal(
    samples.get('sessionfs_bucket_operation_duration_seconds_bucket{le="0.05",operation="put"}'),
    2,
  );
  assert.equal(samples.get('sessionfs_bucket_operation_duration_seconds_sum{operation="get"}'), 7);
});

test('conflicts, set aside files, refreshed objects and fresh registrations are counted one by one', async () => {
  const metrics = new Metrics();
  metrics.conflict(2);
  metrics.conflict(1);
  metrics.lifecycleRefreshed(40);
  metrics.freshRegistration();
  const { samples } = await scrape(metrics);
  assert.equal(samples.get('sessionfs_conflicts_total'), 2);
  assert.equal(samples.get('sessionfs_set_aside_files_total'), 3);
  assert.equal(samples.get('sessionfs_lifecycle_refreshed_total'), 40);
  assert.equal(samples.get('sessionfs_fresh_registrations_total'), 1);
});

const GAUGES = [
  'dirty_files',
  'dirty_oldest_age_seconds',
  'restore_waiting',
  'storage_bytes',
  'storage_objects',
];

test('an unknown value is not claimed to be 0', async () => {
  const { samples } = await scrape(new Metrics());
  const names = [...samples.keys()];
  for (const name of [...GAUGES, 'sessions']) {
    assert.deepEqual(
      names.filter((sample) => sample.startsWith(`sessionfs_${name}`)),
      [],
    );
  }
});

test('the gauges are asked at each scrape', async () => {
  const metrics = new Metrics();
  let present = source();
  metrics.source({
    dirtyFiles: () => present.dirtyFiles(),
    oldestDirtyMs: () => present.oldestDirtyMs(),
    sessions: () => present.sessions(),
    storageBytes: () => present.storageBytes(),
    storageObjects: () => present.storageObjects(),
    waiting: () => present.waiting(),
    leaseWaiting: () => present.leaseWaiting(),
    bucketUsable: () => present.bucketUsable(),
  });
  const values = async () => {
    const { samples } = await scrape(metrics);
    return [...GAUGES, 'sessions{state="local"}', 'sessions{state="remote"}'].map((name) =>
      samples.get(`sessionfs_${name}`),
    );
  };
  assert.deepEqual(await values(), [3, 1.5, 1, 4096, 54, 2, 5]);
  present = source({
    dirtyFiles: () => 0,
    oldestDirtyMs: () => undefined,
    sessions: () => ({ local: 7, remote: 0 }),
    waiting: () => 0,
  });
  assert.deepEqual(await values(), [0, 0, 0, 4096, 54, 7, 0]);
});

test('what runs is said by labels, whatever is in them', async () => {
  const metrics = new Metrics();
  metrics.daemon({ version: '1.2.3-"x\\', mode: 'hybrid', driver: 'direct', restarts: 4 });
  const { samples } = await scrape(metrics);
  assert.equal(
    samples.get('sessionfs_build_info{driver="direct",mode="hybrid",version="1.2.3-\\"x\\\\"}'),
    1,
  );
  assert.equal(samples.get('sessionfs_daemon_restarts_total'), 4);
});

test('the process is described as other clients of Prometheus do', async () => {
  const { samples, types } = await scrape(new Metrics());
  assert.equal(types.get('process_cpu_seconds_total'), 'counter');
  assert.ok((samples.get('process_cpu_seconds_total') ?? 0) > 0);
  assert.ok((samples.get('process_resident_memory_bytes') ?? 0) > 1e6);
  const started = samples.get('process_start_time_seconds') ?? 0;
  assert.ok(Math.abs(started - performance.timeOrigin / 1000) < 1, String(started));
  if (process.platform === 'linux') assert.ok((samples.get('process_open_fds') ?? 0) > 2);
});

test('processor time never counts backwards, and is not counted twice', async () => {
  const metrics = new Metrics();
  const used = async () => (await scrape(metrics)).samples.get('process_cpu_seconds_total') ?? Number.NaN;
  const [first, second] = [await used(), await used()];
  const { user, system } = process.cpuUsage();
  assert.ok(first <= second && second <= (user + system) / 1e6, `${first} ${second}`);
});

test('two instances share nothing', async () => {
  const [one, other] = [new Metrics(), new Metrics()];
  one.backup('failure', { files: 0, bytes: 0, deletes: 0 });
  assert.equal((await scrape(other)).samples.get('sessionfs_backups_total{result="failure"}'), 0);
});

test('a source that throws makes the scrape fail, not lie', async () => {
  const metrics = new Metrics();
  metrics.source(
    source({
      dirtyFiles: () => {
        throw new Error('closed');
      },
    }),
  );
  await assert.rejects(metrics.render(), /closed/);
});

test('the collections that keep a timer or an observer running are not used', async () => {
  const { types } = await scrape(new Metrics());
  const foreign = [...types.keys()].filter((name) => !/^(sessionfs|process)_/.test(name));
  assert.deepEqual(foreign, []);
});

test('a process that has made and scraped metrics ends by itself; the first scrape loads prom-client', () => {
  const module = join(repository, 'dist/src/observe/metrics.js');
  const script = `
    import { createRequire } from 'node:module';
    import { Metrics } from ${JSON.stringify(module)};
    const { cache } = createRequire(${JSON.stringify(module)});
    const isLoaded = () => Object.keys(cache).some((name) => name.includes('/node_modules/prom-client/'));
    const metrics = new Metrics();
    metrics.restore('success', 1);
    const before = isLoaded();
    await metrics.render();
    const timers = process.getActiveResourcesInfo().filter((name) => /Timeout|Immediate/.test(name));
    process.stdout.write(JSON.stringify({ timers, loaded: [before, isLoaded()] }));
  `;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: cleanEnvironment(),
    timeout: 60_000,
  });
  assert.deepEqual(JSON.parse(output), { timers: [], loaded: [false, true] });
});
