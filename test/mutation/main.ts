/**
 * `npm run mutate [-- TEXT]`: makes each feared mistake in a copy of the checkout, one at a time, and runs the tests that must
 * notice. Prints what was killed and what survived; fails when more than one in twenty survives. TEXT: only mutations whose
 * file or fear contains it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanEnvironment } from '../support/environment.ts';
import { repository } from '../support/repository.ts';
import { type Mutation, mutate, type Outcome } from './mutation.ts';
import { mutations } from './mutations.ts';

const WORKERS = 2;
const SURVIVORS_MAX = 0.05;
/** A mutation that makes a test hang is killed as well; a test file takes seconds. */
const HANG_MS = 120_000;
const COPIED = ['src', 'test', 'dist', 'package.json', 'tsconfig.json', 'bin', 'docs', 'scripts'];

/** A copy of the checkout, in which one mutation at a time is made. */
class Scratch {
  readonly #directory = mkdtempSync(join(tmpdir(), 'sessionfs-mutate-'));

  constructor() {
    for (const name of COPIED)
      cpSync(join(repository, name), join(this.#directory, name), { recursive: true });
    symlinkSync(join(repository, 'node_modules'), join(this.#directory, 'node_modules'));
  }

  async try(mutation: Mutation): Promise<Outcome> {
    const path = join(this.#directory, mutation.file);
    const source = readFileSync(path, 'utf8');
    writeFileSync(path, mutate(source, mutation));
    try {
      this.#compile(mutation);
      return { mutation, killedBy: await this.#firstFailure(mutation.tests) };
    } finally {
      writeFileSync(path, source);
      this.#compile(mutation);
    }
  }

  /** Resolves with the first of `tests` that fails, hangs or runs no test. */
  async firstFailure(tests: readonly string[]): Promise<string | undefined> {
    return this.#firstFailure(tests);
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true });
  }

  /** The mutated file alone. Types are not checked: a mistake that the compiler finds too must be found by a test all the same. */
  #compile({ file, fear }: Mutation): void {
    const project = join(this.#directory, 'tsconfig.mutation.json');
    const compilerOptions = { noCheck: true, noResolve: true, types: [], incremental: false };
    writeFileSync(
      project,
      JSON.stringify({ extends: './tsconfig.json', compilerOptions, include: [], files: [file] }),
    );
    const tsc = join(repository, 'node_modules/.bin/tsc');
    const { status, stdout } = spawnSync(tsc, ['-p', project], { cwd: this.#directory, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${file} (${fear}) does not compile:\n${stdout}`);
  }

  async #firstFailure(tests: readonly string[]): Promise<string | undefined> {
    for (const test of tests) if (!(await this.#passes(test))) return test;
    return undefined;
  }

  #passes(test: string): Promise<boolean> {
    const compiled = join('dist/test', test.replace(/\.ts$/, '.js'));
    const child = spawn(process.execPath, ['--test', '--test-timeout=60000', compiled], {
      cwd: this.#directory,
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    const output: string[] = [];
    child.stdout.setEncoding('utf8').on('data', (text: string) => output.push(text));
    const guard = setTimeout(() => killGroup(child.pid), HANG_MS);
    return new Promise((resolve) => {
      child.on('close', (code) => {
        clearTimeout(guard);
        killGroup(child.pid);
        resolve(code === 0 && /^# pass [1-9]/m.test(output.join('')));
      });
    });
  }
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

async function run(wanted: string): Promise<number> {
  const chosen = mutations.filter(({ file, fear }) => `${file} ${fear}`.includes(wanted));
  const scratches = Array.from({ length: WORKERS }, () => new Scratch());
  try {
    await requireSound(scratches[0] as Scratch, chosen);
    const outcomes: Outcome[] = [];
    const queue = [...chosen];
    await Promise.all(
      scratches.map(async (scratch) => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          const outcome = await scratch.try(next);
          outcomes.push(outcome);
          print(outcome);
        }
      }),
    );
    return report(outcomes);
  } finally {
    for (const scratch of scratches) scratch.remove();
  }
}

/** A test that fails without any mutation kills nothing. */
async function requireSound(scratch: Scratch, chosen: readonly Mutation[]): Promise<void> {
  for (const mutation of chosen) mutate(readFileSync(join(repository, mutation.file), 'utf8'), mutation);
  const failing = await scratch.firstFailure([...new Set(chosen.flatMap(({ tests }) => tests))]);
  if (failing !== undefined) throw new Error(`test/${failing} fails without a mutation`);
}

function print({ mutation: { file, fear }, killedBy }: Outcome): void {
  const verdict = killedBy === undefined ? 'SURVIVED' : 'killed  ';
  process.stdout.write(`${verdict} ${file}: ${fear}${killedBy === undefined ? '' : ` (${killedBy})`}\n`);
}

function report(outcomes: readonly Outcome[]): number {
  const survived = outcomes.filter(({ killedBy }) => killedBy === undefined);
  const killed = outcomes.length - survived.length;
  const share = ((100 * killed) / Math.max(1, outcomes.length)).toFixed(1);
  process.stdout.write(
    `mutations ${outcomes.length}: killed ${killed} (${share} %), survived ${survived.length}\n`,
  );
  return survived.length > SURVIVORS_MAX * outcomes.length || outcomes.length === 0 ? 1 : 0;
}

process.exitCode = await run(process.argv[2] ?? '');
