/** All owner objects, from a listing. */
import type { Bucket } from '../../bucket/bucket.ts';
import type { OwnerRecord, Seen } from '../protocol.ts';
import { OWNERS_PREFIX, ownerCodec, sessionOfOwner } from './owner.ts';
import { seen } from './record.ts';

export interface ListedOwner extends Seen<OwnerRecord> {
  /** By the store's clock, in ms since the epoch. */
  readonly updatedMs: number;
}

/** By session. Rejects with BucketError. */
export async function listOwners(bucket: Bucket): Promise<Map<string, ListedOwner>> {
  const owners = new Map<string, ListedOwner>();
  let page: string | undefined;
  do {
    const { objects, nextPage } = await bucket.list(OWNERS_PREFIX, page);
    for (const version of objects) {
      const session = sessionOfOwner(version.name);
      if (session !== undefined)
        owners.set(session, { ...seen(version, ownerCodec), updatedMs: version.updatedMs });
    }
    page = nextPage;
  } while (page !== undefined);
  return owners;
}
