import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { costOf, measured, pricesOf } from '../../src/kit/cost.ts';
import { exitStatus } from '../../src/lib/errors.ts';
import { repository } from '../support/repository.ts';
import { runCli } from './run-cli.ts';

const load = { sessions: 1000, messagesPerHour: 60, intervalMs: 300_000, filesPerSession: 992, mounts: 1 };

test('the model gives what was measured, and what copying everything comes to', () => {
  const { sessionfs, copyingEverything } = costOf(load);
  assert.equal(Math.round(sessionfs.uploadsPerSessionAndHour), 50);
  assert.ok(Math.abs(sessionfs.dollars.uploads - 179) < 2, String(sessionfs.dollars.uploads));
  assert.equal(copyingEverything.uploadsPerSessionAndHour, 11_904);
  assert.equal(Math.round(copyingEverything.dollars.uploads), 42_854);
  assert.equal(Math.round(costOf({ ...load, filesPerSession: 50 }).copyingEverything.dollars.uploads), 2160);
});

test('cost follows change: none without messages, less with a longer interval, never more than each write', () => {
  assert.equal(costOf({ ...load, messagesPerHour: 0 }).sessionfs.uploads, 0);
  const rates = [1000, 60_000, 300_000, 3_600_000].map(
    (intervalMs) => costOf({ ...load, intervalMs }).sessionfs,
  );
  for (const [index, { uploads }] of rates.entries())
    assert.ok(uploads < (rates[index - 1]?.uploads ?? Infinity));
  assert.ok((rates[0]?.uploadsPerSessionAndHour ?? 0) <= 60 * measured.writesPerMessage);
});

test('the command line of the documentation prints both sides, the prices and where they are from', () => {
  const line = 'cost --sessions 1000 --messages-per-hour 60 --interval 5m';
  const page = readFileSync(join(repository, 'docs/google-cloud.md'), 'utf8');
  assert.ok(page.includes(`sessionfs ${line}`));
  const { status, stdout } = runCli(line.split(' '));
  assert.equal(status, 0);
  assert.match(stdout, /^uploads per session and hour +50\.1 +11,904$/m);
  assert.match(stdout, /^uploads a month +36 million +8,571 million$/m);
  const few = runCli(['cost', '--sessions=1', '--messages-per-hour=2', '--files=7']).stdout;
  assert.match(few, /^uploads a month +[\d,]{3,6} +60,480$/m);
  assert.match(few, /^stored, .* +0\.0\d{1,4} GB +\S+ GB$/m);
  assert.match(stdout, /^ +total +1\d\d\.\d\d +4\d,\d{3}\.\d\d$/m);
  const prices = pricesOf.google;
  assert.ok(stdout.includes(prices.asOf) && stdout.includes(prices.source) && page.includes(prices.source));
  for (const price of [prices.classA, prices.classB, prices.storage])
    assert.ok(page.includes(`$${price}`), String(price));
  const json = JSON.parse(runCli([...line.split(' '), '--json']).stdout) as ReturnType<typeof costOf>;
  assert.deepEqual(json.load, load);
  for (const interval of ['soon', '0', '500', '-5m'])
    assert.equal(runCli(['cost', `--interval=${interval}`]).status, exitStatus.USAGE);
});

test('the prices of S3 and R2 are those of the documentation', () => {
  const page = readFileSync(join(repository, 'docs/amazon-s3.md'), 'utf8');
  for (const [provider, name] of [
    ['google', 'Google Cloud Storage'],
    ['s3', 'Amazon S3'],
    ['r2', 'Cloudflare R2'],
  ] as const) {
    const { classA, classB, storage, source } = pricesOf[provider];
    const row = [name, (classA * 1000).toFixed(2), (classB * 1000).toFixed(2), 'free', storage.toFixed(3)];
    assert.ok(page.includes(`| ${row.join(' | ')} |`), row.join());
    assert.ok(page.includes(source), source);
  }
  const [google, s3, r2] = [costOf(load), costOf(load, 's3'), costOf(load, 'r2')];
  assert.equal(s3.sessionfs.dollars.uploads, google.sessionfs.dollars.uploads);
  assert.ok(r2.sessionfs.dollars.total < s3.sessionfs.dollars.total);
  const { stdout } = runCli(['cost', '--provider', 's3']);
  assert.match(stdout, /^stored +1 GB/m);
  assert.ok(stdout.includes(pricesOf.s3.source));
  assert.equal(runCli(['cost', '--provider', 'azure']).status, exitStatus.USAGE);
});
