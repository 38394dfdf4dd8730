/** The time limit of one call. Nothing that a store or a library does, or fails to do, makes the call last longer. */
import { BucketError } from './bucket-error.ts';

export const DEFAULT_TIMEOUT_MS = 15_000;

export interface Deadline {
  /** Aborted when the time is up or the bucket is closed; its reason is a BucketError. */
  readonly signal: AbortSignal;
  /** Milliseconds, at least 1. */
  remainingMs(): number;
}

/** Returns the time left of a call that must also have ended by `deadlineMs`, in ms. */
export function timeLeft(timeoutMs: number, deadlineMs: number = Number.POSITIVE_INFINITY): number {
  return Math.min(timeoutMs, deadlineMs - performance.now());
}

/**
 * Runs `work`; rejects with 'unreachable' when it takes longer than `timeoutMs` or `closed` is aborted meanwhile. `work` may
 * then still run: it must look at the signal before every step that changes anything.
 */
export async function withDeadline<T>(
  what: string,
  timeoutMs: number,
  closed: AbortSignal,
  work: (deadline: Deadline) => Promise<T>,
): Promise<T> {
  if (timeoutMs <= 0) throw new BucketError('unreachable', `${what}: the time for it is over`);
  const controller = new AbortController();
  const endMs = performance.now() + timeoutMs;
  const late = () =>
    controller.abort(
      new BucketError('unreachable', `${what}: no answer within ${timeoutMs} ms`, {
        hint: 'Check the network between this machine and the store, and what stands in between.',
      }),
    );
  const close = () => controller.abort(new BucketError('unreachable', `${what}: the bucket was closed`));
  if (closed.aborted) close();
  const timer = setTimeout(late, timeoutMs);
  closed.addEventListener('abort', close);
  const ended = new Promise<never>((_, reject) => {
    const fail = () => reject(controller.signal.reason);
    if (controller.signal.aborted) fail();
    else controller.signal.addEventListener('abort', fail, { once: true });
  });
  ended.catch(() => {});
  try {
    controller.signal.throwIfAborted();
    const remainingMs = () => Math.max(1, Math.ceil(endMs - performance.now()));
    return await Promise.race([work({ signal: controller.signal, remainingMs }), ended]);
  } finally {
    clearTimeout(timer);
    closed.removeEventListener('abort', close);
  }
}
