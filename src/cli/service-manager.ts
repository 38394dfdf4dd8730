/**
 * What systemd learns of a mount that a unit of Type=notify started: that it answers, that another daemon takes it over, that it ends,
 * and with WatchdogSec= that its daemon is alive. Node.js has no datagram sockets; systemd-notify(1), which systemd brings, sends.
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MountStatus, StatusReading } from '../api/mount-status.ts';
import { messageOf } from '../lib/system-error.ts';
import { toolEnvironment } from '../lib/system-tools.ts';
import type { Logger } from '../observe/log.ts';
import type { MountPhase } from '../supervisor/supervisor.ts';

/** Sends the assignments of one sd_notify(3) message. Rejects where that was not possible. */
export type SendToManager = (assignments: readonly string[]) => Promise<void>;

/** Of the watchdog's time: two questions may go without an answer. */
const QUESTIONS_IN_TIME = 3;
/** A question without an answer is asked again sooner. */
const REPEATS_IN_TIME = 12;

interface Asked {
  readonly send: SendToManager;
  readonly log: Pick<Logger, 'warn'>;
  /** Undefined: no watchdog is set. */
  readonly watchdogMs: number | undefined;
}

export class ServiceManager {
  readonly #send: SendToManager;
  readonly #log: Pick<Logger, 'warn'>;
  readonly #watchdogMs: number | undefined;
  readonly #ended = new AbortController();
  #sent: Promise<void> = Promise.resolve();
  #hasFailed = false;

  constructor({ send, log, watchdogMs }: Asked) {
    this.#send = send;
    this.#log = log;
    this.#watchdogMs = watchdogMs;
  }

  /** Undefined where no service manager asks. Its variables leave `env`: what this process starts does not speak for the service. */
  static take(env: NodeJS.ProcessEnv, log: Pick<Logger, 'warn'>): ServiceManager | undefined {
    const { NOTIFY_SOCKET: socket } = env;
    const watchdogMs = watchdogTime(env, process.pid);
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
    return socket ? new ServiceManager({ send: systemdNotify(socket), log, watchdogMs }) : undefined;
  }

  starting(): void {
    this.#tell('STATUS=Opening the cache and mounting');
  }

  /** The mount answers. `ask`: for its status, in a process of its own. */
  serving(ask: () => Promise<StatusReading>): void {
    this.#tell('READY=1', 'STATUS=The mount answers');
    if (this.#watchdogMs !== undefined) void this.#watch(ask, this.#watchdogMs);
  }

  changed(phase: MountPhase): void {
    if (this.#ended.signal.aborted) return;
    if (phase === 'handing-over')
      this.#tell(
        'RELOADING=1',
        `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`,
        'STATUS=A new daemon takes over',
      );
    else if (phase === 'replacing') this.#tell('STATUS=The daemon died; another one takes over');
    else this.#tell('READY=1', 'STATUS=The mount answers');
  }

  stopping(): void {
    this.#ended.abort();
    this.#tell('STOPPING=1', 'STATUS=Writing what is not stored yet, and unmounting');
  }

  /** Resolves when all that was told is sent. */
  async finish(): Promise<void> {
    this.#ended.abort();
    await this.#sent;
  }

  /** In order. Never rejects: a message that is lost does not end the mount. */
  #tell(...assignments: readonly string[]): Promise<void> {
    this.#sent = this.#sent.then(() => this.#send(assignments)).catch((error) => this.#warn(error));
    return this.#sent;
  }

  #warn(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#log.warn(
      { error: messageOf(error) },
      'systemd cannot be told how the mount is, and will end it after TimeoutStartSec or WatchdogSec; see that systemd-notify runs, or use Type=exec',
    );
  }

  /** Only an answer of the daemon's main thread, through the mount, keeps the watchdog quiet. */
  async #watch(ask: () => Promise<StatusReading>, watchdogMs: number): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      const reading = await ask().catch(() => undefined);
      if (signal.aborted) return;
      const answered = reading?.kind === 'answered';
      if (answered) await this.#tell('WATCHDOG=1', `STATUS=${sentenceOf(reading.status)}`);
      const pauseMs = watchdogMs / (answered ? QUESTIONS_IN_TIME : REPEATS_IN_TIME);
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }
}

/** As sd_watchdog_enabled(3) reads it; undefined where it is off, or meant for another process. */
export function watchdogTime(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const { WATCHDOG_USEC: time = '', WATCHDOG_PID: meant } = env;
  if (!/^[1-9]\d{0,15}$/.test(time)) return undefined;
  if (meant !== undefined && meant !== String(pid)) return undefined;
  return Number(time) / 1000;
}

/** For `systemctl status`. */
function sentenceOf({ sessions, dirty, restarts, pids }: MountStatus): string {
  const replaced = restarts === 0 ? '' : `, deaths of daemons: ${restarts}`;
  return `Sessions: ${sessions}, files not stored yet: ${dirty}, daemon: ${pids.daemon}${replaced}`;
}

/** It speaks in the name of its parent, this process, so that NotifyAccess=main is enough. */
function systemdNotify(socket: string): SendToManager {
  const env = { ...toolEnvironment(), NOTIFY_SOCKET: socket };
  return (assignments) =>
    new Promise((resolve, reject) => {
      const options = { env, timeout: SEND_MS, killSignal: 'SIGKILL' } as const;
      execFile('systemd-notify', [...assignments], options, (error) => (error ? reject(error) : resolve()));
    });
}

/** It waits until systemd has read the message. */
const SEND_MS = 30_000;
