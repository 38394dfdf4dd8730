import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cleanUp, type Scope } from '../../support/cleanup.ts';
import { cleanEnvironment } from '../../support/environment.ts';
import { untilSlow } from '../../support/until.ts';

/** An application that changes all that it keeps again and again, and prints the number of each round that ended. */
export class RoundWriter {
  /** Of the last round that ended. */
  round = 0;
  #errors = '';
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;

  constructor(scope: Scope, program: string, folder: string, ...rounds: string[]) {
    this.#child = spawn(process.execPath, [program, 'write', folder, ...rounds], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.round = Number(text.trimEnd().split('\n').at(-1));
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
    });
    this.#closed = once(this.#child, 'close');
    cleanUp(scope, () => void this.#child.kill('SIGKILL'));
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async reached(round: number): Promise<void> {
    await untilSlow(() => this.round >= round || this.#hasEnded, 5);
    assert.ok(this.round >= round, `it ended in round ${this.round}: ${this.#errors}`);
  }

  async ended(): Promise<void> {
    await this.#closed;
    assert.equal(this.#child.exitCode, 0, this.#errors);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }
}
