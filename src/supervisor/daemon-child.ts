/** One daemon process, as its supervisor sees it. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Driver } from '../drivers/choose.ts';
import type { NegotiatedSession } from '../drivers/host/messages.ts';
import { type Deferred, deferred } from '../lib/deferred.ts';
import { SessionfsError } from '../lib/errors.ts';
import { programFile } from '../lib/own-files.ts';
import { nodeArguments } from '../lib/process-protection.ts';
import { logOutput } from '../observe/log-output.ts';
import { limitWarnings, RAISE_LIMITS } from './limits.ts';
import type { DaemonStart, FromDaemon, OwnedDescriptors, StopReport, ToDaemon } from './messages.ts';

const ENTRY = programFile('daemon/main');
/** The disk's work of a checkpoint must not keep an fsync waiting. */
const THREADPOOL_SIZE = '8';
/** glibc gives each thread memory of its own, and gives little of it back. */
const MALLOC_ARENAS = '2';

export interface DaemonExit {
  /** It ended the mount, as it was told to or because it was unmounted. */
  report: StopReport | undefined;
  /** It said why it cannot serve the mount. */
  refused: boolean;
  code: number | null;
  signal: NodeJS.Signals | null;
  /** It could not even be started; why. */
  spawnError: Error | undefined;
}

/** What a process gets for its own defects; the other signals come from outside (kill, an out-of-memory killer). */
const CRASH_SIGNALS: readonly (NodeJS.Signals | null)[] = [
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGILL',
  'SIGSEGV',
  'SIGSYS',
  'SIGTRAP',
];

/** The daemon ended by a defect of its own: by a signal that it raised, or by an error that nothing caught. */
export function isCrash({ code, signal, refused }: DaemonExit): boolean {
  if (refused) return false;
  return signal === null ? code !== null && code !== 0 : CRASH_SIGNALS.includes(signal);
}

/** It said nothing of why. In a container whose limits are too low these are the reason. */
export function diedEarly(how: string, limits: readonly string[]): Error {
  const message = `the daemon ended with ${how} before it was ready`;
  if (limits.length === 0) return new Error(message);
  return new SessionfsError('LIMITS_TOO_LOW', `${message}: ${limits.join('; ')}`, {
    hint: RAISE_LIMITS,
  });
}

export interface DaemonChildEvents {
  /** It is loaded: once the mount is there, call `serve`. */
  loaded(): void;
  initialized(session: NegotiatedSession): void;
}

/** For a daemon that removes what its failed start has made. */
const CLEAN_UP_MS = 3_000;

export class DaemonChild {
  /** Resolves when its mount answers; rejects with what made its start fail. */
  readonly ready: Promise<void>;
  readonly exited: Promise<DaemonExit>;
  /** Once it is ready: sentences for the terminal of the start. */
  notices: readonly string[] = [];
  /** Undefined where the system refused to start it. */
  readonly #process: ChildProcess | undefined;
  readonly #exited: Deferred<DaemonExit> = deferred();
  readonly #ready: Deferred<void> = deferred();
  #events: DaemonChildEvents | undefined;
  #report: StopReport | undefined;
  #refused = false;
  #mountError: unknown;

  /**
   * A process that cannot be started (its executable is being replaced, there are too many processes) is one that dies at once: the
   * next try may go better.
   */
  constructor(driver: Driver, descriptors: OwnedDescriptors) {
    this.ready = this.#ready.promise;
    this.ready.catch(() => {});
    this.exited = this.#exited.promise;
    this.#process = this.#spawn(driver, descriptors);
    this.#process?.on('message', (message: FromDaemon) => this.#hear(message));
    this.#process?.on('exit', (code, signal) => {
      this.#ready.reject(this.#mountError ?? diedEarly(signal ?? `status ${code}`, limitWarnings()));
      this.#end(code, signal, undefined);
    });
  }

  /** Until then it loads its code, and waits. */
  start(start: DaemonStart, events: DaemonChildEvents): void {
    this.#events = events;
    this.#send({ type: 'start', ...start });
  }

  #spawn(
    driver: Driver,
    { fuseFd, inFlightFd, memoryFd, folderFd }: OwnedDescriptors,
  ): ChildProcess | undefined {
    const folder = folderFd === undefined ? [] : [folderFd];
    try {
      const child = spawn(process.execPath, [...nodeArguments(), ENTRY, driver], {
        stdio: [
          'ignore',
          'inherit',
          logOutput.fd,
          fuseFd,
          inFlightFd,
          'ipc',
          memoryFd ?? 'ignore',
          ...folder,
        ],
        env: {
          UV_THREADPOOL_SIZE: THREADPOOL_SIZE,
          MALLOC_ARENA_MAX: MALLOC_ARENAS,
          ...process.env,
        },
        // The mount's directory would keep it from being unmounted; a terminal's signals are the supervisor's to judge.
        cwd: '/',
        detached: true,
      });
      // For a process that was started it tells of a failed kill or send, and 'exit' follows.
      child.on('error', (error) => {
        if (child.pid === undefined) this.#notStarted(error);
      });
      return child;
    } catch (error) {
      this.#notStarted(error as Error);
      return undefined;
    }
  }

  #notStarted(cause: Error): void {
    this.#ready.reject(
      new SessionfsError('DAEMON_FAILED', `the daemon could not be started: ${cause.message}`, {
        cause,
        hint: `It is ${process.execPath}, run with ${ENTRY}. Check that both are there, and the limits on processes and memory.`,
      }),
    );
    this.#end(null, null, cause);
  }

  #end(code: number | null, signal: NodeJS.Signals | null, spawnError: Error | undefined): void {
    this.#exited.resolve({ report: this.#report, refused: this.#refused, code, signal, spawnError });
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  serve(device: string): void {
    this.#send({ type: 'mounted', device });
  }

  /** It cannot be given the mount that it waits for, which counts as a refusal. */
  fail(error: unknown): void {
    this.#refused = true;
    this.#mountError = error;
    this.#send({ type: 'not-mounted' });
    setTimeout(() => {
      this.#ready.reject(error);
      this.kill('SIGKILL');
    }, CLEAN_UP_MS).unref();
  }

  reopenLog(): void {
    this.#send({ type: 'reopen-log' });
  }

  handOver(): void {
    this.#send({ type: 'hand-over' });
  }

  kill(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  /** A process that has just died takes no messages; its exit is on its way. */
  #send(message: ToDaemon): void {
    if (this.#process?.connected === true) this.#process.send(message, () => {});
  }

  #hear(message: FromDaemon): void {
    switch (message.type) {
      case 'loaded':
        this.#events?.loaded();
        break;
      case 'initialized':
        this.#events?.initialized(message.session);
        break;
      case 'ready':
        this.notices = message.notices;
        this.#ready.resolve();
        break;
      case 'failed': {
        const { code, hint } = message;
        this.#refused = true;
        this.#ready.reject(
          this.#mountError ?? new SessionfsError(code, message.message, hint === undefined ? {} : { hint }),
        );
        break;
      }
      case 'stopped':
        this.#report = message.report;
        break;
    }
  }
}
