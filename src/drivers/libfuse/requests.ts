/**
 * Requests of libfuse's threads, in the order in which they are carried out: one at a time, and each answered exactly once,
 * now or (parked, or waiting for the disk) later.
 */
import type { FileSystemOperations, Unstored } from '../../fs/contract.ts';
import { Errno, errnoOf } from '../../lib/errno.ts';
import { classify, type EndingHost, replyableError } from '../host/outcome.ts';
import type { LibfuseThread, OperationName } from './binding.ts';
import type { LibfuseCall } from './calls.ts';
import { errnoOfThisSystem } from './errno.ts';
import { HiddenRenames, type Queued } from './hidden-renames.ts';
import type { LibfuseOperations } from './operations.ts';
import { LibfusePaths, splitPath } from './paths.ts';

export interface LibfuseRequestsHost extends EndingHost {
  /** As those of DispatchHost. */
  syncThenReply(uniqueLo: number, uniqueHi: number, slot: 0): void;
  /** The request of this number was carried out: `answerStored` is to be called once that is in the bucket. */
  store(request: number, unstored: Unstored): void;
  answered(request: number): void;
  afterRequest(): void;
  /** See DispatchHost. */
  measured(operation: OperationName, error: number, ms: number): void;
  unexpected(error: unknown, operation: string): void;
}

interface WaitingRequest extends Queued<LibfuseThread> {
  /** False: the driver made the request itself. */
  readonly wantsReply: boolean;
  /** This driver's own number of it; the kernel's is not told. */
  readonly unique: number;
  readonly startedMs: number;
  readonly call: LibfuseCall;
}

const TWO_TO_32 = 2 ** 32;
const NO_THREAD: LibfuseThread = Buffer.alloc(0);

export class LibfuseRequests {
  readonly #fs: FileSystemOperations;
  readonly #operations: LibfuseOperations;
  readonly #host: LibfuseRequestsHost;
  readonly #hidden = new HiddenRenames<LibfuseThread, WaitingRequest>({
    run: (request) => this.#run(request),
    remove: (path) => this.#run(this.#request(NO_THREAD, removalOf(path), false)),
  });
  #parked = new Map<number, WaitingRequest>();
  /** Carried out; they wait for the disk. */
  readonly #syncing = new Map<number, WaitingRequest>();
  /** Carried out, with this outcome; they wait for the bucket (cloud mode). */
  readonly #storing = new Map<number, { request: WaitingRequest; outcome: number }>();
  #last = 0;

  constructor(fs: FileSystemOperations, operations: LibfuseOperations, host: LibfuseRequestsHost) {
    this.#fs = fs;
    this.#operations = operations;
    this.#host = host;
  }

  dispatch(thread: LibfuseThread, call: LibfuseCall): void {
    this.#hidden.add(this.#request(thread, call, true));
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

  /** The mount is gone: no request follows. */
  finish(): void {
    this.#hidden.finish();
  }

  #request(thread: LibfuseThread, call: LibfuseCall, wantsReply: boolean): WaitingRequest {
    const renamesTo = call.renames?.to;
    return { thread, call, wantsReply, renamesTo, unique: ++this.#last, startedMs: performance.now() };
  }

  #run(request: WaitingRequest): void {
    const { unique } = request;
    const outcome = this.#outcome(request);
    const ending = classify(outcome, this.#fs, this.#host);
    switch (ending) {
      case 'drop':
        break;
      case 'park':
        this.#parked.set(unique, request);
        break;
      case 'sync':
        this.#syncing.set(unique, request);
        this.#host.syncThenReply(unique % TWO_TO_32, Math.floor(unique / TWO_TO_32), 0);
        break;
      case 'answer':
        this.#answer(request, outcome < 0 ? replyableError(outcome, Errno.EIO) : outcome);
        break;
      default:
        this.#storing.set(unique, { request, outcome: Math.max(0, outcome) });
        this.#host.store(unique, ending);
    }
    this.#host.afterRequest();
  }

  #outcome({ thread, unique, call }: WaitingRequest): number {
    try {
      this.#fs.begin(unique);
      const { renames } = call;
      const hides = renames !== undefined && LibfusePaths.isHiddenName(splitPath(renames.to).name);
      if (hides && this.#operations.isOpen(renames.from)) return this.#hide(thread, renames);
      return call.run(this.#operations);
    } catch (error) {
      this.#host.unexpected(error, call.name);
      return errnoOf(error);
    }
  }

  #answer({ thread, call, wantsReply, startedMs }: WaitingRequest, result: number): void {
    if (!wantsReply) return;
    this.#host.measured(call.name, Math.min(0, result), performance.now() - startedMs);
    call.answer(thread, result < 0 ? errnoOfThisSystem(result) : result, this.#operations);
  }

  #hide(thread: LibfuseThread, { from, to }: { from: string; to: string }): number {
    const status = this.#operations.hide(from, splitPath(to).name);
    if (status === 0) this.#hidden.hide(thread, from);
    return status;
  }
}

function removalOf(path: string): LibfuseCall {
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
