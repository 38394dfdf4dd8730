import { setTimeout as sleep } from 'node:timers/promises';
import type { Mounted } from '../../support/mount-sessionfs.ts';
import { untilSlow } from '../../support/until.ts';
import { randomMs } from './counts.ts';
import { nextDaemonOf } from './processes.ts';

/** Also shorter than a start, so that some daemons die while they take the mount over. */
const PAUSE_MS = [20, 700] as const;

/** What each daemon logs once it serves the mount. */
const SERVING = /"msg":"(Mounted|Took the mount over)"/g;

/**
 * Kills the daemon of a mount at random moments, again and again. Every second daemon is spared until it serves, and then for as
 * long again as its start took: on a loaded machine a start takes longer than any pause, and a mount whose daemons die before
 * they serve, or hardly serve, gets nothing done.
 */
export class DaemonKiller {
  kills = 0;
  readonly #supervisor: number;
  readonly #log: () => string;
  readonly #killsMax: number;
  #last: number | undefined;
  #running = false;
  #done: Promise<void> = Promise.resolve();

  /** After `killsMax` the rest of the work is done in peace. */
  constructor({ pid, log }: Pick<Mounted, 'pid' | 'log'>, killsMax = Number.POSITIVE_INFINITY) {
    this.#killsMax = killsMax;
    this.#supervisor = pid;
    this.#log = log;
  }

  start(): void {
    this.#running = true;
    this.#done = this.#run();
    // It is reported by `stop`.
    this.#done.catch(() => {});
  }

  /** Resolves when it kills no more; what it killed last may not be replaced yet. */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  /** Runs `work` while daemons die. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.start();
    try {
      return await work();
    } finally {
      await this.stop();
    }
  }

  async #run(): Promise<void> {
    let served = 0;
    while (this.#running && this.kills < this.#killsMax) {
      const daemon = await nextDaemonOf(this.#supervisor, this.#last);
      const began = performance.now();
      if (this.kills % 2 === 1) await this.#untilServed(served);
      await sleep(randomMs(...PAUSE_MS) + performance.now() - began);
      if (!this.#running) return;
      // Counted before the kill: a standby may serve before this process finds the time to look.
      served = this.#timesServed();
      process.kill(daemon, 'SIGKILL');
      this.#last = daemon;
      this.kills++;
    }
  }

  async #untilServed(before: number): Promise<void> {
    await untilSlow(() => !this.#running || this.#timesServed() > before);
  }

  #timesServed(): number {
    return this.#log().match(SERVING)?.length ?? 0;
  }
}
