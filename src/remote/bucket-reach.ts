/** Notes which requests the bucket serves, and why it does not serve the others. */
import type { Bucket } from '../bucket/bucket.ts';
import { BucketError } from '../bucket/bucket-error.ts';
import { type BucketOperation, wrapBucket } from '../bucket/wrap.ts';

export interface BucketProblem {
  readonly error: BucketError;
  /** In ms since the epoch. */
  readonly sinceMs: number;
  /** The bucket refuses, which only an operator can change. Otherwise it does not answer. */
  readonly isDefinite: boolean;
  /** Sessions cannot be restored; otherwise only backups fail. */
  readonly isReading: boolean;
}

const READING: ReadonlySet<BucketOperation> = new Set(['list', 'get', 'head']);

export class BucketReach {
  /** Per operation: the failure since its last success. */
  readonly #failures = new Map<BucketOperation, BucketProblem>();
  #last: BucketError | undefined;
  #servedMs = performance.now();

  /** Why the bucket did not serve the last request: it gave no answer, or it refuses. Undefined: it served it. */
  get failure(): BucketError | undefined {
    return this.#last;
  }

  /** Time since the bucket last served a request. */
  get silentMs(): number {
    return performance.now() - this.#servedMs;
  }

  /** The worst of what is wrong with the bucket: a refusal before an outage, reading before writing. */
  get problem(): BucketProblem | undefined {
    const rank = ({ isDefinite, isReading }: BucketProblem) => (isDefinite ? 2 : 0) + (isReading ? 1 : 0);
    return [...this.#failures.values()].sort((a, b) => rank(b) - rank(a))[0];
  }

  watch(bucket: Bucket): Bucket {
    return wrapBucket(bucket, (operation, call) =>
      // Optional for a mount: a role without it is no problem.
      operation === 'config' ? call() : this.#note(operation, call),
    );
  }

  async #note<T>(operation: BucketOperation, call: () => Promise<T>): Promise<T> {
    try {
      const answer = await call();
      this.#served(operation);
      return answer;
    } catch (error) {
      if (error instanceof BucketError && !isAnswer(error)) this.#failed(operation, error);
      else this.#served(operation);
      throw error;
    }
  }

  #served(operation: BucketOperation): void {
    this.#last = undefined;
    this.#servedMs = performance.now();
    this.#failures.delete(operation);
  }

  #failed(operation: BucketOperation, error: BucketError): void {
    this.#last = error;
    // The store refuses this one request; others go well.
    if (error.kind === 'rejected') return;
    const isDefinite = !error.isTransient;
    const before = this.#failures.get(operation);
    const sinceMs = before?.isDefinite === isDefinite ? before.sinceMs : Date.now();
    this.#failures.set(operation, { error, sinceMs, isDefinite, isReading: READING.has(operation) });
  }
}

/** The failure says something of one object; any other one says that the bucket cannot be used. */
function isAnswer({ kind, about }: BucketError): boolean {
  return kind === 'precondition' || kind === 'corrupt' || (kind === 'missing' && about !== 'bucket');
}
