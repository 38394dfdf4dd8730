/** The way to the kernel thread, a worker that must be woken to hear what it is told. */
import { Worker } from 'node:worker_threads';
import type { CoreLink } from '../host/core-client.ts';
import type { FromCore, KernelThreadData, ToCore } from '../host/messages.ts';
import { Mailbox } from './mailbox.ts';
import { Waker } from './waker.ts';

export class WorkerLink implements CoreLink {
  readonly #worker: Worker;
  readonly #mailbox = new Mailbox();
  readonly #waker: Waker;

  constructor(data: Omit<KernelThreadData, 'mailbox'>) {
    this.#waker = new Waker(data.mountPoint, () => this.#mailbox.isRaised);
    this.#worker = new Worker(new URL('./kernel-thread.js', import.meta.url), {
      workerData: { ...data, mailbox: this.#mailbox.shared } satisfies KernelThreadData,
      transferList: [data.keyring],
      name: 'sessionfs-kernel',
    });
  }

  start(receive: (message: FromCore) => void, fail: (error: Error) => void): void {
    this.#worker.on('message', receive);
    this.#worker.on('error', fail);
    this.#worker.on('exit', (code) => fail(new Error(`the kernel thread ended with code ${code}`)));
  }

  /** fork(2) takes the pages of this process away until they are written to: it comes before the thread readies its buffer. */
  serve(): void {
    this.#waker.prepare();
    this.#worker.postMessage({ type: 'serve' } satisfies ToCore);
  }

  post(message: ToCore): void {
    this.#worker.postMessage(message);
    if (this.#mailbox.raise()) this.#waker.wake();
  }

  async keepAccess(directory: string): Promise<void> {
    await this.#waker.enter(directory);
    // Earlier calls may have gone where the mount no longer was, and later ones rely on them.
    this.#waker.wake();
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  close(): void {
    this.#waker.close();
  }
}
