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

  /** Nothing is committed any more: there is nothing left to settle. */
  settled(): void {
    this.#isSettled = true;
  }
}
