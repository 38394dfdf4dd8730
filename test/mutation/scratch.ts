/** A copy of the checkout, in which one mutation at a time is made. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { MEMORY_FILES, memoryFiles } from '../support/memory-files.ts';
import { unmountBelow } from '../support/mounts.ts';
import { repository } from '../support/repository.ts';
import { type Mutation, mutate, NotCompiled } from './mutation.ts';
import { runTestFile, type Verdict } from './test-run.ts';

const COPIED = ['src', 'test', 'dist', 'package.json', 'tsconfig.json', 'bin', 'docs', 'scripts'];
/** The lock file is what two scripts that build the same thing wait for each other with; .cache has the emulator. */
const LINKED = ['node_modules', 'package-lock.json', '.cache'];

const BUNDLE_USER = join('test/support', 'cli-main.ts');
const IMPORTED = /(?:from|import) '(\.[^']+\.ts)'/g;

/** Whether the test, or what it imports, runs the bundle. */
function usesBundle(test: string): boolean {
  const seen = new Set([join('test', test)]);
  for (const path of seen) {
    const source = readFileSync(join(repository, path), 'utf8');
    for (const [, imported = ''] of source.matchAll(IMPORTED)) seen.add(join(dirname(path), imported));
  }
  return seen.has(BUNDLE_USER);
}

export class Scratch {
  readonly #directory = mkdtempSync(join(tmpdir(), 'sessionfs-mutate-'));
  /** Where tests put temporary files, by the variable that tells them. */
  readonly #temporary = {
    TMPDIR: join(this.#directory, 'tmp'),
    [MEMORY_FILES]: mkdtempSync(join(memoryFiles, 'sessionfs-mutate-')),
  };

  constructor() {
    for (const name of COPIED)
      cpSync(join(repository, name), join(this.#directory, name), { recursive: true });
    mkdirSync(join(repository, '.cache'), { recursive: true });
    for (const name of LINKED) symlinkSync(join(repository, name), join(this.#directory, name));
    this.#emptyTemporary();
    this.#bundle();
  }

  /** Runs `work` on the mutated code. */
  async with<T>(mutation: Mutation, work: () => Promise<T>): Promise<T> {
    const source = join(this.#directory, mutation.file);
    const compiled = join(this.#directory, 'dist', mutation.file.replace(/\.ts$/, '.js'));
    const before = [source, compiled].map((path) => [path, readFileSync(path)] as const);
    try {
      writeFileSync(source, mutate(readFileSync(source, 'utf8'), mutation));
      this.#compile(mutation);
      // What refuses a stale one would fail for that, and so kill anything.
      if (mutation.tests.some((test) => usesBundle(test))) this.#bundle();
      return await work();
    } finally {
      for (const [path, bytes] of before) writeFileSync(path, bytes);
    }
  }

  /** `test`: a file below test/. */
  async run(test: string, limitMs: number): Promise<Verdict> {
    const compiled = join('dist/test', test.replace(/\.ts$/, '.js'));
    try {
      return await runTestFile(compiled, { cwd: this.#directory, env: this.#temporary, limitMs });
    } finally {
      this.#emptyTemporary();
    }
  }

  remove(): void {
    this.#removeTemporary();
    rmSync(this.#directory, { recursive: true });
  }

  #emptyTemporary(): void {
    this.#removeTemporary();
    for (const directory of Object.values(this.#temporary)) mkdirSync(directory);
  }

  #removeTemporary(): void {
    for (const directory of Object.values(this.#temporary)) {
      unmountBelow(directory);
      rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
    }
  }

  /** The mutated file alone. Types are not checked: a mistake that the compiler finds too must be found by a test all the same. */
  #compile({ file }: Mutation): void {
    const project = join(this.#directory, 'tsconfig.mutation.json');
    const compilerOptions = { noCheck: true, noResolve: true, types: [], incremental: false };
    writeFileSync(
      project,
      JSON.stringify({ extends: './tsconfig.json', compilerOptions, include: [], files: [file] }),
    );
    const tsc = join(repository, 'node_modules/.bin/tsc');
    const { status, stdout } = spawnSync(tsc, ['-p', project], { cwd: this.#directory, encoding: 'utf8' });
    if (status !== 0) throw new NotCompiled(stdout.trim());
  }

  /** Tests that mount run the bundle. */
  #bundle(): void {
    const { status, stderr } = spawnSync(join(this.#directory, 'scripts/bundle'), { encoding: 'utf8' });
    if (status !== 0) throw new NotCompiled(stderr.trim());
  }
}
