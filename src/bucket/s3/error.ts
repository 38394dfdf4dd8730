/** From what the SDK, an S3 server and the network say to a BucketError. Messages name no key, no header and no content. */
import {
  BucketError,
  type BucketErrorDetails,
  type BucketErrorKind,
  readRetryAfter,
} from '../bucket-error.ts';

const HINTS = {
  noCredentials:
    'Give the process a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.',
  badCredentials:
    'Check that the access key exists and is not expired or revoked, that AWS_ENDPOINT_URL is the server that it is for, and that this machine’s clock is right.',
  forbidden:
    'Allow s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on its objects (docs/amazon-s3.md).',
  noBucket: 'Create the bucket, or correct STORAGE_BUCKET.',
  network: 'Check this machine’s network, DNS, proxy and firewall, and AWS_ENDPOINT_URL where it is set.',
  nonsense: 'Check that AWS_ENDPOINT_URL, where it is set, is an S3 server and no other page.',
  region: 'Set AWS_REGION to the region of the bucket (Cloudflare R2: auto).',
} as const;

const BAD_CREDENTIALS = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidAccessKeyId',
  'InvalidToken',
  'RequestTimeTooSkewed',
  'SignatureDoesNotMatch',
  'TokenRefreshRequired',
]);
const WRONG_REGION = new Set([
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
  'PermanentRedirect',
]);
const WRONG_CHECKSUM = new Set([
  'BadDigest',
  'InvalidDigest',
  'XAmzContentChecksumMismatch',
  'XAmzContentSHA256Mismatch',
]);
const PATIENCE = new Set([
  'ConditionalRequestConflict',
  'OperationAborted',
  'RequestLimitExceeded',
  'SlowDown',
  'ThrottlingException',
  'TooManyRequests',
]);

/** The parts of an SDK error that are read. */
interface Failure {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly Code?: unknown;
  readonly message?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: unknown };
  readonly $response?: { readonly headers?: Readonly<Record<string, unknown>> };
}

/** `what` begins the message: "cannot read s3://…". */
export function s3Error(what: string, error: unknown): BucketError {
  if (error instanceof BucketError) return error;
  const failure = (typeof error === 'object' && error !== null ? error : {}) as Failure;
  const status = failure.$metadata?.httpStatusCode;
  if (typeof status === 'number' && status >= 300) return fromStatus(what, status, failure);
  return withoutStatus(what, failure);
}

/** The server met two changes of one object at once, and did not carry this one out: it may be tried again. */
export function isConflict(error: unknown): boolean {
  return error instanceof BucketError && error.kind === 'throttled' && error.status === 409;
}

/** The server does not implement a header of the request, such as the checksum's. */
export function isUnknownHeader(error: unknown): boolean {
  return error instanceof BucketError && error.kind === 'rejected' && error.status === 501;
}

function fromStatus(what: string, status: number, failure: Failure): BucketError {
  const said = saidOf(failure);
  const kind = kindOf(status, said);
  const name = /^[A-Za-z0-9]{1,60}$/.test(said) && said !== 'Error' ? `, ${said}` : '';
  const message = `${what}: HTTP ${status}${name}`;
  if (kind === 'missing') return missing(what, said);
  const retryAfterMs = readRetryAfter(failure.$response?.headers?.['retry-after']);
  return new BucketError(kind, message, { ...adviceOf(said, kind), status, retryAfterMs });
}

function missing(what: string, said: string): BucketError {
  if (said !== 'NoSuchBucket') return new BucketError('missing', `${what}: there is no such object`);
  const details: BucketErrorDetails = { hint: HINTS.noBucket, about: 'bucket' };
  return new BucketError('missing', `${what}: there is no such bucket`, details);
}

function kindOf(status: number, said: string): BucketErrorKind {
  if (PATIENCE.has(said) || status === 429) return 'throttled';
  if (BAD_CREDENTIALS.has(said)) return 'permission';
  if (WRONG_CHECKSUM.has(said)) return 'corrupt';
  if (WRONG_REGION.has(said)) return 'rejected';
  // A server gives up a request whose body does not come, with 400.
  if (said === 'RequestTimeout' || status === 408) return 'unreachable';
  if (status === 404) return 'missing';
  if (status === 412) return 'precondition';
  if (status === 401 || status === 403) return 'permission';
  if (status === 501) return 'rejected';
  return status >= 500 || status < 400 ? 'unreachable' : 'rejected';
}

function adviceOf(said: string, kind: BucketErrorKind): BucketErrorDetails {
  if (WRONG_REGION.has(said)) return { hint: HINTS.region };
  if (BAD_CREDENTIALS.has(said)) return { hint: HINTS.badCredentials, about: 'credentials' };
  return kind === 'permission' ? { hint: HINTS.forbidden } : {};
}

function withoutStatus(what: string, failure: Failure): BucketError {
  const { name, code, message } = failure;
  if (name === 'CredentialsProviderError' || /credential/i.test(String(name)) || isExpired(failure)) {
    const details: BucketErrorDetails = { hint: HINTS.noCredentials, about: 'credentials' };
    return new BucketError('permission', `${what}: there are no usable AWS credentials`, details);
  }
  if (/region is missing/i.test(String(message)))
    return new BucketError('rejected', `${what}: no region is set`, { hint: HINTS.region });
  const network = networkCodeOf(name, code, message);
  if (network !== undefined)
    return new BucketError('unreachable', `${what}: ${network}`, { hint: HINTS.network });
  return new BucketError('unreachable', `${what}: the answer made no sense`, { hint: HINTS.nonsense });
}

function isExpired({ name, message }: Failure): boolean {
  return /token/i.test(String(name)) && /expired|refresh/i.test(String(message));
}

function networkCodeOf(name: unknown, code: unknown, message: unknown): string | undefined {
  if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{3,40}$/.test(code)) return code;
  if (name === 'TimeoutError') return 'no answer in time';
  return name === 'AbortError' || /socket hang up|aborted|premature close/i.test(String(message))
    ? 'the connection was cut'
    : undefined;
}

/** The server's code for the failure. The SDK names errors without one after their status. */
function saidOf({ name, Code }: Failure): string {
  return typeof Code === 'string' && Code !== '' ? Code : String(name ?? '');
}
