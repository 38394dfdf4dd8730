import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { deferred } from '../../../src/lib/deferred.ts';
import { cleanUp, type Scope } from '../../support/cleanup.ts';

const PROGRAM = fileURLToPath(new URL('racer.js', import.meta.url));

/** A process that appends `text` to the history of each session, as far as its mount lets it. */
export class Racer {
  /** Sessions that it has written. */
  readonly done: string[] = [];
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #ready = deferred<void>();
  #error = '';

  constructor(scope: Scope, mountPoint: string, text: string, sessions: readonly string[]) {
    const env = { ...process.env, UV_THREADPOOL_SIZE: String(sessions.length + 4) };
    this.#child = spawn(process.execPath, [PROGRAM, mountPoint, text, ...sessions], { env });
    let rest = '';
    this.#child.stdout?.setEncoding('utf8').on('data', (printed: string) => {
      const lines = (rest + printed).split('\n');
      rest = lines.pop() ?? '';
      this.done.push(...lines.filter((line) => line !== 'ready'));
      if (lines[0] === 'ready') this.#ready.resolve();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (printed: string) => {
      this.#error += printed;
    });
    this.#closed = once(this.#child, 'close');
    cleanUp(scope, () => this.kill());
  }

  /** Lets processes that are about to start begin at the same moment. */
  static async start(...racers: readonly Racer[]): Promise<void> {
    await Promise.all(racers.map((racer) => racer.#ready.promise));
    for (const racer of racers) racer.#child.stdin?.write('\n');
  }

  /** Resolves when all are written; throws when it failed. */
  async finished(): Promise<void> {
    await this.#closed;
    if (this.#error !== '') throw new Error(this.#error);
  }

  /** With all its calls that wait; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }
}
