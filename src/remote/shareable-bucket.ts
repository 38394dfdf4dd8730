/** Whether the bucket can be shared by mounts; where it cannot, this mount uses it alone or not at all. */
import type { Bucket } from '../bucket/bucket.ts';
import { NOT_SHAREABLE_HINT, notShareable } from '../bucket/conditions.ts';
import type { IdentityStore } from '../lease/identity.ts';
import { listOwners } from '../lease/records/owner.ts';
import { SessionfsError } from '../lib/errors.ts';
import type { Logger } from '../observe/log.ts';

/** Returns BUCKET_UNCONDITIONAL where another mount has sessions in a bucket that ignores conditions. Rejects with BucketError. */
export async function foundUnshareable(
  bucket: Bucket,
  identity: IdentityStore,
  log: Logger,
): Promise<SessionfsError | undefined> {
  const ignored = await bucket.ignoredConditions();
  if (ignored.length === 0) return undefined;
  const known = await identity.load();
  const own = known === undefined ? [] : [known.id, ...known.former];
  const { owners } = await listOwners(bucket);
  const other = [...owners.values()].find(({ record: { holder } }) => holder !== '' && !own.includes(holder));
  if (other !== undefined) {
    const { message } = notShareable(bucket.address, ignored, other.record.name);
    return new SessionfsError('BUCKET_UNCONDITIONAL', message, { hint: NOT_SHAREABLE_HINT });
  }
  log.warn(
    { bucket: bucket.address, ignored },
    'The bucket ignores conditions of changes; make sure that no other mount uses it',
  );
  return undefined;
}
