/** Tells what a bucket does, for metrics: one report an operation. */
import type { Bucket } from './bucket.ts';
import { BucketError, type BucketErrorKind, type OperationClass } from './bucket-error.ts';
import { type BucketOperation, wrapBucket } from './wrap.ts';

export interface OperationReport {
  readonly operation: BucketOperation;
  readonly class: OperationClass;
  readonly result: 'ok' | BucketErrorKind;
  /** Of content, that were sent or received; 0 where it failed. */
  readonly bytes: number;
  readonly ms: number;
}

export type Observe = (report: OperationReport) => void;

const CLASSES: Readonly<Record<BucketOperation, OperationClass>> = {
  list: 'A',
  put: 'A',
  get: 'B',
  head: 'B',
  config: 'B',
  delete: 'free',
};

/** Runs `work`, one operation, and reports it. `bytesOf` tells the size from its result. */
export async function observed<T>(
  observe: Observe | undefined,
  operation: BucketOperation,
  work: () => Promise<T>,
  bytesOf: (result: T) => number = () => 0,
): Promise<T> {
  if (!observe) return work();
  const startMs = performance.now();
  const report = (result: OperationReport['result'], bytes: number) =>
    observe({ operation, class: CLASSES[operation], result, bytes, ms: performance.now() - startMs });
  let value: T;
  try {
    value = await work();
  } catch (error) {
    report(error instanceof BucketError ? error.kind : 'unreachable', 0);
    throw error;
  }
  report('ok', bytesOf(value));
  return value;
}

/** Reports every call. A driver whose calls may take more than one request reports those itself instead. */
export function counted(bucket: Bucket, observe: Observe): Bucket {
  return {
    ...wrapBucket(bucket, (operation, call) => observed(observe, operation, call)),
    get: (name, options) =>
      observed(
        observe,
        'get',
        () => bucket.get(name, options),
        (object) => object.bytes.length,
      ),
    put: (name, bytes, options) =>
      observed(
        observe,
        'put',
        () => bucket.put(name, bytes, options),
        () => bytes.length,
      ),
  };
}
