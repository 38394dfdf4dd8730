/** The application that `sessionfs run` starts: gets the signals that this process gets, and is waited for. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { accessSync, constants as files, statSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { sendSecrets } from '../api/passed-secrets.ts';
import { type Deferred, deferred } from '../lib/deferred.ts';
import { inTime } from '../lib/in-time.ts';
import { withCoreLimit } from '../lib/process-protection.ts';
import type { Secrets } from '../lib/secrets.ts';
import type { Logger } from '../observe/log.ts';
import { TerminalSignals, terminalSignals } from './terminal-signals.ts';

export type CommandEnd = { code: number; signal: null } | { code: null; signal: NodeJS.Signals };

const PASSED_ON = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGWINCH', 'SIGCONT'] as const;
const GRACE_MS = 5_000;
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

export interface CommandOptions {
  /** This process's own when not given. */
  readonly env?: NodeJS.ProcessEnv;
  /** Signals that it gets besides the usual ones. */
  readonly passesOn?: readonly NodeJS.Signals[];
  /** It may dump core files as large as this, see withCoreLimit. */
  readonly coreLimit?: string | undefined;
  /** It is a process of sessionfs, which gets them by a channel. */
  readonly secrets?: Secrets;
}

export class RunningCommand {
  readonly #file: string;
  readonly #args: readonly string[];
  readonly #log: Logger;
  readonly #env: NodeJS.ProcessEnv | undefined;
  readonly #coreLimit: string | undefined;
  readonly #secrets: Secrets | undefined;
  readonly #ended: Deferred<CommandEnd> = deferred();
  #child: ChildProcess | undefined;
  /** Where standard input is a terminal. */
  #terminal: TerminalSignals | undefined;
  /** A signal that came before the command was there ends everything as soon as it would start. */
  #early: NodeJS.Signals | undefined;

  constructor(file: string, args: readonly string[], log: Logger, options: CommandOptions = {}) {
    this.#file = file;
    this.#args = args;
    this.#log = log;
    this.#env = options.env;
    this.#coreLimit = options.coreLimit;
    this.#secrets = options.secrets;
    for (const signal of [...PASSED_ON, ...(options.passesOn ?? [])])
      process.on(signal, () => this.#pass(signal));
    for (const signal of terminalSignals) {
      process.on(signal, () => {
        if (this.#terminal === undefined || this.#child === undefined) this.#pass(signal);
        else this.#terminal.received(signal);
      });
    }
  }

  /** Resolves when it has ended. */
  async start(): Promise<CommandEnd> {
    if (process.stdin.isTTY) {
      const terminal = new TerminalSignals((signal) => this.#pass(signal));
      await terminal.start();
      this.#terminal = terminal;
      void this.#ended.promise.then(() => terminal.stop());
    }
    return this.#start();
  }

  #start(): Promise<CommandEnd> {
    if (this.#early !== undefined) {
      this.#ended.resolve({ code: null, signal: this.#early });
      return this.#ended.promise;
    }
    const env = this.#env ?? process.env;
    const command = [this.#file, ...this.#args];
    // A shell in between would take for an exit status what is an error of the start.
    const isRunnable = canExecute(this.#file, env);
    const [file = '', ...args] = isRunnable ? withCoreLimit(this.#coreLimit, command) : command;
    const stdio: StdioOptions = ['inherit', 'inherit', 'inherit'];
    const child = spawn(file, args, {
      stdio: this.#secrets === undefined ? stdio : [...stdio, 'ipc'],
      env,
    });
    this.#child = child;
    if (this.#secrets !== undefined) sendSecrets(child, this.#secrets);
    child.on('exit', (code, signal) => {
      this.#ended.resolve(signal === null ? { code: code ?? 0, signal } : { code: null, signal });
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return;
      this.#log.error({ command: this.#file, error: error.message }, 'The command could not be started');
      this.#ended.resolve({ code: error.code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE, signal: null });
    });
    return this.#ended.promise;
  }

  /**
   * Ends it, by force if need be. On return it runs no more code of its own: one that is stuck in a call on the mount has
   * its SIGKILL pending, and dies when the call returns.
   */
  async end(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      child.kill(signal);
      const ended = this.#ended.promise.then(() => true);
      if (await inTime(ended, signal === 'SIGTERM' ? GRACE_MS : 100, false)) return;
    }
  }

  #pass(signal: NodeJS.Signals): void {
    if (this.#child === undefined) {
      if (signal === 'SIGTERM' || signal === 'SIGINT' || signal === 'SIGHUP') this.#early = signal;
    } else {
      this.#child.kill(signal);
    }
  }
}

/** As execvp(3) searches. */
function canExecute(file: string, env: NodeJS.ProcessEnv): boolean {
  const places = file.includes('/')
    ? [file]
    : (env.PATH ?? '').split(delimiter).map((folder) => join(folder === '' ? '.' : folder, file));
  return places.some((place) => {
    try {
      accessSync(place, files.X_OK);
      return statSync(place).isFile();
    } catch {
      return false;
    }
  });
}

/** As a shell says it. */
export function exitStatusOf(end: CommandEnd): number {
  return end.signal === null ? end.code : 128 + (constants.signals[end.signal] ?? 0);
}
