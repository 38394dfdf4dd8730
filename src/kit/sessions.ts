/** What cache and bucket have of the sessions, without a mount and without a lease. Nothing is changed. */
import type { ObjectVersion } from '../bucket/bucket.ts';
import { isDeletedMark } from '../bucket/deleted-mark.ts';
import { listAll } from '../bucket/list-all.ts';
import type { Config } from '../config/load.ts';
import { loadKeys } from '../crypto/key-source.ts';
import type { Keyring } from '../crypto/keyring.ts';
import { SealError } from '../crypto/seal-error.ts';
import { openSealed, readHeader } from '../crypto/sealed-file.ts';
import { withBucket } from '../export/bucket-reader.ts';
import { readSealedSession, type SealedFiles, sessionsOfCache } from '../export/sealed-session.ts';
import { readObjects } from '../export/sources.ts';
import { SessionfsError } from '../lib/errors.ts';
import { OBJECT_ROOT } from '../naming/object-name.ts';
import { sessionOf } from '../naming/session-path.ts';
import { Cache } from '../store/cache/cache.ts';

/** Undefined: the cache, and the bucket for what the cache lacks. */
export type Source = 'cache' | 'bucket' | undefined;

export interface ListedSession {
  readonly session: string;
  /** Undefined: the cache has none of it. */
  readonly cache?: { readonly files: number };
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
  const { hasCache, address } = sourcesOf(config, from);
  const cached = hasCache ? await sessionsOfCache(config.cachePath) : new Map<string, number>();
  const stored =
    address === undefined
      ? new Map<string, ObjectVersion[]>()
      : await withBucket(config, address, async (bucket) =>
          bySession(await listAll(bucket, `${OBJECT_ROOT}/`)),
        );
  const names = [...new Set([...cached.keys(), ...stored.keys()])].filter((name) => name !== '').sort();
  return names.map((session) => {
    const [files, objects] = [cached.get(session), stored.get(session)];
    return {
      session,
      ...(files === undefined ? {} : { cache: { files } }),
      ...(objects === undefined ? {} : { bucket: summaryOf(objects) }),
    };
  });
}

function bySession(objects: readonly ObjectVersion[]): Map<string, ObjectVersion[]> {
  const found = new Map<string, ObjectVersion[]>();
  for (const object of objects) {
    const session = isDeletedMark(object) ? undefined : sessionOf(object.name);
    if (session === undefined) continue;
    found.set(session, [...(found.get(session) ?? []), object]);
  }
  return found;
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
    .map(([path, sealed]) => ({
      name: path.slice(session.length + 1),
      ...headerOf(sealed),
      sealedBytes: sealed.length,
      from: place,
    }));
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
  { session, name, from }: { session: string; name: string; from: Source },
): Promise<Buffer> {
  const path = `${session}/${name}`;
  const keyring = keysOf(config, env);
  const { files } = await sealedFiles(config, session, from);
  const sealed = files.get(path);
  if (sealed === undefined)
    throw new SessionfsError('FILE_NOT_FOUND', `there is no file ${name} in session ${session}`, {
      hint: `sessionfs ls ${session} lists its files.`,
    });
  try {
    return openSealed(keyring, path, sealed).plain;
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    if (error.reason === 'unknown-key')
      throw new SessionfsError('KEY_WRONG', `${path} is sealed with another key than the one given`, {
        hint: 'Give the key that sealed it, or name it in SESSION_ENCRYPTION_KEYS_PREVIOUS.',
      });
    throw new SessionfsError('FILE_REFUSED', `${path} does not open: ${error.message}`, {
      hint: 'sessionfs verify says what else is damaged, and whether there is a good copy.',
    });
  } finally {
    keyring.destroy();
  }
}

/** The id of the key that seals. Throws as loadKeys does. */
export function currentKeyId(config: Config, env: NodeJS.ProcessEnv): string {
  const keyring = keysOf(config, env);
  const { currentId } = keyring;
  keyring.destroy();
  return currentId;
}

/** No key is made: what is read was sealed with one that is there. */
export function keysOf(config: Config, env: NodeJS.ProcessEnv): Keyring {
  const expectedKeyId = Cache.readKeyId(config.cachePath);
  return loadKeys({
    env,
    keyFile: config.encryptionKeyFile,
    keyCommand: config.encryptionKeyCommand,
    cachePath: config.cachePath,
    mayGenerate: expectedKeyId !== undefined,
    expectedKeyId,
  }).keyring;
}

async function sealedFiles(
  config: Config,
  session: string,
  from: Source,
): Promise<{ files: SealedFiles; place: 'cache' | 'bucket' }> {
  const { hasCache, address } = sourcesOf(config, from);
  const cached = hasCache ? await readSealedSession(config.cachePath, session) : undefined;
  if (cached !== undefined && cached.size > 0) return { files: cached, place: 'cache' };
  const stored =
    address === undefined
      ? undefined
      : await withBucket(config, address, (bucket) => readObjects(bucket, session, config.backupConcurrency));
  if (stored !== undefined && stored.size > 0) return { files: stored, place: 'bucket' };
  const places = [hasCache && config.cachePath, address && 'the bucket'].filter(Boolean).join(' or ');
  throw new SessionfsError('SESSION_NOT_FOUND', `there is no session ${session} in ${places}`, {
    hint: 'sessionfs ls lists the sessions.',
  });
}

/** Throws CONFIG_INVALID, SESSION_NOT_FOUND. */
export function sourcesOf(config: Config, from: Source): { hasCache: boolean; address: Config['bucket'] } {
  const hasCache = from !== 'bucket' && Cache.readKeyId(config.cachePath) !== undefined;
  const address = from === 'cache' ? undefined : config.bucket;
  if (from === 'bucket' && address === undefined)
    throw new SessionfsError('CONFIG_INVALID', 'no bucket is named', {
      hint: 'Set STORAGE_BUCKET, or --bucket.',
    });
  if (!hasCache && address === undefined)
    throw new SessionfsError('SESSION_NOT_FOUND', `there is no cache in ${config.cachePath}`, {
      hint: 'Name the mount (DIR or DIR/SESSION) or its cache (--cache-path), or a bucket (--bucket).',
    });
  return { hasCache, address };
}
