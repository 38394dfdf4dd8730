/** Finds out, by trying, which conditions a store ignores. Where it does, two mounts could overwrite each other unnoticed. */
import { randomUUID } from 'node:crypto';
import { ABSENT, type Bucket, type Condition } from './bucket.ts';
import { BucketError, isPrecondition } from './bucket-error.ts';

/** Of objects that are no session's; one that a killed process left behind does no harm. */
const PROBE_ROOT = '.sessionfs/probe/';
/** No version has it. */
const NO_VERSION = '0123456789abcdef0123456789abcdef';

/** Makes an object of its own and deletes it: five calls. Rejects with BucketError. */
export async function probeConditions(bucket: Bucket): Promise<readonly Condition[]> {
  const name = PROBE_ROOT + randomUUID();
  let generation: string = ABSENT;
  const put = async (ifGeneration: string) => {
    ({ generation } = await bucket.put(name, Buffer.from('probe'), { ifGeneration, metadata: {} }));
  };
  const ignored: Condition[] = [];
  const attempt = async (condition: Condition, change: () => Promise<unknown>) => {
    if (await isCarriedOut(change)) ignored.push(condition);
  };
  await put(ABSENT);
  await attempt('create', () => put(ABSENT));
  await attempt('replace', () => put(NO_VERSION));
  await attempt('delete', () => bucket.delete(name, { ifGeneration: NO_VERSION }));
  if (!ignored.includes('delete')) await bucket.delete(name, { ifGeneration: generation });
  return ignored;
}

async function isCarriedOut(change: () => Promise<unknown>): Promise<boolean> {
  try {
    await change();
    return true;
  } catch (error) {
    if (isPrecondition(error)) return false;
    throw error;
  }
}

/** For the use of a session that another mount has, in a bucket which cannot tell two mounts apart. */
export function notShareable(address: string, ignored: readonly Condition[], holder: string): BucketError {
  return new BucketError(
    'rejected',
    `${address} ignores conditions (${ignored.join(', ')}), so only one mount may use it, and ${holder} does`,
    { hint: NOT_SHAREABLE_HINT },
  );
}

export const NOT_SHAREABLE_HINT =
  'End the other mount with sessionfs unmount; if it is gone for good, delete the objects below .sessionfs/owners/. To share the bucket, use a server that honours If-Match and If-None-Match (docs/amazon-s3.md).';
