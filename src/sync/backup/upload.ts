/** One object, from the cache to the bucket. */
import { readFile } from 'node:fs/promises';
import { ABSENT, type Bucket, type ObjectVersion } from '../../bucket/bucket.ts';
import { BucketError, isMissing, isPrecondition } from '../../bucket/bucket-error.ts';
import { DELETED_MARK, isDeletedMark } from '../../bucket/deleted-mark.ts';
import { epochOf, isBelow, isSignedBy, signature } from '../../bucket/object-metadata.ts';
import { crc32c } from '../../lib/crc32c.ts';
import { ifMissing } from '../../lib/system-error.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { ObjectEntry, RemoteVersion } from '../ledger/object-entry.ts';
import type { WriteGrant, WriteGrants } from '../write-grant.ts';

export interface UploadParts {
  bucket: Bucket;
  ledger: Ledger;
  grants: WriteGrants;
  /** Where the cache keeps the object of that name. */
  locate: (objectName: string) => string;
  /** Moves an object below the floor out of the session. Rejects with BucketError. */
  setAside: (stale: ObjectVersion, deadlineMs: number) => Promise<void>;
}

const NOTHING = new Uint8Array(0);

/** Another mount, or a later run on a cache of which this one is an older copy, has written the object. */
export class ForeignWrite extends Error {
  readonly object: string;

  constructor(object: string, cause: unknown) {
    super(`${object} was written by another mount`, { cause });
    this.object = object;
  }
}

/** What the cache held of a changed entry at some moment. */
export interface CachedVersion {
  readonly entry: ObjectEntry;
  /** The entry's, from before it was read. */
  readonly change: number;
  readonly sealed: Buffer;
}

/** Undefined: the file is gone, and that is noted. Rejects with a system error of the cache, and as `settleCommitted` does. */
export async function readCached(
  { ledger, locate, settleCommitted }: UploadParts & { settleCommitted: () => Promise<void> },
  entry: ObjectEntry,
): Promise<CachedVersion | undefined> {
  const read = () => readFile(locate(entry.name)).catch(ifMissing);
  const { change } = entry;
  const sealed = await read();
  if (sealed !== undefined) return { entry, change, sealed };
  // A checkpoint that is under way has deleted it. What the ledger hears from it may be a move to another session.
  await settleCommitted();
  if ((await read()) !== undefined || entry.change !== change || entry.local === 'deleted') return undefined;
  // The process that deleted it may have been killed before the ledger heard of it.
  await ledger.changed([], [entry.name]);
  return undefined;
}

/** As `readCached`, of what stands for the file in the bucket. */
export async function readImage(
  entry: ObjectEntry,
  { file, change }: { file: string; change: number },
): Promise<CachedVersion> {
  return { entry, change, sealed: await readFile(file) };
}

/**
 * Stores what the cache held of a changed entry and notes it; returns the bytes that went, 0 where the bucket had them; undefined:
 * the file was deleted since it was read. Rejects with ForeignWrite, BucketError, what the grants reject with, or a system error of
 * the cache.
 */
export async function upload(
  parts: UploadParts,
  { entry, change, sealed }: CachedVersion,
): Promise<number | undefined> {
  const { ledger } = parts;
  const content: Content = { size: sealed.length, crc32c: crc32c(sealed) };
  if (isThere(entry, content)) {
    ledger.stored(entry, change, entry.remote);
    return 0;
  }
  // A mount that may not write attempts nothing.
  const first = await parts.grants.grant(entry.session);
  // Where the ledger has forgotten it, nothing would ever delete what is stored now; and what
  // credentials count on may have moved to another session with them.
  if (ledger.get(entry.name) !== entry || change < entry.deletedChange) return undefined;
  if (entry.shadowed) return 0;
  // An earlier flush may have sent the same upload, and heard nothing.
  const tries = { mayArrive: ledger.mayArrive(entry.name) };
  const version = await replaceOwn(parts, { entry, grant: first, content }, async (ifGeneration) => {
    const uploadId = await ledger.attempt(entry.name, ifGeneration, content.crc32c);
    const unanswered = () => {
      tries.mayArrive = true;
    };
    // A busy disk may have taken longer than the first grant lasts.
    const { epoch, deadlineMs } = await parts.grants.grant(entry.session);
    const metadata = signature(ledger.id, epoch);
    return parts.bucket.put(entry.name, sealed, {
      ...{ ifGeneration, metadata, deadlineMs, uploadId, unanswered },
    });
  });
  ledger.stored(entry, change, version);
  if (!tries.mayArrive) ledger.answered(entry.name, version.uploadId);
  return sealed.length;
}

/**
 * Deletes the object of a deleted entry and notes it. Where an upload may still arrive under its name, a mark takes its place.
 * False: the file was made again. Rejects as `upload` does.
 */
