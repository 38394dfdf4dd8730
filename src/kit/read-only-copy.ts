/**
 * What a read-only mount serves: a sealed copy of the bucket's last flush, or of a cache and its journal, in a folder of its own that
 * goes with the mount. Nothing of the original is changed, and no lease is taken.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Bucket, ObjectVersion, StoredObject } from '../bucket/bucket.ts';
import { BucketError, isMissing } from '../bucket/bucket-error.ts';
import { isDeletedMark } from '../bucket/deleted-mark.ts';
import { listAll } from '../bucket/list-all.ts';
import type { Config } from '../config/load.ts';
import { errnoOf, isDiskFull } from '../lib/errno.ts';
import { SessionfsError } from '../lib/errors.ts';
import { generatedKeyPath } from '../lib/generated-key-path.ts';
import { sizeText } from '../lib/human.ts';
import { mapLimit } from '../lib/map-limit.ts';
import { codeOf, messageOf } from '../lib/system-error.ts';
import { folderOf, OBJECT_ROOT } from '../naming/object-name.ts';
import { sessionOf } from '../naming/session-path.ts';
import { createLogger } from '../observe/log.ts';
import { KeyCheck } from '../remote/key-check.ts';
import { Cache } from '../store/cache/cache.ts';
import { withBucket } from './export/bucket-reader.ts';
import { keyringOf } from './export/export-session.ts';
import { changesTooFast, isWhole, lookAtJournal } from './export/sealed-session.ts';

export interface ReadOnlyCopy {
  /** For a mount of the copy. */
  readonly config: Config;
  /** Sessions that changed each time they were read: their files are of different moments. */
  readonly unsettled: readonly string[];
}

type Report = (done: number, total: number) => void;

/** A mount stores a session within seconds, and then rests for a while. */
const ATTEMPTS = 10;
/** For what the mount itself writes beside the copy. */
const ROOM_BYTES = 16 * 1024 * 1024;

/** For `copyForReading`, in TMPDIR. Throws CACHE_NOT_WRITABLE. */
export function makeCopyFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'sessionfs-read-only-'));
  } catch (error) {
    throw noPlace(tmpdir(), error);
  }
}

/**
 * Into `folder`, which is empty: with a bucket in the settings of that, whatever the mode, otherwise of the cache. Throws
 * SESSION_NOT_FOUND, KEY_WRONG, KEY_MISSING, BUCKET_UNAVAILABLE, CACHE_NOT_WRITABLE (no room), CACHE_LOCKED.
 */
export async function copyForReading(
  config: Config,
  env: NodeJS.ProcessEnv,
  folder: string,
  report: Report,
): Promise<ReadOnlyCopy> {
  try {
    return await copyInto(config, env, folder, report);
  } catch (error) {
    const reason = error instanceof SessionfsError ? error.cause : error;
    throw isDiskFull(errnoOf(reason)) ? noPlace(dirname(folder), reason) : error;
  }
}

function noPlace(parent: string, cause: unknown): SessionfsError {
  return new SessionfsError(
    'CACHE_NOT_WRITABLE',
    `the copy cannot be made in ${parent}: ${codeOf(cause) ?? messageOf(cause)}`,
    { hint: 'Name a folder that this user can write to, on a disk with room, with TMPDIR.', cause },
  );
}

async function copyInto(
  config: Config,
  env: NodeJS.ProcessEnv,
  folder: string,
  report: Report,
): Promise<ReadOnlyCopy> {
  const { bucket: address } = config;
  const cachePath = join(folder, 'cache');
  mkdirSync(cachePath, { mode: 0o700 });
  const copiedAt = new Date().toISOString();
  const copy = async (bucket: Bucket) => {
    const keyId = await requireKey(config, env, bucket);
    Cache.open(cachePath, { mountPoint: config.mountPoint, keyId });
    const unsettled = await new BucketCopy(bucket, cachePath, config.backupConcurrency, report).run();
    return { unsettled, source: bucket.address };
  };
  const { unsettled, source } =
    address === undefined
      ? { unsettled: copyCache(config.cachePath, cachePath), source: config.cachePath }
      : await withBucket(config, address, copy);
  return { config: configOf(config, env, { cachePath, source, copiedAt }), unsettled };
}

function configOf(
  config: Config,
  env: NodeJS.ProcessEnv,
  { cachePath, source, copiedAt }: { cachePath: string; source: string; copiedAt: string },
): Config {
  const isGiven =
    config.encryptionKeyFile !== undefined ||
    config.encryptionKeyCommand !== undefined ||
    env.SESSION_ENCRYPTION_KEY;
  return {
    ...config,
    storageType: 'local',
    bucket: undefined,
    cachePath,
    cacheIsNamed: true,
    cacheInMemory: false,
    trashDays: 0,
    // No key is made: that of the original is in its place, or there is none.
    encryptionKeyFile: isGiven ? config.encryptionKeyFile : generatedKeyPath(config.cachePath),
    readOnly: { source, copiedAt },
  };
}

/** Returns the id of the key that is given. Throws KEY_WRONG, KEY_MISSING. */
async function requireKey(config: Config, env: NodeJS.ProcessEnv, bucket: Bucket): Promise<string> {
  const keyring = await keyringOf({ config, fromCache: false }, { ...env });
  try {
    const verdict = await new KeyCheck({ bucket, keyring, log: createLogger({ level: 'silent' }) }).verdict();
    if (verdict instanceof SessionfsError) throw verdict;
    return keyring.currentId;
  } finally {
    keyring.destroy();
  }
}

