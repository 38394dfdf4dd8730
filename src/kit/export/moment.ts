/**
 * A session as its bucket had it at one moment, of the versions that the bucket still has: of each file the one that was the newest
 * then. What the bucket has no longer is in no listing, so a moment before that may lack files.
 */
import { type Bucket, OBJECT_BYTES_MAX, type PastKind, type PastVersion } from '../../bucket/bucket.ts';
import { BucketError } from '../../bucket/bucket-error.ts';
import { isDeletedMark } from '../../bucket/deleted-mark.ts';
import { listPast } from '../../bucket/list-all.ts';
import type { Config } from '../../config/load.ts';
import { identityFile } from '../../lease/identity.ts';
import { ownerCodec, ownerName } from '../../lease/records/owner.ts';
import { readLeaseRecord } from '../../lease/records/record.ts';
import { countText } from '../../lib/human.ts';
import { mapLimit } from '../../lib/map-limit.ts';
import { folderOf } from '../../naming/object-name.ts';
import { sessionOfCreds } from '../../naming/session-path.ts';
import { withBucket } from './bucket-reader.ts';
import { requireRoom } from './room.ts';
import { pathIn, type SealedFiles } from './sealed-session.ts';

export const PAST_KINDS = ['version', 'soft-deleted'] as const satisfies readonly PastKind[];

/** Where the versions of a moment come from. */
export const MOMENT_SOURCES = {
  version: 'object versions',
  'soft-deleted': 'soft-deleted objects',
} as const satisfies Record<PastKind, string>;

export type MomentSource = (typeof MOMENT_SOURCES)[PastKind];

export interface Moment {
  readonly files: SealedFiles;
  /** Of the newest of them, when it was stored, by the bucket's clock, in ms since the epoch. */
  readonly ms: number;
  readonly source: MomentSource;
}

/** Runs what a signal must not cut short; it ends early when it is aborted. */
export type Shield = <T>(work: (stop: AbortSignal) => Promise<T>) => Promise<T>;

interface MomentRequest {
  readonly session: string;
  readonly config: Config;
  /** In ms since the epoch. */
  readonly atMs: number;
  /** Only creds.json, where there is one. */
  readonly onlyCredentials: boolean;
  readonly shield: Shield;
}

type Warn = (text: string) => void;
type Picked = PastVersion & { readonly path: string };

const REVIVED_AT_A_TIME = 8;

/**
 * Undefined, with one line to `warn`: the bucket has no such versions, may not be asked, or would have to be changed for it.
 * Undefined, without: it had nothing of the session then. Throws BUCKET_UNAVAILABLE.
 */
export async function readMoment(request: MomentRequest, warn: Warn): Promise<Moment | undefined> {
  const { session, config, atMs } = request;
  if (config.bucket === undefined) return undefined;
  return withBucket(config, config.bucket, async (bucket) => {
    const versions = await listVersions(bucket, session, warn);
    if (!versions.some(({ endedMs }) => endedMs !== undefined)) {
      warn(`${bucket.address} has no earlier version of a file of ${session}`);
      return undefined;
    }
    const picked = pick(request, versions, atMs);
    if (picked.length === 0) return undefined;
    const refusal = await refusalOf(request, bucket, versions, picked);
    if (refusal !== undefined) {
      warn(`${refusal}; ${session} is not restored from the versions of the bucket`);
      return undefined;
    }
    return read(request, bucket, picked, warn);
  });
}

/** All versions of the session's files that the bucket tells of. */
async function listVersions(bucket: Bucket, session: string, warn: Warn): Promise<PastVersion[]> {
  const prefix = folderOf(session);
  const found: PastVersion[] = [];
  for (const kind of PAST_KINDS)
    for await (const page of pagesOf(bucket, kind, prefix, warn)) found.push(...page);
  return found;
}

/** Ends early, with a line to `warn`, where the bucket does not let these credentials list them, or keeps none. */
export async function* pagesOf(
  bucket: Bucket,
  kind: PastKind,
  prefix: string,
  warn: Warn,
): AsyncGenerator<readonly PastVersion[]> {
  try {
    yield* listPast(bucket, kind, prefix);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const asks = kind === 'version' ? '' : ' (Google asks for storage.objects.restore)';
    warn(`${error.message}; ${MOMENT_SOURCES[kind]} are left out${asks}`);
  }
}

