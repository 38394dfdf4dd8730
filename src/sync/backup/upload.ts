/** One object, from the cache to the bucket. */
import { readFile } from 'node:fs/promises';
import { ABSENT, type Bucket, type ObjectVersion } from '../../bucket/bucket.ts';
import { BucketError } from '../../bucket/bucket-error.ts';
import { crc32c } from '../../lib/crc32c.ts';
import { ifMissing } from '../../lib/system-error.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { ObjectEntry, RemoteVersion } from '../ledger/object-entry.ts';
import { epochOf, isSignedBy, signature } from '../object-metadata.ts';
import type { WriteGrant, WriteGrants } from '../write-grant.ts';

export interface UploadParts {
  bucket: Bucket;
  ledger: Ledger;
  grants: WriteGrants;
  /** Where the cache keeps the object of that name. */
  locate: (objectName: string) => string;
}

/** Another mount has written the object since this one last saw it. */
export class ForeignWrite extends Error {
  readonly object: string;

  constructor(object: string, cause: unknown) {
    super(`${object} was written by another mount`, { cause });
    this.object = object;
  }
}

/**
 * Stores what the cache has of a changed entry and notes it; answers the bytes that went, 0 where the bucket had them. Rejects
 * with ForeignWrite, BucketError, what the grants reject with, or a system error of the cache.
 */
export async function upload(parts: UploadParts, entry: ObjectEntry): Promise<number> {
  const { ledger } = parts;
  const { change } = entry;
  const sealed = await readFile(parts.locate(entry.name)).catch(ifMissing);
  if (sealed === undefined) {
    // Deleted meanwhile; whoever deleted it may have been killed before the ledger heard of it.
    if (entry.change === change) await ledger.changed([], [entry.name]);
    return 0;
  }
  if (isThere(entry, sealed)) {
    ledger.stored(entry, change, entry.remote);
    return 0;
  }
  const grant = await parts.grants.grant(entry.session);
  ledger.attempt([entry.name]);
  const metadata = signature(ledger.id, grant.epoch);
  const { deadlineMs } = grant;
  const version = await withOwnGeneration(parts, entry, grant, (ifGeneration) =>
    parts.bucket.put(entry.name, sealed, { ifGeneration, metadata, deadlineMs }),
  );
  ledger.stored(entry, change, version);
  return sealed.length;
}

/** Deletes the object of a deleted entry and notes it. Rejects as `upload` does. */
export async function remove(parts: UploadParts, entry: ObjectEntry): Promise<void> {
  const { change } = entry;
  const grant = await parts.grants.grant(entry.session);
  const { deadlineMs } = grant;
  await withOwnGeneration(parts, entry, grant, async (ifGeneration, isKnown) => {
    if (ifGeneration !== ABSENT) await parts.bucket.delete(entry.name, { ifGeneration, deadlineMs });
    else if (entry.attempted && !isKnown)
      throw new BucketError('precondition', 'what became of an upload is not known');
  });
  parts.ledger.removed(entry, change);
}

function isThere(entry: ObjectEntry, sealed: Buffer): entry is ObjectEntry & { remote: RemoteVersion } {
  const { remote, refresh } = entry;
  return (
    remote !== undefined && !refresh && remote.size === sealed.length && remote.crc32c === crc32c(sealed)
  );
}

/**
 * Calls with the generation that the bucket should have. Where it has another one that was written from this very cache, by
 * an upload whose outcome was never noted, or by a mount that had lost the session by then, once more with that.
 */
async function withOwnGeneration<T>(
  parts: UploadParts,
  entry: ObjectEntry,
  grant: WriteGrant,
  call: (ifGeneration: string, isKnown: boolean) => Promise<T>,
): Promise<T> {
  try {
    return await call(entry.remote?.generation ?? ABSENT, false);
  } catch (error) {
    if (!isPrecondition(error)) throw error;
    const found = await newest(parts.bucket, entry.name);
    await refuseForeign(parts, entry, grant, found, error);
    return call(found?.generation ?? ABSENT, true).catch((again: unknown) => {
      throw isPrecondition(again) ? new ForeignWrite(entry.name, again) : again;
    });
  }
}

/** Throws unless what was found may be replaced: it is gone, or ours, or older than the right to write it. */
async function refuseForeign(
  { ledger, grants }: UploadParts,
  { name, session }: ObjectEntry,
  grant: WriteGrant,
  found: ObjectVersion | undefined,
  cause: unknown,
): Promise<void> {
  const isShared = grant.epoch > 0;
  if (isShared && !(await grants.verify(session))) {
    // Says who has it.
    await grants.grant(session);
    throw new ForeignWrite(name, cause);
  }
  if (found === undefined || isSignedBy(ledger.id, found.metadata)) return;
  const epoch = epochOf(found.metadata);
  if (!isShared || epoch === undefined || epoch >= grant.epoch) throw new ForeignWrite(name, cause);
}

async function newest(bucket: Bucket, name: string): Promise<ObjectVersion | undefined> {
  try {
    return await bucket.head(name);
  } catch (error) {
    if (error instanceof BucketError && error.kind === 'missing') return undefined;
    throw error;
  }
}

function isPrecondition(error: unknown): boolean {
  return error instanceof BucketError && error.kind === 'precondition';
}
