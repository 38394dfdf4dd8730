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

  /** Resolves when the kernel has it wait for an answer of the mount. */
  async waits(): Promise<void> {
    while (!FUSE_WAITS.includes(waitChannelOf(this.#child.pid))) {
      if (!this.isRunning) throw new Error(`it did not wait: ${JSON.stringify(await this.#closed)}`);
      await sleep(POLL_MS);
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

/** What a thread sleeps in; empty for one that is gone. */
function waitChannelOf(pid: number | undefined): string {
  try {
    return readFileSync(`/proc/${pid}/wchan`, 'utf8');
  } catch {
    return '';
  }
}
