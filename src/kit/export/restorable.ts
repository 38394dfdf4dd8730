/** What `sessionfs restore` can bring back, in the cache and in the bucket. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bucket, ObjectVersion } from '../../bucket/bucket.ts';
import { listAll } from '../../bucket/list-all.ts';
import type { Config } from '../../config/load.ts';
import { isKeptCredentials } from '../../naming/kept-database.ts';
import { keptVersionObjectName } from '../../naming/kept-version-name.ts';
import { KEPT_VERSION_ROOT, parseKeptVersionObject } from '../../naming/kept-version-object.ts';
import { sessionOf } from '../../naming/session-path.ts';
import { parseTrashObject, TRASH_ROOT, trashDirectory, trashObjectPrefix } from '../../naming/trash-name.ts';
import { ARCHIVE_BYTES_MAX, listTrash } from '../../store/checkpoint/trash.ts';
import { damaged, unpackArchive } from '../../store/set-aside/archive.ts';
import { listKeptVersions } from '../../store/set-aside/kept-versions.ts';
import { withBucket } from './bucket-reader.ts';
import { readIfThere } from './sources.ts';
import type { SealedVersions } from './versions.ts';

/** What can be brought back: credentials that were kept, or a session whose folder was removed. */
export interface Restorable {
  session: string;
  what: 'credentials' | 'session';
  /** When it was kept or removed, in ms since the epoch. */
  ms: number;
}

/** Of all sessions, the oldest first. Throws BUCKET_UNAVAILABLE and system errors. */
export async function listRestorable(config: Config): Promise<Restorable[]> {
  const { bucket: address } = config;
  const objects =
    address &&
    (await withBucket(config, address, async (bucket) => [
      ...(await listAll(bucket, KEPT_VERSION_ROOT)),
      ...(await listAll(bucket, TRASH_ROOT)),
    ]));
  const found = [
    ...listKeptVersions(config.cachePath).flatMap(({ prefix, ms }) =>
      credentialsOf({ objectName: keptVersionObjectName(prefix), ms }),
    ),
    ...listTrash(config.cachePath).map(sessionIn),
    ...(objects ?? []).flatMap(({ name }) => credentialsOf(parseKeptVersionObject(name))),
    ...(objects ?? []).flatMap(({ name }) => parseTrashObject(name) ?? []).map(sessionIn),
  ];
  const byKey = new Map(found.map((each) => [`${each.session} ${each.what} ${each.ms}`, each]));
  return [...byKey.values()].sort((a, b) => a.ms - b.ms);
}

function credentialsOf(kept: { objectName: string; ms: number } | undefined): Restorable[] {
  const session = kept && isKeptCredentials(kept.objectName) ? sessionOf(kept.objectName) : undefined;
  return session === undefined ? [] : [{ session, what: 'credentials', ms: kept?.ms ?? 0 }];
}

function sessionIn({ session, ms }: { session: string; ms: number }): Restorable {
  return { session, what: 'session', ms };
}

/** The newest archive of a removed session until then. Throws BUCKET_UNAVAILABLE, CACHE_FORMAT and system errors. */
export async function readTrash(
  config: Config,
  session: string,
  atMs: number,
): Promise<{ files: SealedVersions['files']; ms: number } | undefined> {
  const here = listTrash(config.cachePath).findLast((each) => isUntil(each, session, atMs));
  const inBucket = async (bucket: Bucket) => {
    const newest = await newestInTrash(bucket, session, atMs);
    if (newest === undefined || msOf(newest.name) <= (here?.ms ?? 0)) return undefined;
    return { archive: await readIfThere(bucket, newest.name, newest.size), ms: msOf(newest.name) };
  };
  const there = config.bucket && (await withBucket(config, config.bucket, inBucket));
  if (there?.archive !== undefined) return { files: filesOf(session, there.archive), ms: there.ms };
  if (here === undefined) return undefined;
  const archive = readFileSync(join(trashDirectory(config.cachePath), here.name));
  return { files: filesOf(session, archive), ms: here.ms };
}

/** The newest archive of the session until then. */
export async function newestInTrash(
  bucket: Bucket,
  session: string,
  atMs: number,
): Promise<ObjectVersion | undefined> {
  const objects = await listAll(bucket, trashObjectPrefix(session));
  return objects
    .filter(
      // No mount makes a larger one.
      ({ name, size }) => isUntil(parseTrashObject(name), session, atMs) && size <= ARCHIVE_BYTES_MAX,
    )
    .sort((a, b) => msOf(a.name) - msOf(b.name))
    .at(-1);
}

function isUntil(each: { session: string; ms: number } | undefined, session: string, atMs: number): boolean {
  return each?.session === session && each.ms <= atMs;
}

/** A file's seal names its session, the archive's name does not: a writer of the bucket may put one under another's. */
function filesOf(session: string, archive: Buffer): Map<string, Buffer> {
  const files = unpackArchive(archive);
  for (const path of files.keys()) if (!path.startsWith(`${session}/`)) throw damaged();
  return files;
}

function msOf(objectName: string): number {
  return parseTrashObject(objectName)?.ms ?? 0;
}
