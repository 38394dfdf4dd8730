import type { BucketAddress } from '../config/parsers.ts';
import type { Bucket } from './bucket.ts';
import { counted, type Observe } from './counted.ts';
import { openDirectoryBucket } from './directory/directory-bucket.ts';

export interface OpenBucketOptions {
  /** As config has it; undefined: Google itself. */
  readonly emulatorUrl?: string | undefined;
  /** Hears of every request. */
  readonly observe?: Observe | undefined;
}

/**
 * The bucket of an address. It is not asked anything yet, so that a mount starts while the bucket is out of reach; only the
 * directory driver looks at once whether its directory is there, as `openDirectoryBucket` says.
 */
export async function openBucket(address: BucketAddress, options: OpenBucketOptions = {}): Promise<Bucket> {
  const { observe } = options;
  if (address.kind === 'directory') {
    const bucket = openDirectoryBucket(address.path);
    return observe ? counted(bucket, observe) : bucket;
  }
  // Google's SDK takes a good part of a second to load: only who uses it waits for it.
  const { openGcsBucket } = await import('./gcs/gcs-bucket.ts');
  return openGcsBucket({ name: address.name, ...options });
}
