/** One shell of root in a container for many scripts: each `podman exec` is four processes that end at once. */
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { cleanEnvironment } from '../support/environment.ts';
import { CONFIGURATION, type Finished, HANG_MS } from './podman.ts';

/** Says on one line each the status, and what went to stdout and stderr, in base64. */
const RUN = `run() {
  bash -c "$(base64 -d <<<"$1")" >/run/test-stdout 2>/run/test-stderr </dev/null
  echo $?
  base64 -w 0 /run/test-stdout && echo
  base64 -w 0 /run/test-stderr && echo
}
`;

const encode = (text: string) => Buffer.from(text).toString('base64');
const decode = (text: string) => Buffer.from(text, 'base64').toString();

export class ContainerShell {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;

  constructor(container: string) {
    this.#process = spawn('podman', ['exec', '--interactive', container, 'bash'], {
      env: cleanEnvironment(CONFIGURATION),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#ended = once(this.#process, 'close');
    // A shell that ended by itself is told by what it did not say.
    this.#process.stdin.on('error', () => undefined);
    this.#lines = createInterface(this.#process.stdout)[Symbol.asyncIterator]();
    this.#process.stdin.write(RUN);
  }

  async end(): Promise<void> {
    this.#process.stdin.end();
    await this.#ended;
  }

  /** One script at a time. */
  async run(script: string): Promise<Finished> {
    const guard = setTimeout(() => this.#process.kill('SIGKILL'), HANG_MS);
    this.#process.stdin.write(`run ${encode(script)}\n`);
    const [status, stdout, stderr] = [await this.#line(), await this.#line(), await this.#line()];
    clearTimeout(guard);
    return { status: Number(status), stdout: decode(stdout), stderr: decode(stderr) };
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    assert.ok(done !== true, 'the shell in the container has ended');
    return value;
  }
}
