/** The way to the kernel thread. It is made before the thread is loaded: until `connect`, messages have no receiver. */
import type { CoreClient } from '../drivers/host/core-client.ts';
import type { Settled } from '../sync/backup/flusher.ts';
import type { MountSide } from '../sync/bucket-sync.ts';

export interface ThreadSide {
  thread: CoreClient;
  settle: MountSide['settle'];
}

export class KernelSide {
  #side: ThreadSide | undefined;
  #isSettled = false;
  #isComplete = false;

  connect(side: ThreadSide): void {
    this.#side = side;
  }

  post(message: Parameters<CoreClient['post']>[0]): void {
    this.#side?.thread.post(message);
  }

  /** See MountSide. */
  async settle(what: Settled): Promise<void> {
    if (!this.#isSettled) await this.#side?.settle(what);
  }

  /** See CoreClient. Undefined: nothing is written any more, and the cache has everything. Rejects where neither can be had. */
  async cutDatabases(paths: readonly string[]): ReturnType<CoreClient['cutDatabases']> {
    const cut = this.#isSettled ? undefined : await this.#side?.thread.cutDatabases(paths);
    if (cut === undefined && !this.#isComplete)
      throw new Error('the cache does not have all that was written yet; the next start backs it up');
    return cut;
  }

  /** Nothing is committed any more: there is nothing left to settle. `isComplete`: the cache has everything. */
  settled(isComplete: boolean): void {
    this.#isSettled = true;
    this.#isComplete = isComplete;
  }
}
