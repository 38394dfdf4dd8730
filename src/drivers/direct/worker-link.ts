/** The way to the kernel thread, a worker that must be woken to hear what it is told. */
import { Worker } from 'node:worker_threads';
import { programFile } from '../../lib/own-files.ts';
import type { CoreLink } from '../host/core-client.ts';
import type { FromCore, KernelThreadData, ToCore } from '../host/messages.ts';
import { Mailbox } from './mailbox.ts';
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

export class WorkerLink implements CoreLink {
  readonly #worker: Worker;
  readonly #mailbox = new Mailbox();
  readonly #waker: Waker;

  constructor(data: Omit<KernelThreadData, 'mailbox'>) {
    this.#waker = new Waker(data.mountPoint, () => this.#mailbox.isRaised);
    this.#worker = waiting ?? startThread();
    waiting = undefined;
    this.#worker.ref();
    const first: KernelThreadData = { ...data, mailbox: this.#mailbox.shared };
    this.#worker.postMessage(first, [data.keyring]);
    // fork(2) takes the pages of this process away until they are written to: it comes before the thread readies its buffer.
    this.#waker.prepare();
  }

  start(receive: (message: FromCore) => void, fail: (error: Error) => void): void {
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
