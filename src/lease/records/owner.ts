/** The object that says which mount holds a session. docs/file-format.md describes it. */
import type { Bucket } from '../../bucket/bucket.ts';
import { BucketError } from '../../bucket/bucket-error.ts';
import { listPages } from '../../bucket/list-all.ts';
import { fromObjectName, OBJECT_ROOT, toObjectName } from '../../naming/object-name.ts';
import type { OwnerRecord, Seen } from '../protocol.ts';
import { type Codec, printFlag, printText, seen } from './record.ts';

export const OWNERS_ROOT = '.sessionfs/owners/';
/** No name in a mount contains a bare '%', and no owner object is a folder of another one. */
const SUFFIX = '%owner';

/** `session`: a top-level directory of the mount; '': the files in its root. */
export function ownerName(session: string): string {
  const below = toObjectName(session, 'directory').slice(OBJECT_ROOT.length + 1);
  return `${OWNERS_ROOT}${below}${below === '' ? '' : '/'}${SUFFIX}`;
}

/** Undefined: not the name of an owner object. */
export function sessionOfOwner(objectName: string): string | undefined {
  if (!objectName.startsWith(OWNERS_ROOT) || !objectName.endsWith(SUFFIX)) return undefined;
  const below = objectName.slice(OWNERS_ROOT.length, -SUFFIX.length).replace(/\/$/, '');
  const session = fromObjectName(below === '' ? OBJECT_ROOT : `${OBJECT_ROOT}/${below}`, 'directory')?.path;
  return session !== undefined && ownerName(session) === objectName ? session : undefined;
}

export const ownerCodec: Codec<OwnerRecord> = {
  read: (field) => {
    const [epoch, floor] = [field.count('epoch'), field.count('floor')];
    // Only a holder raises it, to its own epoch: above that it would hide every object.
    if (floor > epoch) throw field.corrupt('floor');
    return {
      ...{ holder: field.text('holder'), name: field.text('name'), epoch, floor },
      refresh: field.flag('refresh'),
    };
  },
  write: ({ holder, name, epoch, floor, refresh }) => ({
    holder: printText(holder),
    name: printText(name),
    epoch: String(epoch),
    floor: String(floor),
    refresh: printFlag(refresh),
  }),
};

export interface ListedOwner extends Seen<OwnerRecord> {
  /** By the bucket's clock, in ms since the epoch. */
  readonly updatedMs: number;
}

export interface ListedOwners {
  readonly owners: Map<string, ListedOwner>;
  /** Sessions whose owner object is malformed, and why. */
  readonly malformed: Map<string, BucketError>;
}

/** Lists all owner objects, by session. Rejects with BucketError. */
export async function listOwners(bucket: Bucket): Promise<ListedOwners> {
  const owners = new Map<string, ListedOwner>();
  const malformed = new Map<string, BucketError>();
  for await (const objects of listPages(bucket, OWNERS_ROOT)) {
    for (const version of objects) {
      const session = sessionOfOwner(version.name);
      if (session === undefined) continue;
      try {
        owners.set(session, { ...seen(version, ownerCodec), updatedMs: version.updatedMs });
      } catch (error) {
        if (!(error instanceof BucketError)) throw error;
        malformed.set(session, error);
      }
    }
  }
  return { owners, malformed };
}
