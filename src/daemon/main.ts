/** The process that serves a mount. A supervisor starts it, with /dev/fuse as an inherited descriptor. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Driver } from '../drivers/choose.ts';
import { prepareKernelThread } from '../drivers/direct/worker-link.ts';
import { deferred } from '../lib/deferred.ts';
import { SessionfsError } from '../lib/errors.ts';
import { prepareFilesystemSync } from '../lib/filesystem-sync.ts';
import { forbidCoreFiles, forbidTracing, ignoreDebugSignal } from '../lib/process-protection.ts';
import { takeSecrets } from '../lib/secrets.ts';
import { findMount } from '../mount/mountinfo.ts';
import { othersInMountNamespace } from '../mount/namespace.ts';
import { createLogger, type Logger, reopenLog } from '../observe/log.ts';
import { logOutput } from '../observe/log-output.ts';
import {
  type DaemonStart,
  FOLDER_DESCRIPTOR,
  type FromDaemon,
  FUSE_DESCRIPTOR,
  IN_FLIGHT_DESCRIPTOR,
  type ToDaemon,
} from '../supervisor/messages.ts';
import { type Daemon, startDaemon } from './daemon.ts';

ignoreDebugSignal();
forbidTracing();
forbidCoreFiles();
/** A supervisor of an older version passes the key on in the environment. */
const inherited = takeSecrets(process.env);

type Command = Exclude<ToDaemon, { type: 'start' }>;

/** A failed start leaves its reason with the supervisor; the exit status is for those who read it. */
const FAILED = 1;
const LAST_USER_POLL_MS = 200;
const descriptors = {
  fuseFd: FUSE_DESCRIPTOR,
  inFlightFd: IN_FLIGHT_DESCRIPTOR,
  folderFd: FOLDER_DESCRIPTOR,
};

class DaemonProcess {
  readonly #start: DaemonStart;
  readonly #log: Logger;
  readonly #mounted = deferred<string>();
  #daemon: Daemon | undefined;
  #stopReason: string | undefined;
  #handOver = false;
  #isMounted = false;

  constructor(start: DaemonStart) {
    this.#start = start;
    logOutput.named(start.logFile);
    this.#log = createLogger({ level: start.config.logLevel });
  }

  async run(): Promise<void> {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.#stop(signal));
    // The mount outlives its supervisor, and whatever its terminal was.
    process.on('SIGHUP', () => reopenLog(this.#log));
    process.on('disconnect', () => void this.#goOnAlone());
    try {
      this.#daemon = await startDaemon(this.#start, descriptors, this.#owner(), this.#log);
    } catch (error) {
      await send(failureOf(error));
      process.exit(FAILED);
    }
    await send({ type: 'ready', notices: this.#daemon.notices });
    if (this.#stopReason !== undefined) this.#stop(this.#stopReason);
    else if (this.#handOver) void this.#leave(this.#daemon);
    await this.#end(this.#daemon);
  }

  hear(message: Command): void {
    if (message.type === 'mounted') {
      this.#isMounted = true;
      this.#mounted.resolve(message.device);
      return;
    }
    if (message.type === 'not-mounted') {
      this.#mounted.reject(new Error('the mount could not be made'));
      return;
    }
    if (message.type === 'reopen-log') {
      reopenLog(this.#log);
      return;
    }
    this.#handOver = true;
    if (this.#daemon !== undefined) void this.#leave(this.#daemon);
  }

  #owner() {
    return {
      mounted: () => {
        void send({ type: 'loaded' });
        return this.#mounted.promise;
      },
      initialized: (session: Extract<FromDaemon, { type: 'initialized' }>['session']) => {
        void send({ type: 'initialized', session });
      },
    };
  }

  /** The supervisor died. A mount that is there goes on; one that it has yet to make will never be. */
  async #goOnAlone(): Promise<void> {
    const { takeover, mountPoint } = this.#start;
    if (!this.#isMounted) {
      const mount = takeover === undefined ? undefined : await findMount(mountPoint);
      if (mount === undefined) {
        this.#log.error('The supervisor died before the mount was made');
        process.exit(FAILED);
      }
      this.#mounted.resolve(mount.device);
    }
    this.#log.warn('The supervisor is gone; the mount goes on without one');
    if (!this.#start.endsWithLastUser) return;
    while ((await othersInMountNamespace()).length > 0) await sleep(LAST_USER_POLL_MS);
    this.#stop('no process is left in its namespace');
  }

  #stop(reason: string): void {
    this.#stopReason = reason;
    this.#daemon?.stop(reason).catch(() => {});
  }

  async #leave(daemon: Daemon): Promise<void> {
    await daemon.handOver();
    process.exit(0);
  }

  async #end(daemon: Daemon): Promise<void> {
    try {
      const report = await daemon.stopped;
      await send({ type: 'stopped', report });
      process.exit(report.exitStatus);
    } catch (error) {
      this.#log.fatal({ error: String(error) }, 'The kernel thread failed');
      process.exit(FAILED);
    }
  }
}

/** A supervisor that is gone needs no message. */
async function send(message: FromDaemon): Promise<void> {
  if (!process.connected) return;
  await new Promise<void>((resolve) => {
    process.send?.(message, undefined, undefined, () => resolve());
  });
}

function failureOf(error: unknown): FromDaemon {
  if (error instanceof SessionfsError) {
    return { type: 'failed', code: error.code, message: error.message, hint: error.hint };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { type: 'failed', code: 'INTERNAL', message, hint: undefined };
}

let running: DaemonProcess | undefined;
const driver: Driver = process.argv[2] === 'direct' ? 'direct' : 'fuse-native';
if (driver === 'direct') {
  prepareKernelThread();
  // No process is started any more once the kernel thread serves.
  prepareFilesystemSync();
}
// It has nothing yet that should outlive its supervisor.
process.on('disconnect', () => {
  if (running === undefined) process.exit(0);
});
process.on('message', (message: ToDaemon) => {
  if (message.type === 'start') {
    running = new DaemonProcess({ ...message, secrets: { ...inherited, ...message.secrets } });
    void running.run();
  } else {
    running?.hear(message);
  }
});
