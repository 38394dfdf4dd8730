/** Where `sessionfs export` finds a session: in the cache with its journal, and in the bucket. */
import type { Bucket } from '../../bucket/bucket.ts';
import { BucketError, isMissing } from '../../bucket/bucket-error.ts';
import { isDeletedMark } from '../../bucket/deleted-mark.ts';
import { listAll } from '../../bucket/list-all.ts';
import type { Config } from '../../config/load.ts';
import { syncFileOperations } from '../../lib/file-operations.ts';
import { mapLimit } from '../../lib/map-limit.ts';
import { keptDatabasePath } from '../../naming/kept-database.ts';
import { keptVersionObjectName, keptVersionPrefix } from '../../naming/kept-version-name.ts';
import {
  KEPT_VERSION_ROOT,
  keptVersionObject,
  parseKeptVersionObject,
} from '../../naming/kept-version-object.ts';
import { folderOf, fromObjectName } from '../../naming/object-name.ts';
import { KeptVersions, listKeptVersions } from '../../store/set-aside/kept-versions.ts';
import { withBucket } from './bucket-reader.ts';
import { isIn, pathIn, readSealedSession } from './sealed-session.ts';
import type { KeptVersion, SealedVersions } from './versions.ts';

/** As a running daemon leaves it; takes no lock. Throws as readSealedSession does. */
export async function readFromCache(cachePath: string, session: string): Promise<SealedVersions> {
  const files = await readSealedSession(cachePath, session);
  // A name that was too long to be kept whole is known by the path that it was made of.
  const known = [`${session}/creds.json`, ...files.keys()];
  const paths = new Map(
    [...known, ...known.map(keptDatabasePath)].map((path) => [keptVersionPrefix(path), path]),
  );
  const kept = new KeptVersions(cachePath, syncFileOperations);
  const keptVersions = listKeptVersions(cachePath).flatMap((version): KeptVersion[] => {
    const path = paths.get(version.prefix) ?? fromObjectName(keptVersionObjectName(version.prefix))?.path;
    if (path === undefined || !isIn(session, path)) return [];
    return [{ path, ms: version.ms, sealed: kept.read(version) }];
  });
  return { files, keptVersions };
}

/** With kept versions, and the objects that are wanted. Throws BUCKET_UNAVAILABLE. */
export async function readFromBucket(
  config: Config,
  session: string,
  wanted: 'all' | ReadonlySet<string>,
): Promise<SealedVersions> {
  const { bucket: address, backupConcurrency } = config;
  if (address === undefined) return { files: new Map(), keptVersions: [] };
  return withBucket(config, address, async (bucket) => ({
    keptVersions: await readKeptVersions(bucket, session, backupConcurrency),
    files:
      wanted === 'all' || wanted.size > 0
        ? await readObjects(bucket, session, backupConcurrency, wanted)
        : new Map(),
  }));
}

export async function readObjects(
  bucket: Bucket,
  session: string,
  concurrency: number,
  wanted: 'all' | ReadonlySet<string> = 'all',
): Promise<SealedVersions['files']> {
  const files: SealedVersions['files'] = new Map();
  const objects = await listAll(bucket, folderOf(session));
  await mapLimit(objects, concurrency, async ({ name, metadata, size }) => {
    if (isDeletedMark({ metadata }) || (wanted !== 'all' && !wanted.has(name))) return;
    const path = pathIn(session, name);
    if (path === undefined) return;
    const bytes = await readIfThere(bucket, name, size);
    if (bytes !== undefined) files.set(path, bytes);
  });
  return files;
}

/** What the names of the session's kept versions begin with in the bucket; undefined: those of all. */
export function keptVersionPrefixOf(session: string | undefined): string {
  return session === undefined ? KEPT_VERSION_ROOT : keptVersionObject(folderOf(session));
}

async function readKeptVersions(
  bucket: Bucket,
  session: string,
  concurrency: number,
): Promise<KeptVersion[]> {
  const keptVersions: KeptVersion[] = [];
  const objects = await listAll(bucket, keptVersionPrefixOf(session));
  await mapLimit(objects, concurrency, async ({ name, size }) => {
    const parsed = parseKeptVersionObject(name);
    const path = parsed && fromObjectName(parsed.objectName)?.path;
    if (path === undefined || !isIn(session, path)) return;
    const sealed = await readIfThere(bucket, name, size);
    if (sealed !== undefined) keptVersions.push({ path, ms: parsed?.ms ?? 0, sealed });
  });
  return keptVersions;
}

/** One object, no larger than the bucket says; undefined: there is none. */
export async function readObject(bucket: Bucket, name: string): Promise<Buffer | undefined> {
  try {
    const version = await bucket.head(name);
    return isDeletedMark(version) ? undefined : await readIfThere(bucket, name, version.size);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Undefined: it was deleted since it was listed. Without bytes, which no seal fits, where they are not what was stored or are more
 * than any file has: one such object keeps none of the others from being read.
 */
export async function readIfThere(
  bucket: Bucket,
  name: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  try {
    return (await bucket.get(name, { maxBytes })).bytes;
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (error instanceof BucketError && error.kind === 'corrupt') return Buffer.alloc(0);
    throw error;
  }
}

/** A version that both cache and bucket have was kept here and then uploaded. */
export function withoutRepeats(versions: readonly KeptVersion[]): KeptVersion[] {
  const byName = new Map(versions.map((version) => [`${version.path}.${version.ms}`, version]));
  return [...byName.values()].sort((a, b) => a.ms - b.ms);
}
