/** A process that reads a file of a mount, and waits as long as the mount makes it wait. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanUp, type Scope } from '../../support/cleanup.ts';

export interface Reading {
  text: string;
  error: string;
  code: number | null;
  signal: NodeJS.Signals | null;
}

/**
 * Where the kernel has a process sleep until a FUSE request is answered, its own or (libfuse 2 takes one lookup of a folder at a
 * time) the one before it.
 */
const FUSE_WAITS = ['request_wait_answer', 'fuse_lock_inode'];
const POLL_MS = 5;
/** A path is looked up name by name, and a busy machine takes its time for each. */
const STILL_MS = 100;

export class Reader {
  readonly #child: ChildProcess;
  readonly #closed: Promise<Reading>;

  /** `cat PATH`, or another command that takes a path. */
  constructor(scope: Scope, path: string, command = 'cat') {
    this.#child = spawn(command, [path], { stdio: ['ignore', 'pipe', 'pipe'] });
    const reading: Reading = { text: '', error: '', code: null, signal: null };
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      reading.text += text;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      reading.error += text;
    });
    this.#closed = once(this.#child, 'close').then(([code, signal]) => ({ ...reading, code, signal }));
    cleanUp(scope, () => this.kill());
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves when the kernel has it wait for one and the same answer of the mount, and not for one that comes at once. */
  async waits(): Promise<void> {
    let since = performance.now();
    for (let before = ''; performance.now() - since < STILL_MS; await sleep(POLL_MS)) {
      if (!this.isRunning) throw new Error(`it did not wait: ${JSON.stringify(await this.#closed)}`);
      const wait = waitOf(this.#child.pid);
      if (wait === '' || wait !== before) since = performance.now();
      before = wait;
    }
  }

  ended(): Promise<Reading> {
    return this.#closed;
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }
}

/** The wait for an answer that a process sleeps in, one like no other; empty when it does not. */
function waitOf(pid: number | undefined): string {
  try {
    if (!FUSE_WAITS.includes(readFileSync(`/proc/${pid}/wchan`, 'utf8'))) return '';
    return /^voluntary_ctxt_switches:\s+\d+$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[0] ?? '';
  } catch {
    return '';
  }
}
