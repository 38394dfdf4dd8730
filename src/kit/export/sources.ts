/** Where `sessionfs export` finds a session: in the cache with its journal, and in the bucket. */
import type { Bucket, ObjectVersion } from '../../bucket/bucket.ts';
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
import { requireRoom } from './room.ts';
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

/**
 * With kept versions, and the objects that are wanted. `warn` is told where a mount stores some of them all the time. Throws
 * BUCKET_UNAVAILABLE.
 */
export async function readFromBucket(
  config: Config,
  session: string,
  wanted: 'all' | ReadonlySet<string>,
  warn: (text: string) => void,
): Promise<SealedVersions> {
  const { bucket: address, backupConcurrency } = config;
  if (address === undefined) return { files: new Map(), keptVersions: [] };
  return withBucket(config, address, async (bucket) => ({
    keptVersions: await readKeptVersions(bucket, session, backupConcurrency),
    files:
      wanted === 'all' || wanted.size > 0
        ? await readAtOnce(bucket, session, { concurrency: backupConcurrency, wanted, warn })
        : new Map(),
  }));
}

interface Read {
  readonly bytes: Buffer;
  /** Of the version that was read, or was listed and cannot be read. */
  readonly generation: string;
}

interface AtOnce {
  readonly concurrency: number;
  readonly wanted: 'all' | ReadonlySet<string>;
  readonly warn: (text: string) => void;
}

/** A mount stores a session within seconds, and then rests for a while. */
const ATTEMPTS = 10;

/** All of one moment: credentials of after a flush, with keys of before it, are no session. Rejects with BucketError. */
export async function readAtOnce(
  bucket: Bucket,
  session: string,
  { concurrency, wanted, warn }: AtOnce,
): Promise<SealedVersions['files']> {
  const files = new Map<string, Read>();
  const isRead = ({ name, generation }: ObjectVersion) => files.get(name)?.generation === generation;
  let listed = await listFiles(bucket, session, wanted);
  for (let attempt = 0; ; attempt++) {
    const names = new Set(listed.map(({ name }) => name));
    for (const name of files.keys()) if (!names.has(name)) files.delete(name);
    const changed = listed.filter((version) => !isRead(version));
    await mapLimit(changed, concurrency, async (version) => {
      const read = await readVersion(bucket, version);
      if (read === undefined) files.delete(version.name);
      else files.set(version.name, read);
    });
    listed = await listFiles(bucket, session, wanted);
    if (listed.length === files.size && listed.every(isRead)) break;
    if (attempt + 1 < ATTEMPTS) continue;
    warn(`${session} changed in the bucket each time it was read: its files are of different moments`);
    break;
  }
  return new Map([...files].map(([name, { bytes }]) => [pathIn(session, name) ?? name, bytes]));
}

async function listFiles(
  bucket: Bucket,
  session: string,
  wanted: AtOnce['wanted'],
): Promise<ObjectVersion[]> {
  const objects = await listAll(bucket, folderOf(session));
  const files = objects.filter(
    (object) =>
      !isDeletedMark(object) &&
      pathIn(session, object.name) !== undefined &&
      (wanted === 'all' || wanted.has(object.name)),
  );
  requireRoom(session, files);
  return files;
}

/** Each file by itself. */
export async function readObjects(
  bucket: Bucket,
  session: string,
  concurrency: number,
): Promise<SealedVersions['files']> {
  const files: SealedVersions['files'] = new Map();
  await mapLimit(await listFiles(bucket, session, 'all'), concurrency, async ({ name, size }) => {
    const bytes = await readIfThere(bucket, name, size);
    if (bytes !== undefined) files.set(pathIn(session, name) ?? name, bytes);
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
  requireRoom(session, objects);
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
  return (await readVersion(bucket, { name, size: maxBytes, generation: '' }))?.bytes;
}

/** See `readIfThere`. */
async function readVersion(
  bucket: Bucket,
  { name, size, generation }: Pick<ObjectVersion, 'name' | 'size' | 'generation'>,
): Promise<Read | undefined> {
  try {
    return await bucket.get(name, { maxBytes: size });
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (error instanceof BucketError && error.kind === 'corrupt')
      return { bytes: Buffer.alloc(0), generation };
    throw error;
  }
}

/** A version that both cache and bucket have was kept here and then uploaded. */
export function withoutRepeats(versions: readonly KeptVersion[]): KeptVersion[] {
  const byName = new Map(versions.map((version) => [`${version.path}.${version.ms}`, version]));
  return [...byName.values()].sort((a, b) => a.ms - b.ms);
}
