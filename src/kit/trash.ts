/** What the trash keeps of removed sessions, in the cache and in the bucket, without a mount and without a lease. */
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bucket } from '../bucket/bucket.ts';
import { BucketError } from '../bucket/bucket-error.ts';
import { listAll } from '../bucket/list-all.ts';
import type { Config } from '../config/load.ts';
import { DAY_MS } from '../lib/clock.ts';
import { requirePrivatePath } from '../lib/private-path.ts';
import { ifMissing } from '../lib/system-error.ts';
import { parseTrashObject, TRASH_FILES, trashDirectory, trashObjectPrefix } from '../naming/trash-name.ts';
import { listTrash } from '../store/checkpoint/trash.ts';
import { archiveFile } from '../store/set-aside/archive.ts';
import { unavailable, withBucketIfAny } from './export/bucket-reader.ts';
import { sourcesOf } from './export/export-session.ts';

/** One removal of a session. */
export interface Trashed {
  readonly session: string;
  readonly removedAt: string;
  /** When a mount with these settings deletes it. */
  readonly until: string;
  /** Undefined: the bucket does not say, and the cache has none of it. */
  readonly files?: number;
  readonly bytes: number;
  readonly cache: boolean;
  readonly bucket: boolean;
}

/** Which removals: of one session, or of all; only those before `beforeMs`. */
export interface TrashFilter {
  readonly session: string | undefined;
  /** ms since the epoch. */
  readonly beforeMs: number;
}

interface Place {
  readonly ms: number;
  readonly session: string;
  readonly bytes: number;
  readonly files: number | undefined;
  remove(): Promise<void>;
}

interface Found {
  readonly inCache: readonly Place[];
  readonly inBucket: readonly Place[];
}

/** The oldest first. Throws SESSION_NOT_FOUND (there is neither cache nor bucket), CACHE_NOT_WRITABLE, BUCKET_UNAVAILABLE and system errors. */
export async function listTrashed(config: Config, filter: TrashFilter): Promise<Trashed[]> {
  sourcesOf(config, undefined);
  return withBucketIfAny(config, config.bucket, async (bucket) =>
    merged(await find(config, bucket, filter), config),
  );
}

/**
 * Deletes them for good, in the cache first: a mount stores in the bucket what its cache has. Returns what went. Throws as `listTrashed` does, and
 * UNSAFE_PATH; BUCKET_UNAVAILABLE says how far it came.
 */
export async function emptyTrashed(
  config: Config,
  filter: TrashFilter,
  progress: Report,
): Promise<Trashed[]> {
  sourcesOf(config, undefined);
  return withBucketIfAny(config, config.bucket, (bucket) => emptyIn(bucket, config, filter, progress));
}

type Report = (done: number, total: number) => void;

/** See `emptyTrashed`. */
export async function emptyIn(
  bucket: Bucket | undefined,
  config: Config,
  filter: TrashFilter,
  progress: Report,
): Promise<Trashed[]> {
  const found = await find(config, bucket, filter);
  if (found.inCache.length > 0)
    requirePrivatePath(trashDirectory(config.cachePath), 'the trash', 'SESSION_CACHE_PATH');
  const all = [...found.inCache, ...found.inBucket];
  for (const [index, place] of all.entries()) {
    await place.remove().catch((error: unknown) => {
      if (!(error instanceof BucketError)) throw error;
      throw unavailable(`${index} of ${all.length} archives are deleted; run it again for the rest`, error);
    });
    progress(index + 1, all.length);
  }
  return merged(found, config);
}

async function find(config: Config, bucket: Bucket | undefined, filter: TrashFilter): Promise<Found> {
  const isMeant = ({ session, ms }: Pick<Place, 'session' | 'ms'>) =>
    (filter.session === undefined || session === filter.session) && ms < filter.beforeMs;
  return {
    inCache: listTrash(config.cachePath)
      .filter(isMeant)
      .flatMap((each) => inCache(join(trashDirectory(config.cachePath), each.name), each)),
    inBucket: bucket === undefined ? [] : (await objectsOf(bucket, filter.session)).filter(isMeant),
  };
}

/** Empty: a mount has deleted it meanwhile. */
function inCache(path: string, { session, ms }: Pick<Place, 'session' | 'ms'>): Place[] {
  const archive = archiveFile(path);
  if (archive === undefined) return [];
  return [{ session, ms, ...archive, remove: () => unlink(path).catch(ifMissing) }];
}

async function objectsOf(bucket: Bucket, session: string | undefined): Promise<Place[]> {
  const objects = await listAll(bucket, trashObjectPrefix(session));
  return objects.flatMap(({ name, size, metadata, generation }): Place[] => {
    const parsed = parseTrashObject(name);
    if (parsed === undefined) return [];
    const files = /^\d{1,9}$/.test(metadata[TRASH_FILES] ?? '') ? Number(metadata[TRASH_FILES]) : undefined;
    const remove = () => bucket.delete(name, { ifGeneration: generation });
    return [{ session: parsed.session, ms: parsed.ms, bytes: size, files, remove }];
  });
}

/** An archive in both is one removal. */
function merged({ inCache, inBucket }: Found, { trashDays }: Config): Trashed[] {
  const key = ({ session, ms }: Place) => `${ms} ${session}`;
  const here = new Map(inCache.map((place) => [key(place), place]));
  const there = new Map(inBucket.map((place) => [key(place), place]));
  return [...new Map([...there, ...here]).values()]
    .sort((a, b) => a.ms - b.ms)
    .map((place) => {
      const files = place.files ?? there.get(key(place))?.files;
      return {
        session: place.session,
        removedAt: new Date(place.ms).toISOString(),
        until: new Date(place.ms + trashDays * DAY_MS).toISOString(),
        ...(files === undefined ? {} : { files }),
        bytes: place.bytes,
        cache: here.has(key(place)),
        bucket: there.has(key(place)),
      };
    });
}