export async function remove(parts: UploadParts, entry: ObjectEntry): Promise<boolean> {
  const { ledger, bucket } = parts;
  const { name, session } = entry;
  const grant = await parts.grants.grant(session);
  if (entry.local !== 'deleted' || ledger.get(name) !== entry || ledger.isBackupDirty(entry)) return false;
  const { change } = entry;
  const { epoch, deadlineMs } = grant;
  const metadata = { ...signature(ledger.id, epoch), ...DELETED_MARK };
  await replaceOwn(parts, { entry, grant }, async (ifGeneration, found) => {
    const isMark = found !== undefined && found !== 'nothing' && isDeletedMark(found);
    // An upload that is under way to replace this very mark cannot replace another one.
    if (isMark && !ledger.mayReplace(found)) return;
    if (ledger.mayArrive(name)) await bucket.put(name, NOTHING, { ifGeneration, metadata, deadlineMs });
    else if (ifGeneration !== ABSENT) await bucket.delete(name, { ifGeneration, deadlineMs });
    else if (ledger.attemptsOf(name).length > 0 && found === undefined)
      throw new BucketError('precondition', 'what became of an upload is not known');
  });
  ledger.removed(entry, change);
  return true;
}

/** What tells the bytes of one version from another's. */
type Content = Pick<RemoteVersion, 'size' | 'crc32c'>;

function isThere(entry: ObjectEntry, content: Content): entry is ObjectEntry & { remote: RemoteVersion } {
  const { remote, refresh } = entry;
  if (remote === undefined) return false;
  // Nothing sealed is empty: it stands for what the bucket could not give, and must not take its place.
  return content.size === 0 || (!refresh && isSame(remote, content));
}

function isSame({ size, crc32c: sum }: Content, content: Content): boolean {
  return size === content.size && sum === content.crc32c;
}

interface Replacing {
  readonly entry: ObjectEntry;
  readonly grant: WriteGrant;
  /** What is to be stored; undefined: the object is to be deleted. */
  readonly content?: Content;
}

/**
 * Calls with the generation that the bucket should have; where it has another one that may be replaced, once more with that.
 * `found`: what the bucket turned out to have, 'nothing' if it is no more.
 */
async function replaceOwn<T>(
  parts: UploadParts,
  replacing: Replacing,
  call: (ifGeneration: string, found: ObjectVersion | 'nothing' | undefined) => Promise<T>,
): Promise<T> {
  const { entry } = replacing;
  try {
    return await call(entry.remote?.generation ?? ABSENT, undefined);
  } catch (error) {
    if (!isPrecondition(error)) throw error;
    let found = await newest(parts.bucket, entry.name);
    const verdict = await refuseForeign(parts, replacing, found, error);
    if (found !== undefined && verdict === 'stale') {
      await parts.setAside(found, replacing.grant.deadlineMs);
      found = undefined;
    }
    return call(found?.generation ?? ABSENT, found ?? 'nothing').catch((again: unknown) => {
      throw isPrecondition(again) ? new ForeignWrite(entry.name, again) : again;
    });
  }
}

/**
 * Throws unless what was found may be replaced: it is gone, or an own version, or a late write of an earlier holder. 'stale': it lies
 * below the floor and counts for nothing, but an operator may have brought it back, so that it is to be kept. Below the floor is
 * nothing of a later run on this cache, whatever it is signed with.
 */
async function refuseForeign(
  { ledger, grants }: UploadParts,
  { entry: { name, session }, grant, content }: Replacing,
  found: ObjectVersion | undefined,
  cause: unknown,
): Promise<'replaceable' | 'stale'> {
  const isShared = grant.epoch > 0;
  if (isShared && !(await grants.verify(session))) {
    // Says which mount has it.
    await grants.grant(session);
    throw new ForeignWrite(name, cause);
  }
  if (found === undefined || isDeletedMark(found) || isOwn(ledger, found, content)) return 'replaceable';
  if (isBelow(grant.floor, found.metadata)) return 'stale';
  const epoch = epochOf(found.metadata);
  const isLate = isShared && epoch !== undefined && epoch < grant.epoch;
  if (!isLate || isSignedBy(ledger.id, found.metadata)) throw new ForeignWrite(name, cause);
  return 'replaceable';
}

/**
 * Whether a version is one that this cache stored without hearing of it: by an upload that it knows of, or with these very
 * bytes. Any other one that is signed by this cache comes from a later run on it: then this is an older copy.
 */
function isOwn(ledger: Ledger, found: ObjectVersion, content: Content | undefined): boolean {
  if (!isSignedBy(ledger.id, found.metadata)) return false;
  return ledger.isAttempt(found.name, found.uploadId) || (content !== undefined && isSame(found, content));
}

async function newest(bucket: Bucket, name: string): Promise<ObjectVersion | undefined> {
  try {
    return await bucket.head(name);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
