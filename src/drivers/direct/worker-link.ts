/** The way to the kernel thread, a worker that must be woken to hear what it is told, and to the sync thread beside it. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { programFile } from '../../lib/own-files.ts';
import { Cache } from '../../store/cache/cache.ts';
import type { CoreLink } from '../host/core-client.ts';
import type { FromCore, KernelThreadData, ToCore } from '../host/messages.ts';
import { Mailbox } from './mailbox.ts';
import { SyncQueue } from './sync-queue.ts';
import type { SyncThreadData } from './sync-thread.ts';
import { Waker } from './waker.ts';

/** A kernel thread that has loaded its code. */
let waiting: Worker | undefined;

/** The thread loads its code before it is known what it will serve. It keeps no process alive that ends before. */
export function prepareKernelThread(): void {
  waiting ??= startThread();
  waiting.unref();
}

/** Its first message says what it serves. */
function startThread(): Worker {
  return new Worker(programFile('drivers/direct/kernel-thread'), { name: 'sessionfs-kernel' });
}

/** It makes a few small objects for a call. */
const SYNC_THREAD_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 };

/** What the link adds for the thread. */
type OwnParts = 'mailbox' | 'syncs';

export class WorkerLink implements CoreLink {
  readonly #worker: Worker;
  readonly #mailbox = new Mailbox();
  readonly #waker: Waker;
  readonly #syncs = new SyncQueue();
  readonly #data: Omit<KernelThreadData, OwnParts>;
  #syncThread: Worker | undefined;
  #receive: (message: FromCore) => void = () => {};
  #fail: (error: Error) => void = () => {};

  constructor(data: Omit<KernelThreadData, OwnParts>) {
    this.#data = data;
    this.#waker = new Waker(data.mountPoint, () => this.#mailbox.isRaised);
    this.#worker = waiting ?? startThread();
    waiting = undefined;
    this.#worker.ref();
    const first: KernelThreadData = { ...data, mailbox: this.#mailbox.shared, syncs: this.#syncs.shared };
    this.#worker.postMessage(first, [data.keyring]);
    // fork(2) takes the pages of this process away until they are written to: it comes before the thread readies its buffer.
    this.#waker.prepare();
  }

  start(receive: (message: FromCore) => void, fail: (error: Error) => void): void {
    this.#receive = receive;
    this.#fail = fail;
    this.#worker.on('message', receive);
    this.#worker.on('error', fail);
    this.#worker.on('exit', (code) => fail(new Error(`the kernel thread ended with code ${code}`)));
  }

  serve(): void {
    this.#worker.postMessage({ type: 'serve' } satisfies ToCore);
  }

  post(message: ToCore): void {
    this.#worker.postMessage(message);
    if (this.#mailbox.raise()) this.#waker.wake();
  }

  /** From now on fsyncs have a thread of their own, where there is room for one; `counters`: where it counts them. */
  startSyncThread(counters: SharedArrayBuffer): void {
    const { progress, cachePath, fuseFd, inFlightFd } = this.#data;
    const { journalDirectory } = new Cache(cachePath);
    const data = { queue: this.#syncs.shared, progress, counters, journalDirectory, fuseFd, inFlightFd };
    this.#syncThread = new Worker(programFile('drivers/direct/sync-thread'), {
      name: 'sessionfs-sync',
      workerData: data satisfies SyncThreadData,
      resourceLimits: SYNC_THREAD_LIMITS,
    });
    this.#syncThread.on('message', (message: FromCore) => this.#receive(message));
    // One that never began leaves all to the main thread, as before.
    this.#syncThread.on('error', (error) => this.#syncs.isOpen && this.#fail(error));
    this.#syncThread.unref();
  }

  /** Segments that are gone are to be closed. */
  segmentsGone(): void {
    this.#syncs.nudge();
  }

  /** The kernel thread adds no more fsyncs: resolves when each is answered, or was left to the main thread. */
  async syncsSettled(): Promise<void> {
    const thread = this.#syncThread;
    if (thread === undefined) return;
    this.#syncThread = undefined;
    thread.ref();
    const exited = once(thread, 'exit');
    this.#syncs.close();
    await exited;
  }

  async keepAccess(directory: string): Promise<void> {
    await this.#waker.enter(directory);
    // Earlier calls may have gone where the mount no longer was, and later ones rely on them.
    this.#waker.wake();
  }

  async terminate(): Promise<void> {
    this.#waker.close();
    await this.#worker.terminate();
  }

  close(): void {
    this.#waker.close();
  }
}
