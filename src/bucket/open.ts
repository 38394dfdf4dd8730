import type { BucketAddress } from '../config/parsers.ts';
import type { Bucket } from './bucket.ts';
import { counted, type Observe } from './counted.ts';
import { openDirectoryBucket } from './directory/directory-bucket.ts';

export interface OpenBucketOptions {
  /** As config has it; undefined: Google itself. */
  readonly emulatorUrl?: string | undefined;
  /** Of an S3 server that is not Amazon's, as config has it. */
  readonly s3EndpointUrl?: string | undefined;
  /** Hears of every request. */
  readonly observe?: Observe | undefined;
}

/**
 * The bucket of an address. It is not asked anything yet, so that a mount starts while the bucket is out of reach; only the
 * directory driver looks at once whether its directory is there, as `openDirectoryBucket` says. Rejects with PACKAGE_MISSING.
 */
export async function openBucket(address: BucketAddress, options: OpenBucketOptions = {}): Promise<Bucket> {
  const { observe } = options;
  if (address.kind === 'directory') {
    const bucket = openDirectoryBucket(address.path);
    return observe ? counted(bucket, observe) : bucket;
  }
  // An SDK takes a good part of a second to load: only a mount that uses it waits for it.
  if (address.kind === 's3') {
    const { openS3Bucket } = await import('./s3/s3-bucket.ts');
    return openS3Bucket({ name: address.name, endpointUrl: options.s3EndpointUrl, observe });
  }
  const { openGcsBucket } = await import('./gcs/gcs-bucket.ts');
  return openGcsBucket({ name: address.name, ...options });
}
