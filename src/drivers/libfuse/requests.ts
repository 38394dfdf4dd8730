/**
 * Requests of libfuse's threads, in the order in which they are carried out: one at a time, and each answered exactly once,
 * now or (parked, or waiting for the disk) later.
 */
import { type FileSystemOperations, PARKED, type Unstored } from '../../fs/contract.ts';
import { Errno, errnoOf, isDiskFull } from '../../lib/errno.ts';
import { AWAIT_SYNC, replyableError } from '../host/outcome.ts';
import type { NativeThread } from './binding.ts';
import { type NativeCall, renameOf } from './calls.ts';
import { errnoOfThisSystem } from './errno.ts';
import type { NativeOperations } from './operations.ts';
import { NativePaths, splitPath } from './paths.ts';

export interface NativeRequestsHost {
  /** As those of DispatchHost. */
  syncThenReply(uniqueLo: number, uniqueHi: number, slot: 0): void;
  /** The request of this number was carried out: `answerStored` is to be called once that is in the bucket. */
  store(request: number, unstored: Unstored): void;
  answered(request: number): void;
  makeRoom(): boolean;
  afterRequest(): void;
  unexpected(error: unknown, operation: string): void;
}

interface NativeRequest {
  /** undefined: nobody waits for the answer. */
  thread: NativeThread | undefined;
  /** This driver's own number of it; the kernel's is not told. */
  unique: number;
  call: NativeCall;
}

/** libfuse has renamed an open file away, whose name is still there. */
interface Hiding {
  thread: NativeThread;
  path: string;
  timer: NodeJS.Timeout;
  /** From other threads, meanwhile. */
  delayed: NativeRequest[];
}

/**
 * The thread that hides a file replaces its name at once, if it does. One that has done nothing for so long has removed it,
 * and was answered.
 */
const HIDING_MS = 20;
const TWO_TO_32 = 2 ** 32;

export class NativeRequests {
  readonly #fs: FileSystemOperations;
  readonly #operations: NativeOperations;
  readonly #host: NativeRequestsHost;
  #parked = new Map<number, NativeRequest>();
  /** Carried out; they wait for the disk. */
  readonly #syncing = new Map<number, NativeRequest>();
  /** Carried out, with this outcome; they wait for the bucket (cloud mode). */
  readonly #storing = new Map<number, { request: NativeRequest; outcome: number }>();
  #hiding: Hiding | undefined;
  #last = 0;

  constructor(fs: FileSystemOperations, operations: NativeOperations, host: NativeRequestsHost) {
    this.#fs = fs;
    this.#operations = operations;
    this.#host = host;
  }

  dispatch(thread: NativeThread, call: NativeCall): void {
    const request = { thread, unique: ++this.#last, call };
    const hiding = this.#hiding;
    if (hiding === undefined) this.#run(request);
    else if (hiding.thread !== thread) hiding.delayed.push(request);
    else this.#settleHiding(hiding, request);
  }

  /** Carries every parked request out again, in the order they came; some may be parked again. */
  retryParked(): void {
    const parked = this.#parked;
    this.#parked = new Map();
    for (const request of parked.values()) this.#run(request);
  }

  /** To a `syncThenReply`. */
  replySynced(uniqueLo: number, uniqueHi: number, error: number): void {
    const unique = uniqueHi * TWO_TO_32 + uniqueLo;
    const request = this.#syncing.get(unique);
    this.#syncing.delete(unique);
    if (request !== undefined) this.#answer(request, error);
  }

  /** To a `store`. `error`: 0 or a negative errno. */
  answerStored(unique: number, error: number): void {
    const stored = this.#storing.get(unique);
    this.#storing.delete(unique);
    if (stored === undefined) return;
    this.#answer(stored.request, error === 0 ? stored.outcome : error);
    this.#host.answered(unique);
  }

  /** The mount is gone: what was taken for granted so far is done. */
  finish(): void {
    if (this.#hiding !== undefined) this.#settleHiding(this.#hiding, undefined);
  }

  #run(request: NativeRequest): void {
    const outcome = this.#outcome(request);
    const unstored = outcome === PARKED ? undefined : this.#fs.takeUnstored();
    if (unstored !== undefined && (outcome >= 0 || outcome === AWAIT_SYNC)) {
      this.#storing.set(request.unique, { request, outcome: Math.max(0, outcome) });
      this.#host.store(request.unique, unstored);
    } else if (outcome === PARKED || (isDiskFull(outcome) && this.#host.makeRoom())) {
      this.#parked.set(request.unique, request);
    } else if (outcome === AWAIT_SYNC) {
      this.#syncing.set(request.unique, request);
      this.#host.syncThenReply(request.unique % TWO_TO_32, Math.floor(request.unique / TWO_TO_32), 0);
    } else {
      this.#answer(request, outcome < 0 ? replyableError(outcome, Errno.EIO) : outcome);
    }
    this.#host.afterRequest();
  }

  #outcome({ thread, unique, call }: NativeRequest): number {
    try {
      this.#fs.begin(unique);
      const rename = renameOf(call);
      if (thread !== undefined && rename !== undefined && NativePaths.isHiddenName(splitPath(rename.to).name))
        return this.#hide(thread, rename);
      return call.run(this.#operations);
    } catch (error) {
      this.#host.unexpected(error, call.name);
      return errnoOf(error);
    }
  }

  #answer({ thread, call }: NativeRequest, result: number): void {
    const told = result < 0 ? errnoOfThisSystem(result) : result;
    if (thread !== undefined) call.answer(thread, told, this.#operations);
  }

  #hide(thread: NativeThread, { from, to }: { from: string; to: string }): number {
    const status = this.#operations.hide(from, splitPath(to).name);
    if (status !== 0) return status;
    const timer = setTimeout(() => this.#settleHiding(hiding, undefined), HIDING_MS);
    const hiding: Hiding = { thread, path: from, timer, delayed: [] };
    this.#hiding = hiding;
    return 0;
  }

  /** `next`: of the same thread. A rename onto the name replaces it in one step; anything else means that it was removed. */
  #settleHiding(hiding: Hiding, next: NativeRequest | undefined): void {
    clearTimeout(hiding.timer);
    this.#hiding = undefined;
    const isReplaced = next !== undefined && renameOf(next.call)?.to === hiding.path;
    if (!isReplaced) this.#run({ thread: undefined, unique: ++this.#last, call: this.#removal(hiding.path) });
    // One of them may hide another file.
    for (const request of next === undefined ? hiding.delayed : [next, ...hiding.delayed]) {
      const thread = request.thread as NativeThread;
      const other = this.#hiding as Hiding | undefined;
      if (other === undefined) this.#run(request);
      else if (other.thread !== thread) other.delayed.push(request);
      else this.#settleHiding(other, request);
    }
  }

  #removal(path: string): NativeCall {
    return {
      name: 'unlink',
      run: (operations) => {
        const status = operations.unlink(path);
        // One that was never finished had no name to lose.
        return status === Errno.ENOENT ? 0 : status;
      },
      answer: () => {},
    };
  }
}
