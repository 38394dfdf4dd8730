/** What cache and bucket have of the sessions, without a mount and without a lease. Nothing is changed. */
import type { Bucket, ObjectVersion } from '../bucket/bucket.ts';
import { isDeletedMark } from '../bucket/deleted-mark.ts';
import { listAll } from '../bucket/list-all.ts';
import type { Config } from '../config/load.ts';
import type { Keyring } from '../crypto/keyring.ts';
import { SealError } from '../crypto/seal-error.ts';
import { openSealed, readHeader } from '../crypto/sealed-file.ts';
import { SessionfsError } from '../lib/errors.ts';
import { DIRECTORY_META_COMPONENT, folderOf, OBJECT_ROOT, toObjectName } from '../naming/object-name.ts';
import { sessionOf } from '../naming/session-path.ts';
import { Cache } from '../store/cache/cache.ts';
import { withBucket, withBucketIfAny } from './export/bucket-reader.ts';
import { anotherKey, keyringOf, type Source, sourcesOf } from './export/export-session.ts';
import {
  type CachedSession,
  readSealedSession,
  type SealedFiles,
  sessionsOfCache,
} from './export/sealed-session.ts';
import { readObject, readObjects } from './export/sources.ts';

export interface ListedSession {
  readonly session: string;
  /** Undefined: the cache has none of it. */
  readonly cache?: { readonly files: number; readonly sealedBytes: number; readonly lastChangedAt: string };
  /** Undefined: the bucket has none of it, or was not asked. */
  readonly bucket?: { readonly files: number; readonly sealedBytes: number; readonly lastStoredAt: string };
}

export interface ListedFile {
  /** Below the session. */
  readonly name: string;
  /** Undefined: it is no sealed file. */
  readonly bytes?: number;
  readonly mode?: number;
  readonly modifiedAt?: string;
  readonly keyId?: string;
  readonly sealedBytes: number;
  readonly from: 'cache' | 'bucket';
  /** Why it is no sealed file. */
  readonly refused?: string;
}

/** Throws SESSION_NOT_FOUND where there is neither cache nor bucket, and BUCKET_UNAVAILABLE. */
export async function listSessions(config: Config, from: Source): Promise<ListedSession[]> {
  const { hasCache, address } = placesOf(config, from);
  return withBucketIfAny(config, address, (bucket) => listSessionsIn({ config, hasCache, bucket }));
}

/** Of a bucket that is open; see `listSessions`. Throws BucketError. */
export async function listSessionsIn({ config, hasCache, bucket }: Places): Promise<ListedSession[]> {
  const cached = hasCache ? await sessionsOfCache(config.cachePath) : new Map<string, CachedSession>();
  const stored = bySession(bucket === undefined ? [] : await listAll(bucket, `${OBJECT_ROOT}/`));
  const names = [...new Set([...cached.keys(), ...stored.keys()])].filter((name) => name !== '').sort();
  return names.map((session) => {
    const [files, objects] = [cached.get(session), stored.get(session)];
    return {
      session,
      ...(files === undefined ? {} : { cache: cachedSummary(files) }),
      ...(objects === undefined ? {} : { bucket: summaryOf(objects) }),
    };
  });
}

function bySession(objects: readonly ObjectVersion[]): Map<string, ObjectVersion[]> {
  const found = new Map<string, ObjectVersion[]>();
  for (const object of objects) {
    if (isDeletedMark(object) || isOfFolder(object.name)) continue;
    const session = sessionOf(object.name);
    if (session === undefined) continue;
    const own = found.get(session);
    if (own === undefined) found.set(session, [object]);
    else own.push(object);
  }
  return found;
}

/** The attributes of one are no file of a session. */
function isOfFolder(objectName: string): boolean {
  return objectName.endsWith(`/${DIRECTORY_META_COMPONENT}`);
}

function cachedSummary({
  files,
  sealedBytes,
  changedMs,
}: CachedSession): NonNullable<ListedSession['cache']> {
  return { files, sealedBytes, lastChangedAt: new Date(changedMs).toISOString() };
}

function summaryOf(objects: readonly ObjectVersion[]): NonNullable<ListedSession['bucket']> {
  const last = objects.reduce((latest, { updatedMs }) => Math.max(latest, updatedMs), 0);
  return {
    files: objects.length,
    sealedBytes: objects.reduce((sum, { size }) => sum + size, 0),
    lastStoredAt: new Date(last).toISOString(),
  };
}

/** From the headers alone, which nothing proves: no key is needed. Throws SESSION_NOT_FOUND, BUCKET_UNAVAILABLE. */
export async function listFiles(config: Config, session: string, from: Source): Promise<ListedFile[]> {
  const { files, place } = await sealedFiles(config, session, from);
  return [...files]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, sealed]) => listed(path.slice(session.length + 1), sealed, place));
}

/** One file, as `listFiles` has it. Throws as that does, and FILE_NOT_FOUND. */
export async function statFile(config: Config, { session, name, from }: NamedFile): Promise<ListedFile> {
  const { sealed, place } = await sealedFile(config, { session, name, from });
  return listed(name, sealed, place);
}

