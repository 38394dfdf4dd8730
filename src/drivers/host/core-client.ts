/**
 * The main thread's side of the filesystem core: sends it messages, hears it, and learns of its end. The link carries them:
 * direct/worker-link.ts to a thread of its own, libfuse/link.ts within the main thread.
 */

import type { DatabasesCut } from '../../fs/operations/database-cuts.ts';
import { type Deferred, deferred } from '../../lib/deferred.ts';
import { SessionfsError } from '../../lib/errors.ts';
import { inTime } from '../../lib/in-time.ts';
import type { FileNumbers } from '../../observe/measurements.ts';
import type { ClientMessage, FromCore, RoutedMessage, ToCore } from './messages.ts';

export type Loaded = Extract<ClientMessage, { type: 'loaded' }>;

const ENDING_MS = 200;

/** The way to the core. */
export interface CoreLink {
  /** Called once, before anything else. Neither callback is called before it returns. */
  start(receive: (message: FromCore) => void, fail: (error: Error) => void): void;
  post(message: ToCore): void;
  /** See CoreClient.serve, keepAccess, terminate. */
  serve(): void;
  keepAccess(directory: string): Promise<void>;
  terminate(): Promise<void>;
  /** It has ended. */
  close(): void;
}

export class CoreClient {
  /** Settles when the thread is gone: with what it could not commit, or with the reason of its failure. */
  readonly ended: Promise<{ uncommitted: string[] }>;
  readonly #link: CoreLink;
  /** Calls of `send` that wait for the core to act on their message, in order. */
  readonly #waiting: (() => void)[] = [];
  readonly #measuring: ((files: FileNumbers) => void)[] = [];
  readonly #rolling: ((segment: number | undefined) => void)[] = [];
  readonly #cutting: ((cut: DatabasesCut) => void)[] = [];
  readonly #loaded = deferred<Loaded>();
  readonly #ended: Deferred<{ uncommitted: string[] }> = deferred();
  /** What came before `listen`. */
  #early: RoutedMessage[] = [];
  #listener: (message: RoutedMessage) => void = (message) => this.#early.push(message);

  constructor(link: CoreLink) {
    this.#link = link;
    this.ended = this.#ended.promise;
    // Callers that await them see a failure; nothing has to await them.
    for (const { promise } of [this.#loaded, this.#ended]) promise.catch(() => {});
    link.start(
      (message) => this.#receive(message),
      (error) => this.#fail(error),
    );
  }

  /** The tree is built and plain sessions are journaled; nothing is served yet. */
  loaded(): Promise<Loaded> {
    return this.#loaded.promise;
  }

  listen(listener: (message: RoutedMessage) => void): void {
    this.#listener = listener;
    for (const message of this.#early.splice(0)) listener(message);
  }

  /** Lets it read requests. The descriptor must be mounted: before that, reading it fails. */
  serve(): void {
    this.#link.serve();
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

  /** The databases that are, or lie beside, one of these files, as they are at one instant; undefined: the thread has ended. */
  async cutDatabases(paths: readonly string[]): Promise<DatabasesCut | undefined> {
    const cut = new Promise<DatabasesCut>((resolve) => this.#cutting.push(resolve));
    this.post({ type: 'cut-databases', paths });
    return Promise.race([cut, this.#settled()]);
  }

  /** What the thread counts of its files now; undefined: it has ended. */
  async measure(): Promise<FileNumbers | undefined> {
    const measured = new Promise<FileNumbers>((resolve) => this.#measuring.push(resolve));
    this.post({ type: 'measure' });
    return Promise.race([measured, this.#settled()]);
  }

  post(message: ToCore): void {
    this.#link.post(message);
  }

  /** Before a lazy unmount: keeps a way to wake the thread, until it ends. */
  async keepAccess(directory: string): Promise<void> {
    await this.#link.keepAccess(directory);
  }

  /** For a thread that does not serve yet: one that is blocked in read(2) does not hear of it. */
  async terminate(): Promise<void> {
    await this.#link.terminate();
  }

  /** Whether `ended` has settled, after a moment for what it has sent already. */
  async hasEnded(): Promise<boolean> {
    return inTime(
      this.#settled().then(() => true),
      ENDING_MS,
      false,
    );
  }

  #settled(): Promise<undefined> {
    return this.ended.then(
      () => undefined,
      () => undefined,
    );
  }

  #receive(message: FromCore): void {
    if (message.to === 'client') this.#hear(message);
    else this.#listener(message);
  }

  #hear(message: ClientMessage): void {
    switch (message.type) {
      case 'loaded':
        this.#loaded.resolve(message);
        break;
      case 'done':
        this.#waiting.shift()?.();
        break;
      case 'measured':
        this.#measuring.shift()?.(message.files);
        break;
      case 'rolled':
        this.#rolling.shift()?.(message.segment);
        break;
      case 'databases-cut':
        this.#cutting.shift()?.(message.cut);
        break;
      case 'failed':
        this.#fail(failure(message));
        break;
      case 'ended':
        this.#end(message);
        break;
    }
  }

  #end(message: { uncommitted: string[] }): void {
    this.#ended.resolve(message);
    this.#link.close();
  }

  #fail(error: Error): void {
    this.#loaded.reject(error);
    this.#ended.reject(error);
    this.#link.close();
  }
}

function failure({ code, message, hint }: Extract<ClientMessage, { type: 'failed' }>): SessionfsError {
  return new SessionfsError(code, message, hint === undefined ? {} : { hint });
}
