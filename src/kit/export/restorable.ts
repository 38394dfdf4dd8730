/** What `sessionfs restore` can bring back, in the cache and in the bucket. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bucket, ObjectVersion, PastVersion } from '../../bucket/bucket.ts';
import { listAll } from '../../bucket/list-all.ts';
import type { Config } from '../../config/load.ts';
import { isKeptCredentials } from '../../naming/kept-database.ts';
import { keptVersionObjectName } from '../../naming/kept-version-name.ts';
import { parseKeptVersionObject } from '../../naming/kept-version-object.ts';
import { folderOf, OBJECT_ROOT } from '../../naming/object-name.ts';
import { isCredentials, sessionOf } from '../../naming/session-path.ts';
import { parseTrashObject, trashDirectory, trashObjectPrefix } from '../../naming/trash-name.ts';
import { asCompanion } from '../../sqlite/companions.ts';
import { ARCHIVE_BYTES_MAX, listTrash } from '../../store/checkpoint/trash.ts';
import { damaged, unpackArchive } from '../../store/set-aside/archive.ts';
import { listKeptVersions } from '../../store/set-aside/kept-versions.ts';
import { withBucket } from './bucket-reader.ts';
import { sourcesOf } from './export-session.ts';
import { MOMENT_SOURCES, type MomentSource, PAST_KINDS, pagesOf } from './moment.ts';
import { isIn } from './sealed-session.ts';
import { keptVersionPrefixOf, readIfThere } from './sources.ts';
import type { SealedVersions } from './versions.ts';

/** A checkpoint keeps it (`INTERVAL_MS` in store/checkpoint/schedule.ts). */
export const KEPT_SOON = 'What was removed just now shows up within 10 s.';

export type RestorableSource = 'kept version' | 'trash' | MomentSource;

/** What can be brought back: credentials that were kept, a session whose folder was removed, or a session at some moments. */
export interface Restorable {
  session: string;
  what: 'credentials' | 'session';
  /** When it was kept, removed or last stored, in ms since the epoch. */
  ms: number;
  /** Any moment from then on can be named, too; undefined: only this one. */
  sinceMs: number | undefined;
  source: RestorableSource;
}

/**
 * Of all sessions, or one, the oldest first. `warn` is told where the bucket's versions may not be listed. Throws SESSION_NOT_FOUND
 * (there is neither cache nor bucket), CACHE_NOT_WRITABLE, BUCKET_UNAVAILABLE and system errors.
 */
export async function listRestorable(
  config: Config,
  session: string | undefined,
  warn: (text: string) => void,
): Promise<Restorable[]> {
  sourcesOf(config, undefined);
  const { bucket: address } = config;
  const there =
    address &&
    (await withBucket(config, address, async (bucket) => ({
      moments: await listMoments(bucket, session, warn),
      kept: await listAll(bucket, keptVersionPrefixOf(session)),
      trash: await listAll(bucket, trashObjectPrefix(session)),
    })));
  const found = [
    ...listKeptVersions(config.cachePath).flatMap(({ prefix, ms }) =>
      credentialsOf({ objectName: keptVersionObjectName(prefix), ms }),
    ),
    ...listTrash(config.cachePath).map(sessionIn),
    ...(there?.kept ?? []).flatMap(({ name }) => credentialsOf(parseKeptVersionObject(name))),
    ...(there?.trash ?? []).flatMap(({ name }) => parseTrashObject(name) ?? []).map(sessionIn),
  ];
  const byKey = new Map(found.map((each) => [`${each.session} ${each.what} ${each.ms}`, each]));
  return [...byKey.values(), ...(there?.moments ?? [])]
    .filter((each) => session === undefined || each.session === session)
    .sort((a, b) => a.ms - b.ms);
}

interface Span {
  readonly firstMs: number;
  readonly lastMs: number;
  /** Something was replaced or deleted. */
  readonly hasPast: boolean;
}

/** Between which times the bucket's versions have a session: its creds.json, or any file where it has none. */
async function listMoments(
  bucket: Bucket,
  session: string | undefined,
  warn: (text: string) => void,
): Promise<Restorable[]> {
  const prefix = session === undefined ? `${OBJECT_ROOT}/` : folderOf(session);
  const found: Restorable[] = [];
  for (const kind of PAST_KINDS) {
    const [files, creds] = [new Map<string, Span>(), new Map<string, Span>()];
    for await (const page of pagesOf(bucket, kind, prefix, warn))
      for (const version of page) {
        const of = sessionOf(version.name);
        if (of === undefined || of === '') continue;
        widen(files, of, version);
        if (isCredentials(version.name)) widen(creds, of, version);
      }
    for (const [of, span] of files) {
      const { firstMs: sinceMs, lastMs: ms } = creds.get(of) ?? span;
      const source = MOMENT_SOURCES[kind];
      if (span.hasPast) found.push({ session: of, what: 'session', ms, sinceMs, source });
    }
  }
  return found;
}

function widen(spans: Map<string, Span>, session: string, { createdMs, endedMs }: PastVersion): void {
  const span = spans.get(session) ?? { firstMs: createdMs, lastMs: createdMs, hasPast: false };
  spans.set(session, {
    firstMs: Math.min(span.firstMs, createdMs),
    lastMs: Math.max(span.lastMs, createdMs),
    hasPast: span.hasPast || endedMs !== undefined,
  });
}

function credentialsOf(kept: { objectName: string; ms: number } | undefined): Restorable[] {
  const session = kept && isKeptCredentials(kept.objectName) ? sessionOf(kept.objectName) : undefined;
  if (session === undefined) return [];
  return [{ session, what: 'credentials', ms: kept?.ms ?? 0, sinceMs: undefined, source: 'kept version' }];
}

function sessionIn({ session, ms }: { session: string; ms: number }): Restorable {
  return { session, what: 'session', ms, sinceMs: undefined, source: 'trash' };
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

/**
 * A file's seal names its session, the archive's name does not: a writer of the bucket may put one under another's. A database has
 * in it what lay beside it, which may be of another moment.
 */
function filesOf(session: string, archive: Buffer): Map<string, Buffer> {
  const files = unpackArchive(archive);
  for (const path of files.keys()) if (!isIn(session, path)) throw damaged();
  return new Map([...files].filter(([path]) => !files.has(asCompanion(path)?.database ?? '')));
}

function msOf(objectName: string): number {
  return parseTrashObject(objectName)?.ms ?? 0;
}
