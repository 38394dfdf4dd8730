/**
 * missing: no such object, or no such bucket. precondition: another version is there. permission: credentials are absent,
 * wrong, or lack a role. throttled: the store asks for patience. unreachable: no answer, or one that says nothing.
 * corrupt: bytes and checksum differ. rejected: the store refuses the request itself, and would again.
 */
export type BucketErrorKind =
  | 'missing'
  | 'precondition'
  | 'permission'
  | 'throttled'
  | 'unreachable'
  | 'corrupt'
  | 'rejected';

/** The classes of a store's operations, as they are charged and counted. Deletes are free. */
export type OperationClass = 'A' | 'B' | 'free';

export interface BucketErrorDetails {
  retryAfterMs?: number | undefined;
  hint?: string;
  about?: 'bucket' | 'credentials';
  status?: number;
  cause?: unknown;
}

export class BucketError extends Error {
  readonly kind: BucketErrorKind;
  /** What the operator can do about it, as a whole sentence. */
  readonly hint: string | undefined;
  /** The thing at fault, if it is not the object or the request. */
  readonly about: 'bucket' | 'credentials' | undefined;
  /** The store asks for a pause of so long before the next try. */
  readonly retryAfterMs: number | undefined;
  /** Of an answer over HTTP that says no. */
  readonly status: number | undefined;

  constructor(kind: BucketErrorKind, message: string, details: BucketErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'BucketError';
    this.kind = kind;
    this.hint = details.hint;
    this.about = details.about;
    this.retryAfterMs = details.retryAfterMs;
    this.status = details.status;
  }

  /** The same call may succeed later without any intervention. */
  get isTransient(): boolean {
    return this.kind === 'throttled' || this.kind === 'unreachable';
  }
}

export function isPrecondition(error: unknown): error is BucketError {
  return error instanceof BucketError && error.kind === 'precondition';
}

export function isMissing(error: unknown): error is BucketError {
  return error instanceof BucketError && error.kind === 'missing';
}

/** An error as the fields of a log line. `reason`: the kind of a bucket's failure, or `local`. */
export function reasonOf(error: unknown): { reason: string; error: string; hint?: string } {
  const message = error instanceof Error ? error.message : String(error);
  const reason = error instanceof BucketError ? error.kind : 'local';
  const hint = error instanceof Error && 'hint' in error ? error.hint : undefined;
  return typeof hint === 'string' ? { reason, error: message, hint } : { reason, error: message };
}

/** `what` begins the message: "cannot read gs://…". */
export function tooLarge(what: string, maxBytes: number): BucketError {
  return new BucketError('corrupt', `${what}: it has more than the ${maxBytes} bytes that it may have`);
}

/** `object`: its whole address. */
export function damaged(object: string, details: BucketErrorDetails = {}): BucketError {
  return new BucketError('corrupt', `${object} does not have the checksum it was stored with`, details);
}

/** Of a header Retry-After: in seconds, or as a date. */
export function readRetryAfter(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined;
  const ms = /^\d{1,6}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
