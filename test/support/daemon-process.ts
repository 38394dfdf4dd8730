import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** Inherited by all that a command starts, whatever process group or parent that has later. */
const MARK = 'SESSIONFS_TEST_PROCESS';

/**
 * A long-running command in its own process group, with all it wrote kept in memory. Killing takes the group and whatever
 * else the command started, so that nothing outlives the test; and so does the end that this process is told to make.
 */
export class DaemonProcess {
  readonly #child: ChildProcess;
  readonly #mark = `${MARK}=${randomUUID()}`;
  readonly #output: string[] = [];
  readonly #exited: Promise<Exit>;
  #exit: Exit | undefined;

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv, cwd: string) {
    this.#child = spawn(command, args, {
      env: { ...env, [MARK]: this.#mark.slice(MARK.length + 1) },
      cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#output.push(text));
    }
    this.#exited = this.#waitForExit();
    running.add(this);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get exit(): Exit | undefined {
    return this.#exit;
  }

  log(): string {
    return this.#output.join('');
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#exit === undefined) this.#child.kill(signal);
  }

  /** Kills the command first, which might otherwise replace what it started. */
  killAll(): void {
    if (this.#child.pid === undefined) return;
    kill(-this.#child.pid);
    // What was forked a moment ago is found by the next look; what waits for a mount's answer is on its way. A command that has
    // ended forks no more, and a look reads of every process on the machine.
    const looks = this.#exit === undefined ? LOOKS : 1;
    for (let look = 0; look < looks; look++) for (const pid of markedProcesses(this.#mark)) kill(pid);
  }

  /** All that the command started and that still runs, itself included. */
  processes(): number[] {
    return markedProcesses(this.#mark);
  }

  /** Rejects, with the log, when the process still runs after `timeoutMs`: a guard against a hang, not a measurement. */
  async waitForExit(timeoutMs: number): Promise<Exit> {
    const hung = new AbortController();
    const guard = sleep(timeoutMs, undefined, { signal: hung.signal }).catch(() => undefined);
    const exit = await Promise.race([this.#exited, guard]);
    hung.abort();
    if (exit === undefined) {
      throw new Error(`process ${this.pid} still runs after ${timeoutMs} ms; its log:\n${this.log()}`);
    }
    return exit;
  }

  async #waitForExit(): Promise<Exit> {
    const failed = once(this.#child, 'error').then(([error]) => {
      this.#output.push(String(error));
      return { code: 127, signal: null };
    });
    // 'close', not 'exit': only then is the log complete.
    const closed = once(this.#child, 'close').then(([code, signal]) => ({ code, signal }));
    this.#exit = await Promise.race([closed, failed]);
    running.delete(this);
    return this.#exit;
  }
}

const LOOKS = 3;

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // No process is left there.
  }
}

function markedProcesses(mark: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => environmentOf(pid).includes(mark)).map(Number);
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return '';
  }
}

const running = new Set<DaemonProcess>();

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const daemon of running) daemon.killAll();
    process.kill(process.pid, signal);
  });
}
