/** Replies to fsync: they wait for the disk while the kernel thread goes on. */
import type { Connection } from '../drivers/connection.ts';
import { freeSlot } from '../drivers/direct/in-flight.ts';
import type { KernelMessage } from '../drivers/host/messages.ts';
import { errnoOf } from '../lib/errno.ts';

export interface SyncRepliesParts {
  /** Resolves once everything that was written down before the call is on stable storage. */
  sync: () => Promise<void>;
  notifier: Connection['notifier'];
  inFlightFd: number;
}

type SyncThenReply = Extract<KernelMessage, { type: 'sync-then-reply' }>;

export class FsyncReplies {
  readonly #parts: SyncRepliesParts;
  readonly #waiting = new Set<Promise<void>>();

  constructor(parts: SyncRepliesParts) {
    this.#parts = parts;
  }

  /** The caller is answered with success, or with the disk's error. */
  add(request: SyncThenReply): void {
    const answered = this.#answer(request).finally(() => this.#waiting.delete(answered));
    this.#waiting.add(answered);
  }

  /** Resolves when every call that waits now is answered. */
  async settled(): Promise<void> {
    await Promise.all(this.#waiting);
  }

  async #answer({ uniqueLo, uniqueHi, slot }: SyncThenReply): Promise<void> {
    const { sync, notifier, inFlightFd } = this.#parts;
    const startedMs = performance.now();
    const error = await sync().then(
      () => 0,
      (cause: unknown) => errnoOf(cause),
    );
    notifier.replySynced(uniqueLo, uniqueHi, error, performance.now() - startedMs);
    if (slot !== 0) freeSlot(inFlightFd, slot);
  }
}
