/**
 * Copies all that mounts have stored from one bucket to another one, sealed as it is. What the destination has already is not
 * sent again, so a copy that was cut short goes on. Each object is read back and compared.
 */
import { statSync } from 'node:fs';
import { ABSENT, type Bucket, type ObjectVersion } from '../bucket/bucket.ts';
import { BucketError } from '../bucket/bucket-error.ts';
import { listAll } from '../bucket/list-all.ts';
import { openBucket } from '../bucket/open.ts';
import { retrying } from '../bucket/retry.ts';
import type { BucketAddress } from '../config/parsers.ts';
import { listOwners, OWNERS_ROOT } from '../lease/records/owner.ts';
import { SessionfsError } from '../lib/errors.ts';
import { mapLimit } from '../lib/map-limit.ts';
import { KEPT_VERSION_ROOT } from '../naming/kept-version-object.ts';
import { OBJECT_ROOT } from '../naming/object-name.ts';
import { TRASH_ROOT } from '../naming/trash-name.ts';
import { KEY_CHECK_NAME } from '../remote/key-check.ts';
import { requireDirectory, unavailable } from './export/bucket-reader.ts';

export interface CopyRequest {
  readonly from: BucketAddress;
  readonly to: BucketAddress;
  readonly emulatorUrl: string | undefined;
  readonly s3EndpointUrl: string | undefined;
  /** Replaces what differs at the destination. */
  readonly overwrite: boolean;
  /** Copies although mounts hold sessions. */
  readonly force: boolean;
  readonly atATime: number;
}

export interface Progress {
  /** Objects that are copied and compared, or were there already. */
  readonly done: number;
  readonly total: number;
  readonly bytes: number;
}

export interface Copied {
  readonly objects: number;
  /** Of these, what was not there yet. */
  readonly copied: number;
  readonly bytes: number;
  /** The destination has them, and the source has not. */
  readonly others: number;
}

const RETRY = { attempts: 6, baseMs: 500, capMs: 15_000 };
const NAMES_IN_MESSAGE = 3;
/** All that lies in a bucket, except for what only a running mount needs. Owners come last: with them a session is one. */
const ROOTS = [KEPT_VERSION_ROOT, TRASH_ROOT, `${OBJECT_ROOT}/`, KEY_CHECK_NAME, OWNERS_ROOT];

/** Rejects with BUCKET_IN_USE, COPY_CONFLICT, COPY_FAILED, BUCKET_UNAVAILABLE or what `openBucket` rejects with. */
export async function copyBucket(
  request: CopyRequest,
  report: (progress: Progress) => void,
): Promise<Copied> {
  if (isSameBucket(request.from, request.to))
    throw new SessionfsError('USAGE', 'source and destination are the same bucket');
  requireDirectory(request.from);
  const opened: Bucket[] = [];
  const open = async (address: BucketAddress) => {
    const { emulatorUrl, s3EndpointUrl } = request;
    const bucket = await openBucket(address, { emulatorUrl, s3EndpointUrl });
    opened.push(bucket);
    return retrying(bucket, RETRY);
  };
  try {
    return await copyObjects(await open(request.from), await open(request.to), request, report);
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    throw unavailable('the copy stopped, and goes on when it is started again', error);
  } finally {
    for (const bucket of opened) bucket.close();
  }
}

/** Also where a directory has two names: by a link, or by two mounts of it. */
function isSameBucket(one: BucketAddress, other: BucketAddress): boolean {
  if (one.kind !== 'directory' || other.kind !== 'directory')
    return JSON.stringify(one) === JSON.stringify(other);
  const [a, b] = [one, other].map(({ path }) => statSync(path, { bigint: true, throwIfNoEntry: false }));
  return one.path === other.path || (a !== undefined && a.dev === b?.dev && a.ino === b.ino);
}

type Options = Pick<CopyRequest, 'overwrite' | 'force' | 'atATime'>;

