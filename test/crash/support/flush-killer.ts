import { setTimeout as sleep } from 'node:timers/promises';
import type { GcsProxy } from '../../support/gcs-proxy.ts';
import type { Mounted } from '../../support/mount-sessionfs.ts';
import { until } from '../../support/until.ts';
import { randomMs } from './counts.ts';
import { nextDaemonOf } from './processes.ts';

/** From an upload's arrival: before, while and after the store takes it, and while others follow. */
const PAUSE_MS = [0, 60] as const;

/** How soon it hears that it is to stop. */
const STOP_POLL_MS = 100;
const HANG_MS = 600_000;

/** Kills the daemon of a mount while it flushes, again and again. */
export class FlushKiller {
  kills = 0;
  /** Uploads that had come from the daemons that were killed. */
  uploads = 0;
  /** Daemons that were killed with uploads under way. */
  inFlight = 0;
  readonly #supervisor: number;
  readonly #proxy: GcsProxy;
  #last: number | undefined;
  #running = false;

  constructor({ pid }: Mounted, proxy: GcsProxy) {
    this.#supervisor = pid;
    this.#proxy = proxy;
  }

  /** For the report. */
  get line(): string {
    return `${this.kills} kills (${this.inFlight} with uploads under way, after ${this.uploads} uploads)`;
  }

  /** Runs `work` while daemons die; what was killed last may not be replaced yet when it resolves. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#running = true;
    const killing = this.#run();
    // It is reported below.
    killing.catch(() => {});
    try {
      return await work();
    } finally {
      this.#running = false;
      await killing;
    }
  }

  async #run(): Promise<void> {
    while (this.#running) {
      const daemon = await nextDaemonOf(this.#supervisor, this.#last);
      const before = this.#proxy.count('put');
      await until(
        () => !this.#running || this.#proxy.count('put') > before,
        () => this.#proxy.arrival(STOP_POLL_MS),
        HANG_MS,
      );
      await sleep(randomMs(...PAUSE_MS));
      if (!this.#running) return;
      process.kill(daemon, 'SIGKILL');
      this.#last = daemon;
      this.kills++;
      this.uploads += this.#proxy.count('put') - before;
      if (this.#proxy.underWay > 0) this.inFlight++;
    }
  }
}
