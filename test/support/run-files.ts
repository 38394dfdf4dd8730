/**
 * Runs compiled test files for scripts/test: `run-files.js CENSUS FILE...`. Stdout is node's own report, with the slowest files
 * and tests before its summary. CENSUS gets what scripts/test judges by; see `census`. Exits with 1 when a test failed.
 */
import { createWriteStream } from 'node:fs';
import { availableParallelism } from 'node:os';
import { relative, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { run } from 'node:test';
import { spec, type TestEvent } from 'node:test/reporters';
import { repository } from './repository.ts';

/** The tests wait more than they compute, for a mount, a bucket or a killed daemon: three for each core, as far as memory suffices. */
const CONCURRENCY = Number(
  process.env.SESSIONFS_TEST_CONCURRENCY ?? Math.min(12, 3 * availableParallelism()),
);
/** For one file; a guard against a hang. A simulation takes as long as it is told to. */
const HANG_MS = 1_200_000 + Number(process.env.SESSIONFS_SIMULATION_SECONDS ?? 0) * 1000;
const SLOWEST_COUNT = 10;

/**
 * Files of these take longest. They start first, so that the run does not end with one of them alone. Those that only compute
 * come one after the other, each beside files that mostly wait.
 */
const LONG_RUNNING = [
  'containers/pod',
  'simulation/simulation',
  'containers/compose',
  'instances/deploy',
  'crash/flush',
  'hybrid/restore',
  'lease/model-deaths',
  'containers/debian',
  'containers/killed',
  'crash/daemon',
  'crash/application',
  'package/',
  'mounted/documented-lines',
  'hybrid/trouble',
  'soak/',
  'fs/model',
  'fuse-native/hybrid',
  'instances/fencing',
  'instances/trouble',
  'lease/model',
  'observe/status-page/browser',
  'simulation/',
  'crash/',
  'containers/',
  'instances/',
  'hybrid/',
  'cloud/',
  's3/',
  'fuse-native/',
  'mounted/',
  'rootless/',
  'scripts/',
];

interface Timed {
  name: string;
  durationMs: number;
}

function longestFirst(files: readonly string[]): string[] {
  const rank = (file: string) => {
    const name = relative(resolve(repository, 'dist/test'), file);
    const found = LONG_RUNNING.findIndex((prefix) => name.startsWith(prefix));
    return found === -1 ? LONG_RUNNING.length : found;
  };
  return files.toSorted((a, b) => rank(a) - rank(b));
}

/**
 * `ran FILE` for each file in which at least one test ran, and `skipped FILE: NAME` for each test marked skip or todo.
 * node:test itself reports a file without tests as passed.
 */
async function* census(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const ran = new Set<string>();
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const { name, file, skip, todo } = data;
    const isFileItself = name === file;
    const isSuite = data.details.type === 'suite';
    if (file === undefined || isFileItself || isSuite) continue;
    if (skip || todo) {
      yield `skipped ${file}: ${name}\n`;
    } else if (!ran.has(file)) {
      ran.add(file);
      yield `ran ${file}\n`;
    }
  }
}

/** The events, with the slowest files and tests told before the first line of node's summary. */
async function* withSlowest(events: AsyncIterable<TestEvent>): AsyncGenerator<TestEvent> {
  const files: Timed[] = [];
  const tests: Timed[] = [];
  for await (const event of events) {
    if (event.type === 'test:complete') {
      const { name, file, details, nesting } = event.data;
      const timed = { name: relative(repository, name), durationMs: details.duration_ms };
      if (name === file) files.push(timed);
      else if (nesting === 0) tests.push({ ...timed, name });
    }
    if (event.type === 'test:diagnostic' && isSummaryStart(event.data)) {
      yield* slowest('files', files);
      yield* slowest('tests', tests);
    }
    yield event;
  }
}

function isSummaryStart({ file, nesting, message }: { file?: string; nesting: number; message: string }) {
  return file === undefined && nesting === 0 && /^tests \d+$/.test(message);
}

function* slowest(what: string, timed: readonly Timed[]): Generator<TestEvent> {
  const listed = timed.toSorted((a, b) => b.durationMs - a.durationMs).slice(0, SLOWEST_COUNT);
  const lines = listed.map(
    ({ name, durationMs }) => `${(durationMs / 1000).toFixed(1).padStart(7)} s  ${name}`,
  );
  for (const message of [`the slowest ${what}:`, ...lines])
    yield { type: 'test:diagnostic', data: { message, nesting: 0 } } as TestEvent;
}

const [censusPath = '', ...listed] = process.argv.slice(2);
const files = longestFirst(listed.map((file) => resolve(file)));
const events = run({ files, concurrency: CONCURRENCY, timeout: HANG_MS });
events.on('test:fail', ({ todo }) => {
  if (todo === undefined || todo === false) process.exitCode = 1;
});
await Promise.all([
  pipeline(events.pipe(new PassThrough({ objectMode: true })), withSlowest, new spec(), process.stdout),
  pipeline(events.pipe(new PassThrough({ objectMode: true })), census, createWriteStream(censusPath)),
]);
