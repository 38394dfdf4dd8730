/** The sync thread, as the main thread begins and ends it. */
import { Worker } from 'node:worker_threads';
import { programFile } from '../../lib/own-files.ts';
import type { FromCore } from '../host/messages.ts';
import { SyncQueue } from './sync-queue.ts';
import type { SyncThreadData } from './sync-thread.ts';

export interface SyncThreadEvents {
  /** It leaves a call to the main thread. */
  left: (message: FromCore) => void;
  /** It has failed with calls that it has taken. */
  failed: (error: Error) => void;
}

/** It makes a few small objects for a call. */
const LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 };

export class SyncThreadLink {
  /** Calls go another way as long as no thread takes them. */
  readonly queue = new SyncQueue();
  readonly #events: SyncThreadEvents;
  readonly #program: string;
  #thread: Worker | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(events: SyncThreadEvents, program = programFile('drivers/direct/sync-thread')) {
    this.#events = events;
    this.#program = program;
  }

  /** Where no thread can be started, or it does not begin, all calls go on another way. No-op once it was ended. */
  begin(data: Omit<SyncThreadData, 'queue'>): void {
    if (this.#thread !== undefined || this.queue.isClosed) return;
    const workerData: SyncThreadData = { ...data, queue: this.queue.shared };
    try {
      this.#thread = new Worker(this.#program, {
        name: 'sessionfs-sync',
        workerData,
        resourceLimits: LIMITS,
      });
    } catch {
      return;
    }
    const thread = this.#thread;
    this.#ended = new Promise((resolve) => thread.once('exit', () => resolve()));
    thread.on('message', this.#events.left);
    thread.on('error', (error) => this.queue.isOpen && this.#events.failed(error));
    thread.unref();
  }

  /** No more calls are added: resolves when each is answered or left to the main thread, however the thread has ended. */
  end(): Promise<void> {
    this.#thread?.ref();
    this.queue.close();
    return this.#ended;
  }
}
