/**
 * What the thread that serves a mount counts, in memory that it shares with the main thread: the metrics show it even while that
 * thread is stuck. Counting costs a few stores and no memory. Each cell has one writer, and a reader sees an aligned 64-bit
 * number whole.
 */
import { errnoName, isDiskFull } from '../lib/errno.ts';

/** The calls of applications, as the metrics name them. */
export const operationNames = [
  'lookup',
  'getattr',
  'setattr',
  'readlink',
  'create',
  'mkdir',
  'symlink',
  'unlink',
  'rmdir',
  'rename',
  'read',
  'write',
  'fsync',
  'readdir',
  'statfs',
  'other',
] as const;
export type OperationName = (typeof operationNames)[number];

/** The errors that the metrics tell apart. ENOSPC: also a quota. */
export const errorNames = [
  'EIO',
  'ENOSPC',
  'EBUSY',
  'EINTR',
  'ESTALE',
  'EFBIG',
  'ENAMETOOLONG',
  'ENOENT',
  'EEXIST',
  'other',
] as const;
type ErrorName = (typeof errorNames)[number];

/** Why a file's content is not served: it does not open, or (disk) cannot be read. */
export const refusalNames = [
  'truncated',
  'not-sealed',
  'unknown-suite',
  'unknown-key',
  'wrong-tag',
  'length-mismatch',
  'disk',
] as const;
export type RefusalName = (typeof refusalNames)[number];

/** given-up: what was written is dropped. rename-refused: the caller got EIO. */
export const incompleteOutcomes = ['given-up', 'rename-refused'] as const;
export type IncompleteOutcome = (typeof incompleteOutcomes)[number];

/** Upper bounds of the histogram, in seconds. */
export const operationBounds: readonly number[] = [0.0001, 0.001, 0.01, 0.1, 1, 10];

/** Of one operation: the sum of its seconds, then how many took no longer than each bound, and how many took longer. */
const OPERATION_CELLS = 1 + operationBounds.length + 1;
const ERRORS_AT = operationNames.length * OPERATION_CELLS;
const REFUSALS_AT = ERRORS_AT + errorNames.length;
const INCOMPLETE_AT = REFUSALS_AT + refusalNames.length;
const SHARED_SESSIONS_AT = INCOMPLETE_AT + incompleteOutcomes.length;
const CELLS = SHARED_SESSIONS_AT + 1;
const MS = 1e-3;

export interface OperationCounts {
  readonly seconds: number;
  /** Per bound of `operationBounds`, and beyond the last one; not cumulative. */
  readonly counts: readonly number[];
}

export class FilesystemCounters {
  /** Post this to the other thread and construct a FilesystemCounters over it there. */
  readonly shared: SharedArrayBuffer;
  readonly #cells: Float64Array;

  constructor(shared = new SharedArrayBuffer(CELLS * Float64Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#cells = new Float64Array(shared);
  }

  /** `operation`: its place in `operationNames`. `error`: 0 or a negative errno. */
  operation(operation: number, error: number, ms: number): void {
    const seconds = ms * MS;
    const at = operation * OPERATION_CELLS;
    this.#add(at, seconds);
    let bucket = 0;
    while (bucket < operationBounds.length && seconds > (operationBounds[bucket] as number)) bucket++;
    this.#add(at + 1 + bucket, 1);
    if (error < 0) this.#add(ERRORS_AT + errorPlace(error), 1);
  }

  refused(reason: RefusalName): void {
    this.#add(REFUSALS_AT + refusalNames.indexOf(reason), 1);
  }

  incomplete(outcome: IncompleteOutcome): void {
    this.#add(INCOMPLETE_AT + incompleteOutcomes.indexOf(outcome), 1);
  }

  sharedSession(): void {
    this.#add(SHARED_SESSIONS_AT, 1);
  }

  operationCounts(name: OperationName): OperationCounts {
    const at = operationNames.indexOf(name) * OPERATION_CELLS;
    return {
      seconds: this.#cells[at] ?? 0,
      counts: [...this.#cells.subarray(at + 1, at + OPERATION_CELLS)],
    };
  }

  errorCount(name: ErrorName): number {
    return this.#cells[ERRORS_AT + errorNames.indexOf(name)] ?? 0;
  }

  refusalCount(name: RefusalName): number {
    return this.#cells[REFUSALS_AT + refusalNames.indexOf(name)] ?? 0;
  }

  incompleteCount(name: IncompleteOutcome): number {
    return this.#cells[INCOMPLETE_AT + incompleteOutcomes.indexOf(name)] ?? 0;
  }

  get sharedSessions(): number {
    return this.#cells[SHARED_SESSIONS_AT] ?? 0;
  }

  #add(at: number, amount: number): void {
    this.#cells[at] = (this.#cells[at] ?? 0) + amount;
  }
}

/** In `errorNames`. */
function errorPlace(error: number): number {
  const name = isDiskFull(error) ? 'ENOSPC' : errnoName(error);
  const place = (errorNames as readonly string[]).indexOf(name);
  return place < 0 ? errorNames.indexOf('other') : place;
}