function listed(name: string, sealed: Buffer, from: ListedFile['from']): ListedFile {
  return { name, ...headerOf(sealed), sealedBytes: sealed.length, from };
}

function headerOf(sealed: Buffer): Pick<ListedFile, 'bytes' | 'mode' | 'modifiedAt' | 'keyId' | 'refused'> {
  try {
    const { plainLength, keyId, meta } = readHeader(sealed, sealed.length);
    const modifiedAt = new Date(meta.mtimeSec * 1000 + Math.floor(meta.mtimeNsec / 1e6)).toISOString();
    return { bytes: plainLength, mode: meta.mode & 0o7777, modifiedAt, keyId };
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    return { refused: error.reason };
  }
}

/** The verified content of one file. Throws as `listFiles`, and FILE_REFUSED, KEY_WRONG, KEY_MISSING, FILE_NOT_FOUND. */
export async function readPlainFile(
  config: Config,
  env: NodeJS.ProcessEnv,
  file: NamedFile,
): Promise<Buffer> {
  const path = `${file.session}/${file.name}`;
  const keyring = await keysOf(config, env);
  try {
    const { sealed } = await sealedFile(config, file);
    return openSealed(keyring, path, sealed).plain;
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    if (error.reason === 'unknown-key') throw anotherKey(path);
    throw new SessionfsError('FILE_REFUSED', `${path} does not open: ${error.message}`, {
      hint: 'sessionfs verify says what else is damaged, and whether there is a good copy.',
    });
  } finally {
    keyring.destroy();
  }
}

/** The id of the key that seals. Throws as loadKeys does. */
export async function currentKeyId(config: Config, env: NodeJS.ProcessEnv): Promise<string> {
  const keyring = await keysOf(config, env);
  const { currentId } = keyring;
  keyring.destroy();
  return currentId;
}

/** Of the cache, where there is one. Throws as loadKeys does. */
export function keysOf(config: Config, env: NodeJS.ProcessEnv): Promise<Keyring> {
  return keyringOf({ config, fromCache: Cache.readKeyId(config.cachePath) !== undefined }, env);
}

async function sealedFiles(
  config: Config,
  session: string,
  from: Source,
): Promise<{ files: SealedFiles; place: 'cache' | 'bucket' }> {
  const { hasCache, address } = placesOf(config, from);
  const cached = hasCache ? await readSealedSession(config.cachePath, session) : undefined;
  if (cached !== undefined && cached.size > 0) return { files: cached, place: 'cache' };
  const stored = await withBucketIfAny(config, address, async (bucket) =>
    bucket === undefined ? undefined : readObjects(bucket, session, config.backupConcurrency),
  );
  if (stored !== undefined && stored.size > 0) return { files: stored, place: 'bucket' };
  throw noSession(config, session, { hasCache, address });
}

interface NamedFile {
  readonly session: string;
  /** Below it. */
  readonly name: string;
  readonly from: Source;
}

/** Of the bucket only this one object is read. */
async function sealedFile(
  config: Config,
  { session, name, from }: NamedFile,
): Promise<{ sealed: Buffer; place: 'cache' | 'bucket' }> {
  const { hasCache, address } = placesOf(config, from);
  const path = `${session}/${name}`;
  const cached = hasCache ? await readSealedSession(config.cachePath, session) : undefined;
  const inCache = cached?.get(path);
  if (inCache !== undefined) return { sealed: inCache, place: 'cache' };
  if (cached !== undefined && cached.size > 0) throw noFile(session, name);
  if (address === undefined) throw noSession(config, session, { hasCache, address });
  return withBucket(config, address, async (bucket) => {
    const sealed = await readObject(bucket, toObjectName(path, 'file'));
    if (sealed !== undefined) return { sealed, place: 'bucket' };
    const { objects } = await bucket.list(folderOf(session));
    throw objects.some((object) => !isDeletedMark(object))
      ? noFile(session, name)
      : noSession(config, session, { hasCache, address });
  });
}

export function noFile(session: string, name: string): SessionfsError {
  return new SessionfsError('FILE_NOT_FOUND', `there is no file ${name} in session ${session}`, {
    hint: `sessionfs ls ${session} lists its files.`,
  });
}

type NamedPlaces = { readonly hasCache: boolean; readonly address: Config['bucket'] };

function noSession(
  { cachePath }: Config,
  session: string,
  { hasCache, address }: NamedPlaces,
): SessionfsError {
  const places = [hasCache && cachePath, address && 'the bucket'].filter(Boolean).join(' or ');
  return new SessionfsError('SESSION_NOT_FOUND', `there is no session ${session} in ${places}`, {
    hint: 'sessionfs ls lists the sessions.',
  });
}

/** Throws CONFIG_INVALID, SESSION_NOT_FOUND. */
export function placesOf(config: Config, from: Source): NamedPlaces {
  const { fromCache, fromBucket } = sourcesOf(config, from);
  return { hasCache: fromCache, address: fromBucket ? config.bucket : undefined };
}

export interface Places {
  readonly config: Config;
  readonly hasCache: boolean;
  /** Undefined: it is not asked. */
  readonly bucket: Bucket | undefined;
}
