/** The parts of the soak, and a few seconds of it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cleanEnvironment } from '../support/environment.ts';
import { gcsEmulator } from '../support/gcs-emulator.ts';
import { repository } from '../support/repository.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { roundUp } from './chart.ts';
import { differences } from './check.ts';
import { CREDS, contentOf, SessionModel } from './model.ts';
import { optionsOf } from './options.ts';
import { Progress } from './progress.ts';
import { reportOf } from './report.ts';
import { type Sample, trendOf } from './samples.ts';
import { scheduleOf, TROUBLES } from './schedule.ts';
import type { Run } from './soak.ts';
import { verdictOf } from './verdict.ts';

const HOUR_MS = 3_600_000;

test('a seed is a schedule: every trouble comes, in time, and none lasts to the end', () => {
  for (const [seed, totalMs] of [
    [1, HOUR_MS],
    [2, 12_000],
    [3, 120_000],
  ] as const) {
    const schedule = scheduleOf(seed, totalMs);
    assert.deepEqual(schedule, scheduleOf(seed, totalMs));
    assert.deepEqual(new Set(schedule.map(({ name }) => name)), new Set(TROUBLES));
    for (const { name, atMs, lastsMs } of schedule) {
      assert.ok(atMs >= totalMs * 0.05 && atMs + lastsMs <= totalMs * 0.93, `${name} ${atMs} ${lastsMs}`);
      if (name === 'daemon' || name === 'machine') assert.ok(atMs <= totalMs / 3, `${name} at ${atMs}`);
    }
  }
  assert.notDeepEqual(scheduleOf(1, HOUR_MS), scheduleOf(2, HOUR_MS));
  assert.ok(scheduleOf(1, HOUR_MS).length > 300);
  assert.ok(!scheduleOf(1, HOUR_MS, ['clock']).some(({ name }) => name === 'clock'));
});

test('a model is a function of seed, session and steps, whoever counts them', () => {
  for (const index of [0, 2, 7]) {
    const [stepwise, at] = [new SessionModel(5, index), new SessionModel(5, index)];
    const actions = new Set<string>();
    for (let step = 0; step < 600; step++) {
      const next = stepwise.next();
      actions.add(next.action);
      stepwise.apply(next);
    }
    at.advance(600);
    assert.deepEqual(at.files, stepwise.files);
    assert.ok(actions.has('pair') && actions.has('logout'), [...actions].join());
  }
  assert.ok(contentOf('x/notes', 'notes 0 50').equals(contentOf('x/notes', 'notes 0 90').subarray(0, 50)));
});

/** The files that a model's bot has written. */
function writeAll(directory: string, model: SessionModel): void {
  mkdirSync(join(directory, model.folder), { recursive: true });
  for (const [name, value] of model.files)
    writeFileSync(join(directory, model.folder, name), contentOf(`${model.folder}/${name}`, value));
}

test('what is missing, older, damaged or too much is a difference, what a step may have done is none', (t) => {
  const directory = temporaryDirectory(t);
  const model = new SessionModel(1, 7);
  model.advance(30);
  writeAll(directory, model);
  assert.deepEqual(differences(directory, model), []);
  const creds = join(directory, model.folder, CREDS);
  const good = readFileSync(creds);
  for (const spoil of [
    () => unlinkSync(creds),
    () => writeFileSync(creds, good.subarray(0, 9)),
    () => writeFileSync(creds, contentOf(`${model.folder}/${CREDS}`, 'json 999')),
    () => writeFileSync(join(directory, model.folder, 'more.json'), '{}'),
  ]) {
    spoil();
    assert.ok(differences(directory, model).length > 0, String(spoil));
    writeFileSync(creds, good);
  }
  unlinkSync(join(directory, model.folder, 'more.json'));
  const later = new SessionModel(1, 7);
  later.advance(30);
  const underWay = later.next();
  later.apply(underWay);
  for (const { name, to } of underWay.changes)
    if (to !== undefined)
      writeFileSync(join(directory, model.folder, name), contentOf(`${model.folder}/${name}`, to));
  assert.deepEqual(differences(directory, model, { underWay }), []);
  assert.ok(differences(directory, model).length > 0);
});

