/** From what the SDK and the network say to a BucketError. Messages name no token, no header and no content. */
import {
  BucketError,
  type BucketErrorDetails,
  type BucketErrorKind,
  readRetryAfter,
} from '../bucket-error.ts';

/** What a 404 of the operation means: a list or an upload can only miss the bucket. */
export type Target = 'bucket' | 'object';

const HINTS = {
  noCredentials:
    'Give the process a service account: on Google Cloud attach one, elsewhere set GOOGLE_APPLICATION_CREDENTIALS to its key file.',
  badCredentials:
    'Check that the service account exists, that its key is not revoked, and that this machine’s clock is right.',
  forbidden: 'Grant the service account the role roles/storage.objectUser on this bucket.',
  noBucket: 'Create the bucket, or correct STORAGE_BUCKET.',
  network:
    'Check this machine’s network, DNS, proxy and firewall (Google: storage.googleapis.com, port 443).',
  keyFile: 'Correct GOOGLE_APPLICATION_CREDENTIALS: it must name a key file that this process may read.',
} as const;

interface Failure {
  readonly code?: unknown;
  readonly status?: unknown;
  readonly message?: unknown;
  readonly errors?: readonly { readonly reason?: unknown; readonly message?: unknown }[];
  readonly response?: {
    readonly statusCode?: unknown;
    readonly status?: unknown;
    readonly headers?: unknown;
  };
}

/** `what` begins the message: "cannot read gs://…". */
export function gcsError(what: string, error: unknown, target: Target): BucketError {
  if (error instanceof BucketError) return error;
  const failure = (typeof error === 'object' && error !== null ? error : {}) as Failure;
  const status = statusOf(failure);
  return status === undefined ? withoutStatus(what, failure) : fromStatus(what, status, failure, target);
}

/** While a token is fetched: the credentials are at fault, unless the network is. */
export function authError(what: string, error: unknown): BucketError {
  if (error instanceof BucketError) return error;
  const failure = (typeof error === 'object' && error !== null ? error : {}) as Failure;
  if (
    failure.code === 'ENOENT' ||
    failure.code === 'EACCES' ||
    /credential file|credentials file/i.test(String(failure.message))
  ) {
    return new BucketError('permission', `${what}: the file with the Google credentials cannot be read`, {
      hint: HINTS.keyFile,
      about: 'credentials',
    });
  }
  const status = statusOf(failure);
  const networkFails = status === undefined && networkCodeOf(failure) !== undefined;
  if (networkFails || status === 408 || status === 429 || (status !== undefined && status >= 500)) {
    return new BucketError('unreachable', `${what}: no access token: ${status ?? networkCodeOf(failure)}`, {
      hint: HINTS.network,
    });
  }
  const none = /default credentials/i.test(String(failure.message));
  return new BucketError(
    'permission',
    `${what}: ${none ? 'there are no Google credentials' : 'the Google credentials are refused'}`,
    {
      hint: none ? HINTS.noCredentials : HINTS.badCredentials,
      about: 'credentials',
    },
  );
}

function fromStatus(what: string, status: number, failure: Failure, target: Target): BucketError {
  const said = saidOf(failure);
  const kind = kindOf(status, failure, said);
  const text = said === '' ? `HTTP ${status}` : `HTTP ${status}, ${said}`;
  if (kind !== 'missing')
    return new BucketError(kind, `${what}: ${text}`, {
      ...hintOf(status),
      status,
      retryAfterMs: retryAfterMs(failure),
    });
  if (target === 'bucket' || /bucket does not exist/i.test(said)) {
    return new BucketError('missing', `${what}: there is no such bucket`, {
      hint: HINTS.noBucket,
      about: 'bucket',
    });
  }
  return new BucketError('missing', `${what}: there is no such object`);
}

function kindOf(status: number, failure: Failure, said: string): BucketErrorKind {
  if (status === 404) return 'missing';
  if (status === 412) return isConditionNotMet(failure) ? 'precondition' : 'rejected';
  if (status === 401 || status === 403) return /rateLimitExceeded/i.test(said) ? 'throttled' : 'permission';
  if (status === 429) return 'throttled';
  if (status === 408 || status >= 500 || status < 400) return 'unreachable';
  if (status === 400 && /crc32c|md5/i.test(said) && /match/i.test(said)) return 'corrupt';
  return 'rejected';
}

/** A policy of the organisation refuses with the same status, and would refuse again. Emulators give no reason. */
function isConditionNotMet({ errors, message }: Failure): boolean {
  const first = Array.isArray(errors) ? errors[0] : undefined;
  if (typeof first?.reason === 'string' && first.reason !== '') return first.reason === 'conditionNotMet';
  return /pre-?conditions? /i.test(`${first?.message ?? message} `);
}

function retryAfterMs({ response }: Failure): number | undefined {
  const headers = response?.headers as
    | (Record<string, unknown> & { get?: (name: string) => unknown })
    | undefined;
  const value = typeof headers?.get === 'function' ? headers.get('retry-after') : headers?.['retry-after'];
  return readRetryAfter(value);
}

function hintOf(status: number): BucketErrorDetails {
  if (status === 401) return { hint: HINTS.badCredentials, about: 'credentials' };
  return status === 403 ? { hint: HINTS.forbidden } : {};
}

function withoutStatus(what: string, failure: Failure): BucketError {
  const code = networkCodeOf(failure);
  if (code !== undefined) return new BucketError('unreachable', `${what}: ${code}`, { hint: HINTS.network });
  if (/default credentials/i.test(String(failure.message))) return authError(what, failure);
  return new BucketError('unreachable', `${what}: the answer made no sense`);
}

function statusOf(failure: Failure): number | undefined {
  for (const value of [
    failure.code,
    failure.status,
    failure.response?.statusCode,
    failure.response?.status,
  ]) {
    const status = typeof value === 'string' && /^\d{3}$/.test(value) ? Number(value) : value;
    if (typeof status === 'number' && status >= 300 && status < 600) return status;
  }
  return undefined;
}

/** ECONNRESET and its like, of Node, or `request-timeout` of the SDK's fetch. */
function networkCodeOf({ code, message }: Failure): string | undefined {
  if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{3,40}$/.test(code)) return code;
  const text = String(message);
  if (/network timeout|response timeout/i.test(text)) return 'no answer in time';
  return /socket hang up|premature close|aborted/i.test(text) ? 'the connection was cut' : undefined;
}

/** The store's own words, from a JSON error only: any other body comes from something in between (a proxy’s page). */
function saidOf({ errors }: Failure): string {
  const first = Array.isArray(errors) ? errors[0] : undefined;
  if (!first) return '';
  const words = [first.reason, first.message].filter((word) => typeof word === 'string' && word !== '');
  return words
    .join(': ')
    .replace(/ya29\.\S+|bearer\s+\S+/gi, '***')
    .replace(/\s+/g, ' ')
    .slice(0, 300);
}
