/** The way to the kernel thread, a worker that must be woken to hear what it is told, and to the sync thread beside it. */
import { Worker } from 'node:worker_threads';
import { programFile } from '../../lib/own-files.ts';
import { Cache } from '../../store/cache/cache.ts';
import type { CoreLink } from '../host/core-client.ts';
import type { FromCore, KernelThreadData, ToCore } from '../host/messages.ts';
import { Mailbox } from './mailbox.ts';
import { SyncThreadLink } from './sync-thread-link.ts';
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

/** What the link adds for the thread. */
type OwnParts = 'mailbox' | 'syncs';

export class WorkerLink implements CoreLink {
  readonly #worker: Worker;
  readonly #mailbox = new Mailbox();
  readonly #waker: Waker;
  readonly #syncs = new SyncThreadLink({
    left: (message) => this.#receive(message),
    failed: (error) => this.#fail(error),
  });
  readonly #data: Omit<KernelThreadData, OwnParts>;
  #receive: (message: FromCore) => void = () => {};
  #fail: (error: Error) => void = () => {};

  constructor(data: Omit<KernelThreadData, OwnParts>) {
    this.#data = data;
    this.#waker = new Waker(data.mountPoint, () => this.#mailbox.isRaised);
    this.#worker = waiting ?? startThread();
    waiting = undefined;
    this.#worker.ref();
    const first: KernelThreadData = {
      ...data,
      mailbox: this.#mailbox.shared,
      syncs: this.#syncs.queue.shared,
    };
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
    this.#syncs.begin({ progress, counters, journalDirectory, fuseFd, inFlightFd });
  }

  /** Segments that are gone are to be closed. */
  segmentsGone(): void {
    this.#syncs.queue.nudge();
  }

  /** The kernel thread adds no more fsyncs: resolves when each is answered, or was left to the main thread. */
  syncsSettled(): Promise<void> {
    return this.#syncs.end();
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
