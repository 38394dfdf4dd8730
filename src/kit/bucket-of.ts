import type { Bucket } from '../bucket/bucket.ts';
import type { Config } from '../config/load.ts';
import { withBucket } from './export/bucket-reader.ts';

/** `use` gets no bucket where there is no address. Throws BUCKET_UNAVAILABLE, and what `use` throws. */
export async function withBucketOf<T>(
  config: Config,
  address: Config['bucket'],
  use: (bucket: Bucket | undefined) => Promise<T>,
): Promise<T> {
  return address === undefined ? use(undefined) : withBucket(config, address, use);
}
