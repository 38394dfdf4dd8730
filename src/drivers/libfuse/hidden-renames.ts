/**
 * libfuse never lets an open file lose its name: before unlink(2) and rename(2) over it, the thread renames the file to a hidden
 * name first. What that thread asks for next says which of the two it was: a rename onto the path replaces the name in one step,
 * anything else means that the name was removed. Until then nothing changes, and requests of other threads are queued.
 */

/** One request of libfuse's, as far as it matters here. */
export interface Queued<Thread> {
  readonly thread: Thread;
  /** Of a rename: its new path. */
  readonly renamesTo: string | undefined;
}

export interface HiddenRenamesHost<Request> {
  run(request: Request): void;
  /** The name was removed. */
  remove(path: string): void;
}

type State<Thread, Request> =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'hiding';
      readonly thread: Thread;
      readonly path: string;
      readonly timer: NodeJS.Timeout;
      /** From other threads, meanwhile. */
      readonly queue: Request[];
    };

/** The thread that hides a file replaces its name at once, if it does. One that is silent for so long has removed it. */
const HIDING_MS = 20;

export class HiddenRenames<Thread, Request extends Queued<Thread>> {
  readonly #host: HiddenRenamesHost<Request>;
  readonly #waitMs: number;
  #state: State<Thread, Request> = { kind: 'none' };

  constructor(host: HiddenRenamesHost<Request>, waitMs = HIDING_MS) {
    this.#host = host;
    this.#waitMs = waitMs;
  }

  /** Runs the request, now or when it is known what became of a hidden name. */
  add(request: Request): void {
    const state = this.#state;
    if (state.kind === 'none') this.#host.run(request);
    else if (state.thread !== request.thread) state.queue.push(request);
    else this.#settle(request);
  }

  /** `none -> hiding`, from within `run`: the thread has renamed the open file at `path` to a hidden name. */
  hide(thread: Thread, path: string): void {
    const timer = setTimeout(() => this.#settle(undefined), this.#waitMs);
    this.#state = { kind: 'hiding', thread, path, timer, queue: [] };
  }

  /** No request follows: a name that is hidden now was removed. */
  finish(): void {
    while (this.#state.kind === 'hiding') this.#settle(undefined);
  }

  /** `hiding -> none`. `next`: what the thread that hides asks for next. Queued requests may hide another file. */
  #settle(next: Request | undefined): void {
    const state = this.#state;
    if (state.kind === 'none') return;
    clearTimeout(state.timer);
    this.#state = { kind: 'none' };
    if (next?.renamesTo !== state.path) this.#host.remove(state.path);
    if (next !== undefined) this.add(next);
    for (const request of state.queue) this.add(request);
  }
}
