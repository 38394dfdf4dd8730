/** A bucket that is read without a mount: retries, a check that a directory is one, and errors for the user. */
import type { Bucket } from '../../bucket/bucket.ts';
import { BucketError } from '../../bucket/bucket-error.ts';
import { isBucketDirectory } from '../../bucket/directory/layout.ts';
import { openBucket } from '../../bucket/open.ts';
import { retrying } from '../../bucket/retry.ts';
import type { Config } from '../../config/load.ts';
import type { BucketAddress } from '../../config/parsers.ts';
import { SessionfsError } from '../../lib/errors.ts';

const ATTEMPTS = 4;
const RETRY_BASE_MS = 500;
const RETRY_CAP_MS = 8_000;

/** Opens the bucket of the settings for `use`, and closes it. Throws BUCKET_UNAVAILABLE, and what `use` throws. */
export async function withBucket<T>(
  { storageEmulatorUrl, s3EndpointUrl }: Config,
  address: BucketAddress,
  use: (bucket: Bucket) => Promise<T>,
): Promise<T> {
  let opened: Bucket | undefined;
  requireDirectory(address);
  try {
    opened = await openBucket(address, { emulatorUrl: storageEmulatorUrl, s3EndpointUrl });
    return await use(retrying(opened, { attempts: ATTEMPTS, baseMs: RETRY_BASE_MS, capMs: RETRY_CAP_MS }));
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    throw unavailable('the bucket cannot be read', error);
  } finally {
    opened?.close();
  }
}

/** As `withBucket`; `use` gets no bucket where there is no address. */
export async function withBucketIfAny<T>(
  config: Config,
  address: Config['bucket'],
  use: (bucket: Bucket | undefined) => Promise<T>,
): Promise<T> {
  return address === undefined ? use(undefined) : withBucket(config, address, use);
}

/** `what` happened because of it. */
export function unavailable(what: string, cause: BucketError): SessionfsError {
  const { message, hint } = cause;
  return new SessionfsError('BUCKET_UNAVAILABLE', `${what}: ${message}`, { cause, hint });
}

/** A directory that is no bucket would be made one. Throws BUCKET_UNAVAILABLE. */
export function requireDirectory(address: BucketAddress): void {
  if (address.kind !== 'directory' || isBucketDirectory(address.path)) return;
  throw new SessionfsError('BUCKET_UNAVAILABLE', `there is no bucket in ${address.path}`, {
    hint: 'Check its address (STORAGE_BUCKET), and that the disk with the directory is mounted.',
  });
}
