import { setTimeout as sleep } from 'node:timers/promises';
import type { Mounted } from '../../support/mount-sessionfs.ts';
import { randomMs } from './counts.ts';
import { nextDaemonOf } from './processes.ts';

/** Also shorter than a start, so that some daemons die while they take the mount over. */
const PAUSE_MS = [20, 700] as const;

/** Kills the daemon of a mount at random moments, again and again. */
export class DaemonKiller {
  kills = 0;
  readonly #supervisor: number;
  #last: number | undefined;
  #running = false;
  #done: Promise<void> = Promise.resolve();

  constructor({ pid }: Pick<Mounted, 'pid'>) {
    this.#supervisor = pid;
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
    while (this.#running) {
      const daemon = await nextDaemonOf(this.#supervisor, this.#last);
      await sleep(randomMs(...PAUSE_MS));
      if (!this.#running) return;
      process.kill(daemon, 'SIGKILL');
      this.#last = daemon;
      this.kills++;
    }
  }
}