/** As a daemon that is killed now would leave it: what a checkpoint takes away meanwhile is in the cache that is read again. */
function copyCache(from: string, to: string): string[] {
  if (Cache.readKeyId(from) === undefined)
    throw new SessionfsError('SESSION_NOT_FOUND', `there is no cache in ${from}`, {
      hint: 'Name the cache whose sessions are to be seen with --cache-path, or a bucket with --bucket.',
    });
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) if (copyCacheOnce(from, to)) return [];
  throw changesTooFast(from);
}

/** False: a part of the journal went into the cache meanwhile. */
function copyCacheOnce(from: string, to: string): boolean {
  try {
    const before = lookAtJournal(from);
    const parts = ['format.json', OBJECT_ROOT, 'journal'];
    // What an attempt before has copied.
    for (const name of parts) rmSync(join(to, name), { recursive: true, force: true });
    // The journal wins over the cache, so it comes after it; a cache that was copied may lack an empty one.
    for (const name of before.changed === undefined ? parts.slice(0, -1) : parts)
      cpSync(join(from, name), join(to, name), { recursive: true });
    return isWhole(before, lookAtJournal(from));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

type Versions = ReadonlyMap<string, ObjectVersion>;

/** One run. Objects are named as the files of a cache. Rejects with BucketError, CACHE_NOT_WRITABLE. */
export class BucketCopy {
  readonly #bucket: Bucket;
  readonly #to: string;
  readonly #concurrency: number;
  readonly #report: Report;
  /** Generations by object, by session. */
  readonly #copied = new Map<string, Map<string, string>>();

  constructor(bucket: Bucket, to: string, concurrency: number, report: Report) {
    this.#bucket = bucket;
    this.#to = to;
    this.#concurrency = concurrency;
    this.#report = report;
  }

  /** Each session as it was at one moment. Returns those that changed each time. */
  async run(): Promise<string[]> {
    const first = await this.#list(`${OBJECT_ROOT}/`);
    this.#requireRoom(first);
    await this.#copy(first, this.#report);
    const second = bySession(await this.#list(`${OBJECT_ROOT}/`));
    const unsettled: string[] = [];
    for (const session of new Set([...this.#copied.keys(), ...second.keys()])) {
      const isSettled = session === '' || (await this.#settle(session, second.get(session) ?? new Map()));
      if (!isSettled) unsettled.push(session);
    }
    return unsettled;
  }

  /** A listing that shows what was copied before it: all of that was there at that moment. */
  async #settle(session: string, listed: Versions): Promise<boolean> {
    let wanted = listed;
    for (let attempt = 0; !this.#isCopied(session, wanted); attempt++) {
      if (attempt === ATTEMPTS) return false;
      this.#drop(session, wanted);
      await this.#copy(wanted, () => {});
      wanted = await this.#list(folderOf(session), session);
    }
    return true;
  }

  async #list(prefix: string, session?: string): Promise<Versions> {
    const objects = (await listAll(this.#bucket, prefix)).filter((object) => {
      const own = sessionOf(object.name);
      return own !== undefined && (session === undefined || own === session) && !isDeletedMark(object);
    });
    return new Map(objects.map((object) => [object.name, object]));
  }

  async #copy(versions: Versions, report: Report): Promise<void> {
    const wanted = [...versions.values()].filter(
      ({ name, generation }) => this.#copiedOf(name).get(name) !== generation,
    );
    let done = 0;
    await mapLimit(wanted, this.#concurrency, async ({ name, size }) => {
      const object = await this.#get(name, size);
      if (object !== undefined) {
        const place = join(this.#to, name);
        mkdirSync(dirname(place), { recursive: true, mode: 0o700 });
        writeFileSync(place, object.bytes, { mode: 0o600 });
        this.#copiedOf(name).set(name, object.generation);
      }
      report(++done, wanted.length);
    });
  }

  /** Undefined: it was deleted, or made longer, since it was listed; or it is damaged. */
  async #get(name: string, maxBytes: number): Promise<StoredObject | undefined> {
    try {
      return await this.#bucket.get(name, { maxBytes });
    } catch (error) {
      if (isMissing(error) || (error instanceof BucketError && error.kind === 'corrupt')) return undefined;
      throw error;
    }
  }

  #copiedOf(name: string): Map<string, string> {
    const session = sessionOf(name) ?? '';
    const own = this.#copied.get(session) ?? new Map<string, string>();
    this.#copied.set(session, own);
    return own;
  }

  #isCopied(session: string, versions: Versions): boolean {
    const own = this.#copied.get(session) ?? new Map<string, string>();
    const isSame = ({ name, generation }: ObjectVersion) => own.get(name) === generation;
    return own.size === versions.size && [...versions.values()].every(isSame);
  }

  /** What was deleted since it was copied. */
  #drop(session: string, versions: Versions): void {
    const own = this.#copied.get(session) ?? new Map<string, string>();
    for (const name of own.keys()) {
      if (versions.has(name)) continue;
      rmSync(join(this.#to, name), { force: true });
      own.delete(name);
    }
  }

  #requireRoom(versions: Versions): void {
    const needed = [...versions.values()].reduce((sum, { size }) => sum + size, ROOM_BYTES);
    const { bavail, bsize } = statfsSync(this.#to);
    if (needed <= bavail * bsize) return;
    const parent = dirname(dirname(this.#to));
    throw new SessionfsError(
      'CACHE_NOT_WRITABLE',
      `the copy takes ${sizeText(needed)}, and the disk of ${parent} has ${sizeText(bavail * bsize)}`,
      { hint: 'Name a folder on a larger disk with TMPDIR.' },
    );
  }
}

function bySession(versions: Versions): Map<string, Map<string, ObjectVersion>> {
  const found = new Map<string, Map<string, ObjectVersion>>();
  for (const [name, version] of versions) {
    const session = sessionOf(name) ?? '';
    const own = found.get(session) ?? new Map<string, ObjectVersion>();
    found.set(session, own.set(name, version));
  }
  return found;
}
