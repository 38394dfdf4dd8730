/** Writes one session out of the sealed cache, or the bucket, as plain files. Takes no lock and no lease. */
import type { Config } from '../../config/load.ts';
import { findKeys } from '../../crypto/key-source.ts';
import type { Keyring } from '../../crypto/keyring.ts';
import { SessionfsError } from '../../lib/errors.ts';
import { countText } from '../../lib/human.ts';
import { absentObjects } from '../../remote/absent-objects.ts';
import { companionsOf } from '../../sqlite/companions.ts';
import { Cache } from '../../store/cache/cache.ts';
import { checkFolder, writeFolder } from './folder.ts';
import type { Shield } from './moment.ts';
import { readFromBucket, readFromCache, withoutRepeats } from './sources.ts';
import {
  listRefused,
  type OpenedVersions,
  openVersions,
  type RefusedFile,
  type SealedVersions,
} from './versions.ts';

/** Undefined: the cache, and the bucket for what the cache lacks. */
export type Source = 'cache' | 'bucket' | undefined;

export interface ExportRequest {
  session: string;
  /** Absolute. Must not exist yet, or be empty. */
  folder: string;
  onlyKeptVersions: boolean;
  config: Config;
  from: Source;
  shield: Shield;
}

interface Request extends Omit<ExportRequest, 'shield'> {
  fromCache: boolean;
  fromBucket: boolean;
}

/**
 * Returns what it wrote; the files are not synced to the disk. `warn` is told when the bucket cannot be read and the cache is
 * enough. Throws SESSION_NOT_FOUND, KEY_WRONG, KEY_MISSING, EXPORT_TARGET, EXPORT_INCOMPLETE (nothing could be opened),
 * BUCKET_UNAVAILABLE, CONFIG_INVALID. What could be opened is written although other files are refused: see requireComplete.
 */
export async function exportSession(
  asked: ExportRequest,
  env: NodeJS.ProcessEnv,
  warn: (text: string) => void,
): Promise<OpenedVersions> {
  const request = { ...asked, ...sourcesOf(asked.config, asked.from) };
  const { session, folder, config } = request;
  checkFolder(folder, config.cachePath);
  const keyring = await keyringOf(request, env);
  const opened = openVersions(keyring, session, await findVersions(request, warn));
  keyring.destroy();
  requireSome(request, opened);
  await asked.shield((stop) => writeFolder(folder, [...opened.files, ...opened.keptVersions], stop));
  return opened;
}

/** Throws EXPORT_INCOMPLETE if a file of the session was refused. */
export function requireComplete({ refused }: OpenedVersions): void {
  if (refused.length > 0) throw incomplete(refused);
}

export function sourcesOf(config: Config, from: Source): Pick<Request, 'fromCache' | 'fromBucket'> {
  const hasCache = from !== 'bucket' && Cache.readKeyId(config.cachePath) !== undefined;
  const hasBucket = from !== 'cache' && config.bucket !== undefined;
  if (from === 'bucket' && !hasBucket)
    throw new SessionfsError('CONFIG_INVALID', 'no bucket is named', {
      hint: 'Set STORAGE_BUCKET, or --bucket.',
    });
  if (!hasCache && !hasBucket)
    throw new SessionfsError('SESSION_NOT_FOUND', `there is no cache in ${config.cachePath}`, {
      hint: 'Name the mount (DIR or DIR/SESSION) or its cache (--cache-path), or a bucket (--bucket).',
    });
  return { fromCache: hasCache, fromBucket: hasBucket };
}

/** A cache is never without the key that sealed it, so none is made here. */
export async function keyringOf(
  { config, fromCache }: Pick<Request, 'config' | 'fromCache'>,
  env: NodeJS.ProcessEnv,
): Promise<Keyring> {
  const { keyring } = await findKeys({
    env,
    keyFile: config.encryptionKeyFile,
    keyCommand: config.encryptionKeyCommand,
    cachePath: config.cachePath,
    mayGenerate: fromCache,
    expectedKeyId: fromCache ? Cache.readKeyId(config.cachePath) : undefined,
  });
  return keyring;
}

export async function findVersions(
  { session, config, onlyKeptVersions, fromCache, fromBucket }: Request,
  warn: (text: string) => void,
): Promise<SealedVersions> {
  const none: SealedVersions = { files: new Map(), keptVersions: [] };
  const absent =
    fromCache && !onlyKeptVersions ? absentObjects(config.cachePath, session) : new Set<string>();
  const here = fromCache ? await readFromCache(config.cachePath, session) : none;
  if (onlyKeptVersions) here.files.clear();
  const lacksFiles = here.files.size === 0 && !onlyKeptVersions;
  if (!lacksFiles && absent.size > 0 && !fromBucket)
    warn(`${countText(absent.size, 'file')} of ${session} are only in the bucket, and are left out`);
  let there = none;
  try {
    if (fromBucket) there = await readFromBucket(config, session, lacksFiles ? 'all' : absent, warn);
  } catch (error) {
    if (!(error instanceof SessionfsError)) throw error;
    if (!lacksFiles && absent.size > 0) throw partial(session, absent.size, error);
    if (lacksFiles && here.keptVersions.length === 0) throw error;
    warn(`${error.message}; only what the cache has is exported`);
  }
  for (const path of there.files.keys())
    for (const companion of companionsOf(path)) here.files.delete(companion.path);
  return {
    files: new Map([...here.files, ...there.files]),
    keptVersions: withoutRepeats([...there.keptVersions, ...here.keptVersions]),
  };
}

/** Half a session passes for a whole one. */
function partial(session: string, missing: number, { code, message }: SessionfsError): SessionfsError {
  const what = `${session} is not restored yet, and ${countText(missing, 'file')} of it cannot be had`;
  return new SessionfsError(code, `${what}: ${message}`, {
    hint: 'Try again when the bucket can be read. --from cache exports what the cache has of it.',
  });
}

function requireSome({ session, config, onlyKeptVersions, ...from }: Request, opened: OpenedVersions): void {
  const refused = [...opened.refused, ...opened.refusedVersions];
  if (opened.files.length + opened.keptVersions.length > 0) return;
  if (refused.some(({ reason }) => reason === 'unknown-key')) throw anotherKey(session);
  if (refused.length > 0) throw incomplete(refused);
  const places = [from.fromCache && config.cachePath, from.fromBucket && 'the bucket'].filter(Boolean);
  const what = onlyKeptVersions
    ? `there is no kept version of a session ${session}`
    : `there is no session ${session}`;
  throw new SessionfsError('SESSION_NOT_FOUND', `${what} in ${places.join(' or ')}`, {
    hint: 'sessionfs status --json lists the sessions of a mount.',
  });
}

/** `what` is sealed with it. */
export function anotherKey(what: string): SessionfsError {
  return new SessionfsError('KEY_WRONG', `${what} is sealed with another key than the one given`, {
    hint: 'Give the key that sealed it, or name it in SESSION_ENCRYPTION_KEYS_PREVIOUS.',
  });
}

function incomplete(refused: readonly RefusedFile[]): SessionfsError {
  return new SessionfsError(
    'EXPORT_INCOMPLETE',
    `these files could not be exported: ${listRefused(refused)}`,
    {
      hint: 'docs/operations.md explains the reasons.',
    },
  );
}
