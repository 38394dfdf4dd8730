/** Tries again what may succeed later: exponential backoff with full jitter, as Google asks for. */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../lib/backoff.ts';
import type { Bucket } from './bucket.ts';
import { BucketError } from './bucket-error.ts';
import { newUploadId } from './upload.ts';
import { wrapBucket } from './wrap.ts';

export interface RetryOptions {
  /** In all, with the first. */
  readonly attempts: number;
  /** The longest wait before the second attempt; it doubles from there up to `capMs`. */
  readonly baseMs: number;
  readonly capMs: number;
  /** Ends the waiting: the call rejects with the error of its last attempt. */
  readonly signal?: AbortSignal | undefined;
  /** From 0 to 1. */
  readonly random?: (() => number) | undefined;
  readonly sleep?: ((ms: number, signal: AbortSignal | undefined) => Promise<void>) | undefined;
}

/** A store that asks for a longer pause is asked again after this one; its callers have limits of their own. */
const RETRY_AFTER_MAX_MS = 60_000;

/**
 * Repeats calls that failed for the moment ('throttled', 'unreachable'); every other failure is final. All attempts of one
 * put carry the same upload id, so that an attempt which was stored without anyone hearing of it is recognized.
 */
export function retrying(bucket: Bucket, options: RetryOptions): Bucket {
  const patient = wrapBucket(bucket, (_operation, call) => retry(call, options));
  return {
    ...patient,
    put: (name, bytes, given) => {
      const { uploadId = newUploadId(), unanswered } = given;
      const call = () => bucket.put(name, bytes, { ...given, uploadId });
      return retry(call, options, unanswered);
    },
  };
}

async function retry<T>(call: () => Promise<T>, options: RetryOptions, unanswered?: () => void): Promise<T> {
  const { attempts, baseMs, capMs, signal, random = Math.random, sleep = sleepUnlessAborted } = options;
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof BucketError && error.isTransient)) throw error;
      if (attempt >= attempts || signal?.aborted) throw error;
      if (error.kind === 'unreachable') unanswered?.();
      const pauseMs = backoffMs(attempt - 1, { minMs: baseMs, maxMs: capMs, jitter: 1 }, random());
      await sleep(Math.max(pauseMs, Math.min(error.retryAfterMs ?? 0, RETRY_AFTER_MAX_MS)), signal);
      if (signal?.aborted) throw error;
    }
  }
}

async function sleepUnlessAborted(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {});
}