test('progress is what was begun and what was done', (t) => {
  const path = join(temporaryDirectory(t), 'progress');
  Progress.create(path, 3);
  const progress = new Progress(path);
  progress.begin(2, 7);
  progress.end(2, 6);
  const other = new Progress(path);
  assert.deepEqual(
    [other.read(1), other.read(2)],
    [
      { begun: 0, done: 0 },
      { begun: 7, done: 6 },
    ],
  );
  progress.close();
  other.close();
});

const sample = (atMs: number, memoryMiB: number): Sample => ({
  atMs,
  memoryMiB,
  daemon: 1,
  descriptors: 40,
  threads: 12,
  journalMiB: 20,
  diskMiB: 50,
  stepsPerSecond: 100,
  longestMs: 30,
  requestsPerSecond: 5,
});

function runOf(growth: number, violations: Run['violations'] = []): Run {
  return {
    totalMs: 600_000,
    samples: Array.from({ length: 100 }, (_, i) => sample(i * 6000, 120 + growth * i)),
    troubles: [{ name: 'outage', atMs: 1000, lastsMs: 5000, lot: 1, note: '' }],
    steps: 1000,
    refusedForSpace: 3,
    daemons: 2,
    longestMs: 900,
    comparisons: [{ place: 'on a <remount>', differences: 0 }],
    violations,
    missing: [],
  };
}

test('what grows or differs is no good run; the page says which, and needs nothing from elsewhere', () => {
  const options = optionsOf(['--minutes', '10', '--seed', '4']);
  const good = verdictOf(options, runOf(0), true);
  assert.deepEqual([good.isGood, good.trends.length], [true, 4]);
  const grown = verdictOf(options, runOf(3), true);
  assert.match(grown.reasons.join(), /^memory of the daemon, MiB grew from [\d.]+ to [\d.]+$/);
  const lost = runOf(0, [{ atMs: 5000, text: 'creds.json: missing' }]);
  const bad = verdictOf(options, lost, true);
  assert.deepEqual(bad.reasons, ['1 differences from what was acknowledged']);
  const lacks = { ...runOf(0), missing: ['clock jumps: no library'] };
  assert.deepEqual(
    [true, false].map((strict) => verdictOf(options, lacks, strict).isGood),
    [false, true],
  );
  const page = reportOf(options, lost, bad);
  assert.ok(page.includes('on a &lt;remount&gt;') && page.includes('creds.json: missing'));
  assert.equal(page.match(/<svg /g)?.length, 8);
  assert.doesNotMatch(page, /https?:|<script|NaN|undefined/);
});

test('a trend is the last third beside the middle one; the first may be anything', () => {
  const rising = [500, 400, 300, ...Array(60).fill(100)].map((value, i) => sample(i * 1000, value));
  assert.equal(trendOf(rising, 63_000, 'memoryMiB')?.isFlat, true);
  assert.equal(trendOf(rising.slice(0, 12), 63_000, 'memoryMiB'), undefined);
  assert.deepEqual([0.7, 1, 3, 70, 180].map(roundUp), [1, 1, 5, 100, 200]);
});

test('options that mean nothing are refused', () => {
  for (const args of [
    ['--minutes', 'x'],
    ['--sessions', '0'],
    ['--seed', '-1'],
    ['--spare', 'rain'],
  ])
    assert.throws(() => optionsOf(args), new RegExp(args[0] ?? ''));
});

test('a few seconds of everything going wrong lose nothing', { timeout: 300_000 }, async (t) => {
  const out = temporaryDirectory(t);
  const args = ['--minutes', '0.1', '--sessions', '8', '--seed', '1', '--spare', 'clock,full', '--out', out];
  const child = spawn(process.execPath, [join(repository, 'dist/test/soak/main.js'), ...args], {
    env: cleanEnvironment({
      SESSIONFS_TEST_GCS_EMULATOR: await gcsEmulator(),
      SESSIONFS_TEST_STANDBY_MS: '5000',
      CI: 'true',
    }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => said.push(text));
  const [code] = await once(child, 'close');
  assert.equal(code, 0, said.join(''));
  const { run } = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as { run: Run };
  assert.ok(run.steps > 0 && run.comparisons.length === 6, said.join(''));
  t.diagnostic(`${run.steps} steps, ${run.troubles.length} troubles`);
});
