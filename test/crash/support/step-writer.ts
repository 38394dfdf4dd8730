import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { beforeAll, treeAfter } from '../../mounted/crash-steps.ts';
import { difference, readTree, type Tree, writeTree } from '../../mounted/session-files.ts';
import { cleanUp, type Scope } from '../../support/cleanup.ts';
import { repository } from '../../support/repository.ts';

const script = join(repository, 'dist/test/mounted/crash-writer.js');

/**
 * A process that changes a directory again and again: overwrites, appends, renames, unlinks, mkdirs. It notes each change
 * whose calls have all returned, and ends with the first that fails.
 */
export class StepWriter {
  readonly #directory: string;
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #said = '';

  /** `directory` is empty. `pauseMs`: after each change. */
  constructor(scope: Scope, directory: string, pauseMs = 0) {
    writeTree(directory, beforeAll);
    this.#directory = directory;
    this.#child = spawn(process.execPath, [script, directory, '0', String(pauseMs)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
    });
    this.#closed = once(this.#child, 'close');
    cleanUp(scope, () => void this.#child.kill('SIGKILL'));
  }

  /** Changes that returned so far. */
  get steps(): number {
    return this.#lines().filter((line) => /^\d+$/.test(line)).length;
  }

  /** Why it has ended by itself, if it has. */
  get error(): string | undefined {
    return this.#lines().find((line) => !/^\d+$/.test(line));
  }

  /** Resolves when it is gone, killed wherever it was. */
  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }

  /**
   * After `stop`: what differs, in `directory` (by default its own), from the changes that had returned. The one that it
   * was killed in may have happened or not.
   */
  differences(directory = this.#directory): string[] {
    const actual = readTree(directory);
    const without = difference(actual, this.#treeAfter(this.steps));
    return difference(actual, this.#treeAfter(this.steps + 1)).length === 0 ? [] : without;
  }

  #treeAfter(steps: number): Tree {
    return treeAfter(beforeAll, 0, steps);
  }

  #lines(): string[] {
    return this.#said.split('\n').slice(0, -1);
  }
}
