/** In place of src/bucket/open.ts: the buckets are those of the world. */
import type { Bucket } from '../../../src/bucket/bucket.ts';
import type { BucketAddress } from '../../../src/config/parsers.ts';
import { machine } from './machine.ts';

export async function openBucket(address: BucketAddress): Promise<Bucket> {
  const { openBucket: open } = machine();
  if (open === undefined || address.kind === 'directory') throw new Error('this world has no such bucket');
  return open(address.name);
}