/** See `copyBucket`. Rejects with BucketError too. */
export async function copyObjects(
  source: Bucket,
  target: Bucket,
  { overwrite, force, atATime }: Options,
  report: (progress: Progress) => void,
): Promise<Copied> {
  const owners = await generationsOf(source);
  if (!force) for (const bucket of [source, target]) await requireUnused(bucket);
  const objects: ObjectVersion[] = [];
  const there = new Map<string, ObjectVersion>();
  for (const root of ROOTS) {
    objects.push(...(await listAll(source, root)));
    for (const version of await listAll(target, root)) there.set(version.name, version);
  }
  const left = objects.filter((object) => !isSame(object, there.get(object.name)));
  if (!overwrite) requireNew(left, there, target);
  let done = objects.length - left.length;
  let bytes = 0;
  report({ done, total: objects.length, bytes });
  for (const root of ROOTS) {
    const some = left.filter(({ name }) => name.startsWith(root));
    await mapLimit(some, atATime, async (object) => {
      bytes += await copyObject(source, target, object, there.get(object.name));
      done++;
      report({ done, total: objects.length, bytes });
    });
  }
  if (!force) await requireUntouched(source, owners);
  const names = new Set(objects.map(({ name }) => name));
  const others = [...there.keys()].filter((name) => !names.has(name)).length;
  return { objects: objects.length, copied: left.length, bytes, others };
}

/** Throws BUCKET_IN_USE. A mount that ended in order holds nothing. */
async function requireUnused(bucket: Bucket): Promise<void> {
  const { owners } = await listOwners(bucket);
  const holders = new Set(
    [...owners.values()].flatMap(({ record }) => (record.holder === '' ? [] : record.name)),
  );
  if (holders.size === 0) return;
  throw new SessionfsError(
    'BUCKET_IN_USE',
    `${bucket.address} is in use: ${named([...holders])} holds sessions in it`,
    {
      hint: 'End its mounts with sessionfs unmount, then copy. If a mount is gone for good, add --force.',
    },
  );
}

/** A mount that began meanwhile, also one that has ended since, may have changed what was copied. Throws BUCKET_IN_USE. */
async function requireUntouched(bucket: Bucket, before: ReadonlyMap<string, string>): Promise<void> {
  await requireUnused(bucket);
  const now = await generationsOf(bucket);
  if (now.size === before.size && [...now].every(([name, generation]) => before.get(name) === generation))
    return;
  throw new SessionfsError('BUCKET_IN_USE', `${bucket.address} was used by a mount while it was copied`, {
    hint: 'Copy again, with --overwrite: what that mount changed may be copied in part.',
  });
}

/** Of the owners: a mount that takes a session or gives it back changes one. */
async function generationsOf(bucket: Bucket): Promise<ReadonlyMap<string, string>> {
  const owners = await listAll(bucket, OWNERS_ROOT);
  return new Map(owners.map(({ name, generation }) => [name, generation]));
}

/** Throws COPY_CONFLICT. */
function requireNew(
  left: readonly ObjectVersion[],
  there: ReadonlyMap<string, ObjectVersion>,
  target: Bucket,
): void {
  const names = left.filter(({ name }) => there.has(name)).map(({ name }) => name);
  if (names.length === 0) return;
  throw new SessionfsError(
    'COPY_CONFLICT',
    `${target.address} has other versions of ${names.length} objects: ${named(names)}`,
    { hint: 'Choose an empty bucket, or add --overwrite to replace them by those of the source.' },
  );
}

/** Returns the bytes. Rejects with COPY_FAILED where what was stored is not what was read. */
async function copyObject(
  source: Bucket,
  target: Bucket,
  { name }: ObjectVersion,
  replaced: ObjectVersion | undefined,
): Promise<number> {
  const read = await source.get(name);
  const { metadata } = read;
  const { generation } = await target.put(name, read.bytes, {
    ifGeneration: replaced?.generation ?? ABSENT,
    metadata,
  });
  const stored = await target.get(name);
  if (stored.generation !== generation || !isSame(read, stored) || !stored.bytes.equals(read.bytes))
    throw new SessionfsError('COPY_FAILED', `${target.address}/${name} is not what was copied`, {
      hint: 'Make sure that nothing else writes to this bucket, and start the copy again.',
    });
  return read.bytes.length;
}

function isSame(one: ObjectVersion, other: ObjectVersion | undefined): boolean {
  return (
    other !== undefined &&
    one.size === other.size &&
    one.crc32c === other.crc32c &&
    JSON.stringify(sorted(one)) === JSON.stringify(sorted(other))
  );
}

function sorted({ metadata }: ObjectVersion): [string, string][] {
  return Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
}

function named(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_IN_MESSAGE).join(', ');
  return names.length > NAMES_IN_MESSAGE ? `${shown}, …` : shown;
}
