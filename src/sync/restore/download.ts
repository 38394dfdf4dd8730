/** One object, from the bucket to the cache, under a temporary name until the whole session is there. */
import { type Bucket, OBJECT_BYTES_MAX, type ObjectVersion, type StoredObject } from '../../bucket/bucket.ts';
import { BucketError, isMissing } from '../../bucket/bucket-error.ts';
import { isDeletedMark } from '../../bucket/deleted-mark.ts';
import { fromObjectName } from '../../naming/object-name.ts';
import type { Cache } from '../../store/cache/cache.ts';
import type { StagedFile } from '../../store/cache/files.ts';
import type { ObjectEntry, RemoteVersion } from '../ledger/object-entry.ts';

/** Whether sealed bytes are what a file's name says: 'key' if they were sealed with a key that this mount does not have. */
export type SealVerdict =
  | { kind: 'opens' }
  | { kind: 'key'; keyId: string }
  | { kind: 'corrupt'; reason: string };

export interface DownloadParts {
  bucket: Bucket;
  cache: Cache;
  /** Checks the authentication tag; decrypts nothing. */
  verify: (path: string, directoryMeta: boolean, sealed: Buffer) => SealVerdict;
  /** What a sealed file may have at most. */
  maxBytes?: number;
  /** Runs a request to the bucket when it is its turn. */
  inTurn: <T>(request: () => Promise<T>) => Promise<T>;
}

export type Downloaded =
  | { kind: 'staged'; object: StoredObject; staged: StagedFile }
  /** Does not open, here or anywhere; the bytes are empty where the bucket cannot give those that were stored. */
  | { kind: 'corrupt'; object: RemoteVersion; bytes: Buffer; reason: string }
  /** Was deleted since it was listed. */
  | { kind: 'gone' }
  /** Another version than the listed one is in the bucket. Never of a file in the root, which belongs to no session. */
  | { kind: 'moved' };

const CHECKSUM_ATTEMPTS = 3;

/** Sealed with a key that is not among those given: it must be waited for, not overwritten. */
export class KeyUnknown extends Error {
  readonly keyId: string;
  readonly hint = 'Give the key that sealed it in SESSION_ENCRYPTION_KEYS_PREVIOUS, and start again.';

  constructor(name: string, keyId: string) {
    super(`${name} was sealed with a key that was not given (id ${keyId})`);
    this.keyId = keyId;
  }
}

/** The staged bytes are on stable storage. Rejects with BucketError, KeyUnknown, or a system error of the cache. */
export async function download(
  { bucket, cache, verify, inTurn, maxBytes = OBJECT_BYTES_MAX }: DownloadParts,
  entry: ObjectEntry,
): Promise<Downloaded> {
  const { remote } = entry;
  if (remote !== undefined && remote.size > maxBytes)
    return { kind: 'corrupt', object: remote, bytes: Buffer.alloc(0), reason: 'too-large' };
  // A file in the root may have a newer version than the listed one.
  const limit = entry.session === '' ? maxBytes : (remote?.size ?? maxBytes);
  // The disk is waited for outside of the turn: another request goes meanwhile.
  const object = await inTurn(() => fetchWhole(bucket, entry.name, limit));
  if (object === undefined) return { kind: 'gone' };
  if (entry.session === '' && isDeletedMark(object)) return { kind: 'gone' };
  if (entry.session !== '' && object.generation !== entry.remote?.generation) return { kind: 'moved' };
  if (!('bytes' in object)) return { kind: 'corrupt', object, bytes: Buffer.alloc(0), reason: 'checksum' };
  const identity = fromObjectName(entry.name);
  if (identity === undefined) throw new Error(`${entry.name} is the name of no file`);
  const verdict = verify(identity.path, identity.directoryMeta, object.bytes);
  if (verdict.kind === 'key' && entry.session !== '') throw new KeyUnknown(entry.name, verdict.keyId);
  if (verdict.kind !== 'opens') {
    // No name in the root is known before all files there are: one that was waited for would hold up every session.
    const reason = verdict.kind === 'key' ? 'unknown-key' : verdict.reason;
    return { kind: 'corrupt', object, bytes: object.bytes, reason };
  }
  return { kind: 'staged', object, staged: await stage(cache, object.bytes) };
}

export async function stage(cache: Cache, bytes: Buffer): Promise<StagedFile> {
  const staged = await cache.files.stage(bytes);
  try {
    await cache.files.settle(staged);
    return staged;
  } catch (error) {
    await cache.files.discard(staged);
    throw error;
  }
}

/** Bytes that differ from their checksum may have been hurt on the way; the version alone where they come so every time. */
async function fetchWhole(
  bucket: Bucket,
  name: string,
  maxBytes: number,
): Promise<StoredObject | ObjectVersion | undefined> {
  for (let attempt = 1; attempt <= CHECKSUM_ATTEMPTS; attempt++) {
    try {
      return await fetchObject(bucket, name, maxBytes);
    } catch (error) {
      if (!(error instanceof BucketError && error.kind === 'corrupt')) throw error;
    }
  }
  return bucket.head(name);
}

/** Undefined only if the bucket itself says so: of a bucket that is gone, every object is missing. */
async function fetchObject(
  bucket: Bucket,
  name: string,
  maxBytes: number,
): Promise<StoredObject | undefined> {
  try {
    return await bucket.get(name, { maxBytes });
  } catch (error) {
    if (!isMissing(error)) throw error;
    const { objects } = await bucket.list(name);
    if (objects.some((object) => object.name === name)) throw error;
    return undefined;
  }
}
