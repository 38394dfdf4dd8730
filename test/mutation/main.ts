/**
 * `npm run mutate [-- TEXT...]`: makes each feared mistake in a copy of the checkout, one at a time, and runs the tests that must
 * notice. Prints what was killed and what survived; fails when more than one in twenty survives. TEXT: only mutations whose
 * file or fear contains one of them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from '../support/repository.ts';
import { type Mutation, mutate, NotCompiled, type Outcome } from './mutation.ts';
import { mutations } from './mutations.ts';
import { Scratch } from './scratch.ts';
import type { Verdict } from './test-run.ts';

const WORKERS = 2;
const SURVIVORS_MAX = 0.05;
/** A test file that takes this much longer than without a mutation hangs. */
const HANG_MS = 90_000;
const HANG_FACTOR = 5;
/** For a test file without a mutation: it may build the emulator. */
const SOUND_MS = 600_000;

/** How long each test file takes without a mutation, in ms. */
type Times = ReadonlyMap<string, number>;

/** Takes one job at a time for each scratch until none is left. */
async function work<T>(
  scratches: readonly Scratch[],
  jobs: readonly T[],
  one: (scratch: Scratch, job: T) => Promise<void>,
): Promise<void> {
  const queue = [...jobs];
  await Promise.all(
    scratches.map(async (scratch) => {
      for (let job = queue.shift(); job !== undefined; job = queue.shift()) await one(scratch, job);
    }),
  );
}

async function run(wanted: readonly string[]): Promise<number> {
  const isWanted = ({ file, fear }: Mutation) => wanted.some((text) => `${file} ${fear}`.includes(text));
  const chosen = wanted.length === 0 ? mutations : mutations.filter(isWanted);
  for (const mutation of chosen) mutate(readFileSync(join(repository, mutation.file), 'utf8'), mutation);
  const scratches = Array.from({ length: WORKERS }, () => new Scratch());
  try {
    const times = await measureSound(scratches, [...new Set(chosen.flatMap(({ tests }) => tests))]);
    const outcomes: Outcome[] = [];
    await work(scratches, chosen, async (scratch, mutation) => {
      const outcome = await scratch
        .with(mutation, () => tryTests(scratch, mutation, times))
        .catch((error: unknown): Outcome => {
          if (error instanceof NotCompiled) return { mutation, kind: 'broken', why: error.message };
          throw error;
        });
      outcomes.push(outcome);
      print(outcome);
    });
    return report(outcomes);
  } finally {
    for (const scratch of scratches) scratch.remove();
  }
}

/** Throws where a test fails without any mutation, twice: it kills nothing. */
async function measureSound(scratches: readonly Scratch[], tests: readonly string[]): Promise<Times> {
  const times = new Map<string, number>();
  const unsound: string[] = [];
  await work(scratches, tests, async (scratch, test) => {
    let verdict: Verdict | undefined;
    for (let tries = 0; tries < 2 && verdict?.kind !== 'passed'; tries++) {
      const startMs = performance.now();
      verdict = await scratch.run(test, SOUND_MS);
      times.set(test, performance.now() - startMs);
    }
    if (verdict?.kind === 'failed') unsound.push(`test/${test} fails without a mutation: ${verdict.said}`);
    if (verdict?.kind === 'hung') unsound.push(`test/${test} hangs without a mutation`);
  });
  if (unsound.length > 0) throw new Error(unsound.join('\n'));
  return times;
}

/** The shortest test first, until one fails. */
async function tryTests(scratch: Scratch, mutation: Mutation, times: Times): Promise<Outcome> {
  const timeOf = (test: string) => times.get(test) ?? 0;
  let hung: string | undefined;
  for (const test of mutation.tests.toSorted((a, b) => timeOf(a) - timeOf(b))) {
    const verdict = await scratch.run(test, HANG_MS + HANG_FACTOR * timeOf(test));
    if (verdict.kind === 'failed') return { mutation, kind: 'killed', why: `${test}: ${verdict.said}` };
    if (verdict.kind === 'hung') hung ??= test;
  }
  return hung === undefined ? { mutation, kind: 'survived', why: '' } : { mutation, kind: 'hung', why: hung };
}

function print({ mutation: { file, fear }, kind, why }: Outcome): void {
  const verdict = (kind === 'killed' ? kind : kind.toUpperCase()).padEnd('SURVIVED'.length);
  process.stdout.write(`${verdict} ${file}: ${fear}${why === '' ? '' : ` (${why})`}\n`);
}

function report(outcomes: readonly Outcome[]): number {
  const count = (kind: Outcome['kind']) => outcomes.filter((outcome) => outcome.kind === kind).length;
  const killed = count('killed');
  const share = ((100 * killed) / Math.max(1, outcomes.length)).toFixed(1);
  process.stdout.write(
    `mutations ${outcomes.length}: killed ${killed} (${share} %), survived ${count('survived')}, hung ${count('hung')}, broken ${count('broken')}\n`,
  );
  return outcomes.length - killed > SURVIVORS_MAX * outcomes.length || outcomes.length === 0 ? 1 : 0;
}

process.exitCode = await run(process.argv.slice(2));
