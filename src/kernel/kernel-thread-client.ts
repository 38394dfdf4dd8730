/** The main thread's side of the kernel thread: starts it, hears it, and wakes it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Deferred, deferred } from '../lib/deferred.ts';
import { SessionfsError } from '../lib/errors.ts';
import { Mailbox } from '../lib/mailbox.ts';
import type { FromKernelThread, KernelThreadData, ToKernelThread } from './messages.ts';
import { Waker } from './waker.ts';

export type Loaded = Extract<FromKernelThread, { type: 'loaded' }>;
export type Running = Exclude<FromKernelThread, { type: 'loaded' | 'ended' | 'failed' | 'done' | 'rolled' }>;

const ENDING_MS = 200;

export class KernelThreadClient {
  /** Settles when the thread is gone: with what it could not commit, or with the reason of its failure. */
  readonly ended: Promise<{ uncommitted: string[] }>;
  readonly #worker: Worker;
  readonly #mailbox = new Mailbox();
  readonly #waker: Waker;
  /** Whoever waits for the thread to act on a message, in the order in which it was asked. */
  readonly #waiting: (() => void)[] = [];
  readonly #rolling: ((segment: number | undefined) => void)[] = [];
  readonly #loaded = deferred<Loaded>();
  readonly #ended: Deferred<{ uncommitted: string[] }> = deferred();
  /** What came before someone listened. */
  #early: Running[] = [];
  #listener: (message: Running) => void = (message) => this.#early.push(message);

  constructor(data: Omit<KernelThreadData, 'mailbox'>) {
    this.#waker = new Waker(data.mountPoint, () => this.#mailbox.isRaised);
    this.#worker = new Worker(new URL('./kernel-thread.js', import.meta.url), {
      workerData: { ...data, mailbox: this.#mailbox.shared } satisfies KernelThreadData,
      transferList: [data.keyring],
      name: 'sessionfs-kernel',
    });
    this.ended = this.#ended.promise;
    // Whoever awaits them sees a failure; nobody has to.
    for (const { promise } of [this.#loaded, this.#ended]) promise.catch(() => {});
    this.#worker.on('message', (message: FromKernelThread) => this.#receive(message));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', (code) => this.#fail(new Error(`the kernel thread ended with code ${code}`)));
  }

  /** The tree is built and plain sessions are journaled; nothing is served yet. */
  loaded(): Promise<Loaded> {
    return this.#loaded.promise;
  }

  listen(listener: (message: Running) => void): void {
    this.#listener = listener;
    for (const message of this.#early.splice(0)) listener(message);
  }

  /** Lets it read requests. The descriptor must be mounted: before that, reading it fails. */
  serve(): void {
    this.#worker.postMessage({ type: 'serve' } satisfies ToKernelThread);
  }

  /** Resolves once the thread has acted on the message and all that the kernel sent it before, or has ended. */
  async send(message: 'settle-all' | 'ping'): Promise<void> {
    const done = new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.post({ type: message });
    await Promise.race([done, this.#settled()]);
  }

  /**
   * Resolves to the newest journal segment that holds anything which was committed before the call; undefined: all of it is in
   * the cache, or the thread has ended. `commitPlain`: plain files that are still being written count as committed.
   */
  async roll(commitPlain: boolean): Promise<number | undefined> {
    const rolled = new Promise<number | undefined>((resolve) => this.#rolling.push(resolve));
    this.post({ type: 'roll-now', commitPlain });
    return Promise.race([rolled, this.#settled()]);
  }

  post(message: ToKernelThread): void {
    this.#worker.postMessage(message);
    if (this.#mailbox.raise()) this.#waker.wake();
  }

  /** Before a lazy unmount: keeps a way to wake the thread, until it ends. */
  async keepAccess(directory: string): Promise<void> {
    await this.#waker.enter(directory);
    // Earlier calls may have gone where the mount no longer was, and later ones rely on them.
    this.#waker.wake();
  }

  /** For a thread that does not serve yet: one that is blocked in read(2) does not hear of it. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  /** Whether `ended` has settled, after a moment for what it has sent already. */
  async hasEnded(): Promise<boolean> {
    return Promise.race([this.#settled().then(() => true), sleep(ENDING_MS, false)]);
  }

  #settled(): Promise<undefined> {
    return this.ended.then(
      () => undefined,
      () => undefined,
    );
  }

  #receive(message: FromKernelThread): void {
    if (message.type === 'loaded') this.#loaded.resolve(message);
    else if (message.type === 'ended') this.#end(message);
    else if (message.type === 'failed') this.#fail(failure(message));
    else if (message.type === 'done') this.#waiting.shift()?.();
    else if (message.type === 'rolled') this.#rolling.shift()?.(message.segment);
    else this.#listener(message);
  }

  #end(message: { uncommitted: string[] }): void {
    this.#ended.resolve(message);
    this.#waker.close();
  }

  #fail(error: Error): void {
    this.#loaded.reject(error);
    this.#ended.reject(error);
    this.#waker.close();
  }
}

function failure({ code, message, hint }: Extract<FromKernelThread, { type: 'failed' }>): SessionfsError {
  return new SessionfsError(code, message, hint === undefined ? {} : { hint });
}
