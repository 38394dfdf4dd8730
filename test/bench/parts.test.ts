/** The parts of the benchmark that measure nothing. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository } from '../support/repository.ts';
import { loseZone } from './fleet/lost-zone.ts';
import { measurement } from './measurement.ts';
import { replacePart } from './page.ts';
import { chartOfRatios } from './peers/chart.ts';
import { versionOf, withChildren } from './peers/filesystems.ts';
import { gcsfuseRelease } from './peers/report.ts';
import { parseRequests, REQUEST_COLUMNS, recordRequests } from './requests.ts';

test('a chart has a dot for each measured ratio, and lines that enclose them all', () => {
  const svg = chartOfRatios(
    [
      { name: 'read & stat', ratios: [1.2, 40] },
      { name: 'write', ratios: [0.7, undefined] },
    ],
    ['sessionfs', 'rclone'],
  );
  assert.equal(svg.match(/<circle /g)?.length, 2 + 3);
  assert.deepEqual(
    [...svg.matchAll(/>([\d.]+)x</g)].map(([, tick]) => Number(tick)),
    [0.5, 1, 2, 5, 10, 20, 50],
  );
  assert.ok(svg.includes('read &amp; stat') && !/NaN|Infinity|undefined/.test(svg));
});

test('a report goes between its marks, again and again, and the page has marks for each', () => {
  const [begin, end] = ['<!-- peers, written by npm run bench -->', '<!-- end of peers -->'];
  const page = `before\n${begin}\nold\n${end}\nafter\n`;
  const once = replacePart(page, 'peers', 'new');
  assert.equal(once, `before\n${begin}\n\nnew\n\n${end}\nafter\n`);
  assert.equal(replacePart(once, 'peers', 'new'), once);
  assert.throws(() => replacePart('no marks', 'peers', 'new'), /has no/);
  const real = readFileSync(join(repository, 'docs/benchmarks.md'), 'utf8');
  for (const name of ['peers', 'fleet'] as const)
    assert.ok(replacePart(real, name, 'x').includes('\n\nx\n\n'));
});

test('what a report says of gcsfuse is what is built', () => {
  assert.match(gcsfuseRelease(), /^\d+\.\d+\.\d+$/);
});

test('a program that is not installed has no version, and a process counts with its children', () => {
  assert.equal(versionOf('sessionfs-test-no-such-program', []), undefined);
  assert.equal(versionOf(process.execPath, ['--version']), process.version.slice(1));
  assert.ok(withChildren(process.pid).includes(process.pid));
});

const zone = {
  sessions: 1000,
  mounts: 4,
  filesPerSession: 97,
  botsBackMs: 1,
  takeoverMs: 90_000,
  requestsPerSecond: 100,
  readsPerSecond: 5000,
  doublingMs: 1_200_000,
};

test('a lost zone is restored at the rate of the mounts that are left, after their wait for its leases', () => {
  const all = loseZone(zone);
  assert.deepEqual([all.lost, all.requests, all.boundByBucket], [500, 50_000, 0]);
  // 250 sessions of 100 requests on each of two mounts, at 100 a second: within the imbalance of a lot.
  assert.ok(Math.abs(all.allMs - 340_000) < 50_000, String(all.allMs));
  assert.deepEqual(loseZone(zone), all);
  const few = loseZone({ ...zone, atATime: 8 });
  assert.ok(few.halfMs < all.halfMs - 60_000 && Math.abs(few.allMs - all.allMs) <= 2000);
  const slow = loseZone({ ...zone, readsPerSecond: 50 });
  assert.ok(slow.boundByBucket > 0.9 && slow.allMs > all.allMs * 2);
  assert.ok(loseZone({ ...zone, takeoverMs: 9_000 }).allMs <= all.allMs - 80_000);
});

test('what a transaction asked for is the difference of two looks at the metrics, an fsync apart from the thread', () => {
  const sample = (operation: string, count: number, seconds: number) =>
    ['count', 'sum'].map(
      (kind) =>
        `sessionfs_operation_duration_seconds_${kind}{operation="${operation}"} ${kind === 'count' ? count : seconds}`,
    );
  const metrics = (...samples: string[][]) =>
    parseRequests(`# HELP x\n${samples.flat().join('\n')}\nother 1\n`);
  const before = metrics(sample('write', 100, 1), sample('fsync', 10, 1), sample('lookup', 7, 1));
  const after = metrics(
    sample('write', 120, 1.0004),
    sample('fsync', 20, 1.003),
    sample('lookup', 17, 1.0001),
  );
  const rows = measurement('x', '');
  recordRequests(rows, before, after, 10);
  const found = Object.fromEntries(
    Object.entries(rows.rounds).map(([column, [value = Number.NaN]]) => [
      column,
      Math.round(value * 10) / 10,
    ]),
  );
  assert.deepEqual(found, {
    all: 4,
    ...{ write: 2, read: 0, getattr: 0, setattr: 0, fsync: 1, names: 1 },
    ...{ 'its thread, us': 50, 'an fsync, us': 300 },
  });
  assert.deepEqual(Object.keys(found), REQUEST_COLUMNS);
});