/** It would be the same again. */
function isRefusal(error: unknown): error is BucketError {
  return error instanceof BucketError && !error.isTransient && error.about === undefined;
}

/** Of each file the version that was the newest at `atMs`. */
function pick(
  { session, onlyCredentials }: MomentRequest,
  versions: readonly PastVersion[],
  atMs: number,
): Picked[] {
  const byPath = new Map<string, Picked>();
  for (const version of versions) {
    const path = pathIn(session, version.name);
    if (path === undefined || !isAt(version, atMs)) continue;
    // A store that tells whole seconds may tell two.
    if (version.createdMs >= (byPath.get(path)?.createdMs ?? 0)) byPath.set(path, { ...version, path });
  }
  const all = [...byPath.values()];
  const creds = all.filter(({ path }) => sessionOfCreds(path) !== undefined);
  return onlyCredentials && creds.length > 0 ? creds : all;
}

function isAt({ createdMs, endedMs = Number.POSITIVE_INFINITY }: PastVersion, atMs: number): boolean {
  return createdMs <= atMs && atMs < endedMs;
}

/**
 * A soft-deleted object can be read only by making it an object again. Never in place of another one, and not while another mount has
 * the session, which would take it for its own.
 */
async function refusalOf(
  { session, config }: MomentRequest,
  bucket: Bucket,
  versions: readonly PastVersion[],
  picked: readonly Picked[],
): Promise<string | undefined> {
  const softDeleted = picked.filter(({ kind }) => kind === 'soft-deleted');
  if (softDeleted.length === 0) return undefined;
  const present = new Set(
    versions.flatMap(({ name, kind, endedMs }) =>
      kind === 'version' && endedMs === undefined ? [name] : [],
    ),
  );
  const covered = softDeleted.filter(({ name }) => present.has(name)).length;
  if (covered > 0)
    return `${countText(covered, 'file')} of that moment can be read only where newer objects are, which stay: remove the session first (its trash keeps it)`;
  const owner = await readLeaseRecord(bucket, ownerName(session), ownerCodec);
  const holder = owner?.record.holder ?? '';
  if (holder === '' || holder === (await identityFile(config.cachePath).load())?.id) return undefined;
  return `the mount ${owner?.record.name} holds the session, and soft-deleted objects of it cannot be read beside it`;
}

async function read(
  { config, shield, session }: MomentRequest,
  bucket: Bucket,
  picked: readonly Picked[],
  warn: Warn,
): Promise<Moment | undefined> {
  const files: SealedFiles = new Map();
  requireRoom(session, picked);
  const readOne = async (version: Picked) => {
    const maxBytes = Math.min(version.size, OBJECT_BYTES_MAX);
    const found = await bucket.history?.read(version, { maxBytes });
    if (found !== undefined && !isDeletedMark(found)) files.set(version.path, found.bytes);
  };
  const ofKind = (kind: PastKind) => picked.filter((version) => version.kind === kind);
  const softDeleted = ofKind('soft-deleted');
  try {
    await mapLimit(ofKind('version'), config.backupConcurrency, readOne);
    if (softDeleted.length > 0) await shield((stop) => readRevived(softDeleted, readOne, stop));
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const what = error.kind === 'precondition' ? 'an object came in its place meanwhile' : error.message;
    warn(`${what}; ${session} is not restored from the versions of the bucket`);
    return undefined;
  }
  const ms = Math.max(...picked.map(({ createdMs }) => createdMs));
  return { files, ms, source: MOMENT_SOURCES[softDeleted.length > 0 ? 'soft-deleted' : 'version'] };
}

/** Credentials last: what a kill leaves in the bucket is then no session that logs in. */
async function readRevived(
  versions: readonly Picked[],
  readOne: (version: Picked) => Promise<void>,
  stop: AbortSignal,
): Promise<void> {
  const isCreds = ({ path }: Picked) => sessionOfCreds(path) !== undefined;
  const unlessStopped = async (version: Picked) => {
    stop.throwIfAborted();
    await readOne(version);
  };
  await mapLimit(
    versions.filter((each) => !isCreds(each)),
    REVIVED_AT_A_TIME,
    unlessStopped,
  );
  await mapLimit(versions.filter(isCreds), 1, unlessStopped);
}
