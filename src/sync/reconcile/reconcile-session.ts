/** Brings what is known of one session in step with the bucket, when this mount has got the right to it. */
import type { Bucket, ObjectVersion } from '../../bucket/bucket.ts';
import { BucketError } from '../../bucket/bucket-error.ts';
import { toObjectName } from '../../naming/object-name.ts';
import { sessionOf } from '../../naming/session-path.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { isBelow } from '../object-metadata.ts';
import type { WriteGrant } from '../write-grant.ts';
import { listObjects } from './listing.ts';
import { reconcile } from './reconcile.ts';

export interface ReconcileSessionParts {
  bucket: Bucket;
  ledger: Ledger;
  /** A session that changed here and there. `served`: an application may have seen it. */
  resolve: (session: string, listing: ReadonlyMap<string, ObjectVersion>, served: boolean) => Promise<void>;
  /** Files of the cache that the bucket has no more. */
  remove: (objectNames: readonly string[]) => Promise<void>;
}

/** Whether the copy here is what the last holder left: nobody else had the session since it was in step. */
export function isCurrent(ledger: Ledger, session: string, { epoch, previousEpoch }: WriteGrant): boolean {
  const known = ledger.epochOf(session);
  return known !== undefined && (known === epoch || known === previousEpoch);
}

/**
 * Compares the session with the bucket where it may be out of step; one list. Answers the objects that do not count and are to
 * be deleted. Rejects with BucketError.
 */
export async function reconcileSession(
  { bucket, ledger, resolve, remove }: ReconcileSessionParts,
  session: string,
  grant: WriteGrant,
  served: () => boolean,
): Promise<ObjectVersion[]> {
  const stale: ObjectVersion[] = [];
  if (session === '' || grant.epoch === 0) return stale;
  if (!isCurrent(ledger, session, grant)) {
    const listing = await listSession(bucket, session);
    for (const object of listing.values()) if (isBelow(grant.floor, object.metadata)) stale.push(object);
    for (const { name } of stale) listing.delete(name);
    const { conflicts, removed } = reconcile(ledger, listing.values(), served, {
      only: session,
      wroteElsewhere: () => grant.previousEpoch > 0,
    });
    await remove(removed);
    if (conflicts.size > 0) {
      const isServed = served();
      await resolve(session, listing, isServed);
      // It is not in step: whoever comes next, a daemon that takes over too, has to find that again.
      if (isServed) return stale;
    }
  }
  ledger.noteCurrent(session, grant.epoch);
  return stale;
}

/** The objects of one session. Rejects with BucketError. */
export async function listSession(bucket: Bucket, session: string): Promise<Map<string, ObjectVersion>> {
  const listing = await listObjects(bucket, undefined, toObjectName(session, 'directory'));
  // Below a user's name lie also the sessions of that user.
  for (const name of listing.keys()) if (sessionOf(name) !== session) listing.delete(name);
  return listing;
}

/** Deletes late writes that do not count. Best effort: they are never restored anyway. Answers how many went. */
export async function deleteStale(
  bucket: Bucket,
  stale: readonly ObjectVersion[],
  deadlineMs: number,
): Promise<number> {
  let deleted = 0;
  for (const { name, generation } of stale) {
    try {
      await bucket.delete(name, { ifGeneration: generation, deadlineMs });
      deleted++;
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
    }
  }
  return deleted;
}
