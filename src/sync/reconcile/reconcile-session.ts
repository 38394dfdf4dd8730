/** Compares one session with the bucket, when this mount has got the lease of it. */
import type { Bucket, ObjectVersion } from '../../bucket/bucket.ts';
import type { ForeignObjects } from '../foreign-objects.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { WriteGrant } from '../write-grant.ts';
import { type Listed, listSession } from './listing.ts';
import { type Reconciled, type ReconcileOptions, Reconciliation, takeStale } from './reconcile.ts';

export interface ReconcileSessionParts {
  bucket: Bucket;
  ledger: Ledger;
  /** Sessions that were compared here since this daemon began: they need no listing of the whole bucket. */
  compared: Set<string>;
  foreign: ForeignObjects;
  holds: ReconcileOptions['holds'];
  remove: ReconcileOptions['remove'];
  /** A session that changed here and there. `served`: an application may have seen it. */
  resolve: (session: string, listed: Listed, served: boolean) => Promise<void>;
  /** What becomes of the cache's files. */
  apply: (reconciled: Reconciled) => Promise<void>;
}

/** Whether the copy here is what the last holder left: no other mount had the session since it was compared. */
export function isCurrent(ledger: Ledger, session: string, { epoch, previousEpoch }: WriteGrant): boolean {
  const known = ledger.epochOf(session);
  return known !== undefined && (known === epoch || known === previousEpoch);
}

/**
 * Compares the session with the bucket where the copy here may not be current; one list. Returns the objects that do not count
 * and are not to stay. Rejects with BucketError.
 */
export async function reconcileSession(
  { bucket, ledger, compared, foreign, holds, remove, resolve, apply }: ReconcileSessionParts,
  session: string,
  grant: WriteGrant,
  served: () => boolean,
): Promise<ObjectVersion[]> {
  if (session === '' || grant.epoch === 0) return [];
  let stale: ObjectVersion[] = [];
  // Without any listing nothing says that this cache is not an older copy that was put back. One is enough: a second one may be
  // older than what a flush stores meanwhile.
  const isListed = ledger.listed || compared.has(session);
  if (!isListed || !isCurrent(ledger, session, grant)) {
    const listed = await listSession(bucket, session, foreign, ledger.known);
    stale = takeStale(listed, () => grant.floor);
    const comparing = new Reconciliation(ledger, {
      served,
      only: session,
      wroteElsewhere: () => grant.previousEpoch > 0 && !isCurrent(ledger, session, grant),
      holds,
      remove,
      foreign,
    });
    await comparing.add(listed.values());
    const reconciled = await comparing.end();
    foreign.tell();
    await apply(reconciled);
    if (reconciled.conflicts.size > 0) {
      const isServed = served();
      await resolve(session, listed, isServed);
      // It stays not current: the next one who opens it, a daemon that takes over too, has to find that again.
      if (isServed) return stale;
    }
  }
  ledger.noteCurrent(session, grant.epoch);
  compared.add(session);
  return stale;
}
