/**
 * A daemon process that has loaded its code and waits: when the daemon dies it takes over, and calls on the mount wait a third
 * as long. It has the code of the daemon beside it; a reload takes what is on the disk.
 */
import { cgroupLimits } from '../lib/cgroup-limits.ts';
import type { DaemonChild } from './daemon-child.ts';

/** Of these the standby takes some 45 MiB for itself, which the daemon must be able to do without. */
const MEMORY_NEEDED_BYTES = 512 * 1024 * 1024;
/** It has a dozen threads. */
const TASKS_NEEDED = 100;
/** A daemon that has just started has other work, and a mount that soon ends needs no standby. Tests do not wait as long. */
const REST_MS = Number(process.env.SESSIONFS_TEST_STANDBY_MS ?? 5_000);

/** Whether there is room for one within the limits of the container. */
export function roomForStandby({ memoryBytes, tasks } = cgroupLimits()): boolean {
  return memoryBytes >= MEMORY_NEEDED_BYTES && tasks >= TASKS_NEEDED;
}

export class Standby {
  readonly #spawn: () => DaemonChild;
  readonly #restMs: number;
  #waiting: DaemonChild | undefined;
  #rest: NodeJS.Timeout | undefined;

  constructor(spawn: () => DaemonChild, restMs = REST_MS) {
    this.#spawn = spawn;
    this.#restMs = restMs;
  }

  /** The daemon serves: there will be a standby in a moment, unless there is one. */
  prepare(): void {
    if (this.#waiting !== undefined) return;
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => this.#start(), this.#restMs).unref();
  }

  /** The process that has waited, perhaps still loading. From now on it is the caller's. */
  take(): DaemonChild | undefined {
    clearTimeout(this.#rest);
    const taken = this.#waiting;
    this.#waiting = undefined;
    return taken;
  }

  /** Resolves when it is gone. */
  async discard(): Promise<void> {
    const taken = this.take();
    taken?.kill('SIGKILL');
    await taken?.exited;
  }

  #start(): void {
    const child = this.#spawn();
    this.#waiting = child;
    // Out of memory, or ended with the whole group: the next one comes after the next daemon.
    void child.exited.then(() => {
      if (this.#waiting === child) this.#waiting = undefined;
    });
  }
}
