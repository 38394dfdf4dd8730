/**
 * Opens every sealed file of cache and bucket, compares the two, and asks of each session whether it could log in. A repair puts a
 * good copy in the place of one that does not open, and of nothing else.
 */
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Bucket, ObjectVersion } from '../bucket/bucket.ts';
import { BucketError, isMissing, isPrecondition } from '../bucket/bucket-error.ts';
import { isDeletedMark } from '../bucket/deleted-mark.ts';
import { listAll } from '../bucket/list-all.ts';
import { isOfAnother } from '../bucket/object-metadata.ts';
import type { Config } from '../config/load.ts';
import { FILE_SIZE_LIMIT_BYTES } from '../config/settings.ts';
import type { Keyring } from '../crypto/keyring.ts';
import { SealError, type SealRefusal } from '../crypto/seal-error.ts';
import { openSealed } from '../crypto/sealed-file.ts';
import { identityFile } from '../lease/identity.ts';
import { listOwners } from '../lease/records/owner.ts';
import { crc32c } from '../lib/crc32c.ts';
import { renameDurably, writeDurably } from '../lib/durable-files.ts';
import { SessionfsError } from '../lib/errors.ts';
import { mapLimit } from '../lib/map-limit.ts';
import { requirePrivatePath } from '../lib/private-path.ts';
import { codeOf, messageOf } from '../lib/system-error.ts';
import { imageName } from '../naming/image-name.ts';
import { folderOf, toObjectName } from '../naming/object-name.ts';
import { asCompanion, companionName } from '../sqlite/companions.ts';
import { fold } from '../sqlite/fold.ts';
import { isDatabase, SqliteError } from '../sqlite/format.ts';
import { lockCache } from '../store/cache/lock.ts';
import { type Completeness, type SessionState, stateOfDatabase, stateOfSession } from './baileys.ts';
import { requireRoom } from './export/room.ts';
import { pathIn, readSealedSession } from './export/sealed-session.ts';

export interface Problem {
  /** Below the session. */
  readonly file: string;
  readonly place: 'cache' | 'bucket';
  readonly reason: SealRefusal | 'damaged-database';
  readonly repaired: boolean;
  /** Why it was not repaired, or what a repair would do. */
  readonly note: string;
}

export interface SessionReport {
  readonly session: string;
  readonly state: Completeness;
  /** Files that creds.json names, and that are nowhere. */
  readonly missing: readonly string[];
  /** Files that open. */
  readonly files: number;
  /** In the cache only, in the bucket only, in both with different content: what is not backed up or not restored yet. */
  readonly onlyInCache: number;
  readonly onlyInBucket: number;
  readonly different: number;
  readonly problems: readonly Problem[];
}

export interface VerifyParts {
  readonly config: Config;
  readonly keyring: Keyring;
  /** Undefined: it is not looked at. */
  readonly bucket: Bucket | undefined;
  readonly hasCache: boolean;
  readonly repair: boolean;
  /** Told of each repair at once: a failure after it leaves no report. */
  readonly repaired: (path: string, place: Problem['place']) => void;
}

interface Stored {
  readonly version: ObjectVersion;
  /** Empty where the bucket itself says that they are not those that were stored. */
  readonly bytes: Buffer;
  readonly isDamaged: boolean;
}

/** A copy of a file: its content, or why it does not open; undefined: there is none. */
type Copy = { readonly plain: Buffer } | { readonly refused: SealRefusal } | undefined;

export class Verification {
  readonly #parts: VerifyParts;
  readonly #release: () => void;
  /** Sessions of the bucket whose lease this cache's mount holds, or none. */
  readonly #isOwn: (session: string) => boolean;

  /** Of the cache. */
  readonly #id: string | undefined;

  private constructor(
    parts: VerifyParts,
    release: () => void,
    isOwn: (session: string) => boolean,
    id?: string,
  ) {
    this.#parts = parts;
    this.#release = release;
    this.#isOwn = isOwn;
    this.#id = id;
  }

  /** For a repair the cache is locked until `end`. Rejects with CACHE_LOCKED where it is mounted, UNSAFE_PATH, and BucketError. */
  static async begin(parts: VerifyParts): Promise<Verification> {
    const { config, hasCache, bucket, repair } = parts;
    if (!repair)
      return new Verification(
        parts,
        () => {},
        () => false,
      );
    const lock = hasCache ? lockCache(config.cachePath, config.mountPoint) : undefined;
    try {
      const identity = hasCache ? await identityFile(config.cachePath).load() : undefined;
      const listed = bucket === undefined ? undefined : await listOwners(bucket);
      const isOwn = (session: string) => {
        const holder = listed?.owners.get(session)?.record.holder ?? '';
        return !listed?.malformed.has(session) && (holder === '' || holder === identity?.id);
      };
      return new Verification(parts, () => lock?.release(), isOwn, identity?.id);
    } catch (error) {
      lock?.release();
      throw error;
    }
  }

  end(): void {
    this.#release();
  }

  async session(session: string): Promise<SessionReport> {
    const { config, hasCache, bucket } = this.#parts;
    const cached = hasCache ? await readSealedSession(config.cachePath, session) : new Map<string, Buffer>();
    const stored = bucket === undefined ? new Map<string, Stored>() : await this.#objects(bucket, session);
    const problems: Problem[] = [];
    const opened = new Map<string, Buffer>();
    const databases = new Map<string, Images>();
    let [onlyInCache, onlyInBucket, different] = [0, 0, 0];
    for (const path of new Set([...cached.keys(), ...stored.keys()])) {
      const [here, there] = [cached.get(path), stored.get(path)];
      const copies = [
        this.#open(path, here),
        there?.isDamaged ? { refused: 'wrong-tag' as const } : this.#open(path, there?.bytes),
      ] as const;
      const file = path.slice(session.length + 1);
      const image = this.#imageOf(path, copies[0]);
      problems.push(...(await this.#problems({ session, path, file, copies, here, there, image })));
      const good = plainOf(copies[0]) ?? plainOf(copies[1]);
      if (good !== undefined) opened.set(file, good);
      if (good !== undefined && isDatabase(good))
        databases.set(file, { inBucket: plainOf(copies[1]), inCache: image });
      // What lies beside a database is never an object.
      if (there === undefined && this.#isCompanion(path, cached)) continue;
      if (here !== undefined && there === undefined) onlyInCache++;
      else if (here === undefined && there !== undefined) onlyInBucket++;
      else if (
        plainOf(copies[0]) &&
        plainOf(copies[1]) &&
        !(image ?? here)?.equals(there?.bytes ?? Buffer.alloc(0))
      )
        different++;
    }
    const ofDatabases = this.#databases(session, databases, opened, problems);
    const ofFiles = stateOfSession(
      opened.get('creds.json') ?? opened.get('creds.json.bak'),
      new Set(opened.keys()),
    );
    const { state, missing } = ofFiles.state === 'no credentials' ? (ofDatabases ?? ofFiles) : ofFiles;
    return { session, state, missing, files: opened.size, onlyInCache, onlyInBucket, different, problems };
  }

  /**
   * What the databases of the session say; undefined: it has none. Looked into is the image in the bucket; without one that of the cache, or
   * the file with what lies beside it. `problems` gets those that are damaged.
   */
  #databases(
    session: string,
    databases: ReadonlyMap<string, Images>,
    opened: ReadonlyMap<string, Buffer>,
    problems: Problem[],
  ): SessionState | undefined {
    const states: SessionState[] = [];
    for (const [file, { inBucket, inCache }] of databases) {
      const alone = inBucket ?? plainOf(this.#open(`${session}/${file}`, inCache));
      try {
        states.push(stateOfDatabase(alone ?? folded(file, opened)));
      } catch (error) {
        if (!(error instanceof SqliteError)) throw error;
        const place = inBucket === undefined ? 'cache' : 'bucket';
        const note =
          alone === undefined
            ? `${error.message}: where an application writes it now, unmount and verify again`
            : `${error.message}: earlier versions may be whole (docs/operations.md, "restore")`;
        problems.push({ file, place, reason: 'damaged-database', repaired: false, note });
        states.push({ state: 'database', missing: [] });
      }
    }
    return states.find(({ state }) => state !== 'database') ?? states[0];
  }

  async #objects(bucket: Bucket, session: string): Promise<Map<string, Stored>> {
    const found = new Map<string, Stored>();
    const versions = await listAll(bucket, folderOf(session));
    requireRoom(session, versions);
    await mapLimit(versions, this.#parts.config.backupConcurrency, async (version) => {
      const path = isDeletedMark(version) ? undefined : pathIn(session, version.name);
      if (path === undefined) return;
      try {
        const { bytes } = await bucket.get(version.name, { maxBytes: version.size });
        found.set(path, { version, bytes, isDamaged: false });
      } catch (error) {
        if (!(error instanceof BucketError && (error.kind === 'missing' || error.kind === 'corrupt')))
          throw error;
        // Deleted, or made longer, since it was listed; or damaged.
        if (error.kind === 'corrupt' && (await isCurrent(bucket, version)))
          found.set(path, { version, bytes: Buffer.alloc(0), isDamaged: true });
      }
    });
    return found;
  }

  #open(path: string, sealed: Buffer | undefined): Copy {
    if (sealed === undefined) return undefined;
    try {
      return { plain: openSealed(this.#parts.keyring, path, sealed).plain };
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      return { refused: error.reason };
    }
  }

  /** What is the object of a database, in place of its file. One stays in the cache when the file is a database no more. */
  #imageOf(path: string, file: Copy): Buffer | undefined {
    if (!this.#parts.hasCache) return undefined;
    if (plainOf(file) !== undefined && !isDatabaseCopy(file)) return undefined;
    return readIfThere(join(this.#parts.config.cachePath, imageName(toObjectName(path, 'file'))));
  }

  #isCompanion(path: string, cached: ReadonlyMap<string, Buffer>): boolean {
    const database = asCompanion(path)?.database;
    return database !== undefined && isDatabaseCopy(this.#open(database, cached.get(database)));
  }

  async #problems({
    session,
    path,
    file,
    copies: [cache, bucket],
    here,
    there,
    image,
  }: Compared): Promise<Problem[]> {
    const problems: Problem[] = [];
    const isOfDatabase = image !== undefined || isDatabaseCopy(cache) || isDatabaseCopy(bucket);
    if (cache !== undefined && 'refused' in cache && here !== undefined) {
      const good = plainOf(bucket) === undefined ? undefined : there?.bytes;
      const mend = isOfDatabase
        ? async () => DATABASE_NOTE
        : (bytes: Buffer) => this.#mendCache(path, here, bytes);
      const repair = good === undefined ? undefined : () => mend(good);
      problems.push(await this.#problem({ path, file, place: 'cache', reason: cache.refused }, repair));
    }
    if (bucket !== undefined && 'refused' in bucket && there !== undefined) {
      const [kept, copy] = isOfDatabase ? [image, this.#open(path, image)] : [here, cache];
      const good = plainOf(copy) === undefined ? undefined : kept;
      const repair = good === undefined ? undefined : () => this.#mendBucket(session, there, good);
      problems.push(await this.#problem({ path, file, place: 'bucket', reason: bucket.refused }, repair));
    }
    return problems;
  }

  /** `repair` undefined: there is no good copy. It returns why it did nothing; undefined: it is repaired. */
  async #problem(
    { path, ...found }: Pick<Problem, 'file' | 'place' | 'reason'> & { readonly path: string },
    repair: (() => Promise<string | undefined>) | undefined,
  ): Promise<Problem> {
    const other = found.place === 'cache' ? 'bucket' : 'cache';
    const not = (note: string): Problem => ({ ...found, repaired: false, note });
    if (found.reason === 'unknown-key') return not('it may be whole: give the key that sealed it');
    if (repair === undefined)
      return not(`the ${other} has no good copy: see kept versions (sessionfs restore --list)`);
    if (!this.#parts.repair) return not(`--repair takes the good copy of the ${other}`);
    const refusal = await repair();
    if (refusal === undefined) this.#parts.repaired(path, found.place);
    return refusal === undefined
      ? { ...found, repaired: true, note: `replaced by the copy of the ${other}` }
      : not(refusal);
  }

  /** The name has one of the two at every moment. What was there goes beside the cache. */
  async #mendCache(path: string, damaged: Buffer, good: Buffer): Promise<string | undefined> {
    const { cachePath } = this.#parts.config;
    const name = toObjectName(path, 'file');
    const place = join(cachePath, name);
    const kept = join(`${cachePath}.damaged`, `${name}.${Date.now()}`);
    if (!readIfThere(place)?.equals(damaged))
      return 'the damaged version is in the journal, which is not changed: mount once, then verify again';
    requirePrivatePath(kept, 'the place of damaged files', 'SESSION_CACHE_PATH');
    mkdirSync(dirname(kept), { recursive: true, mode: 0o700 });
    copyFileSync(place, kept);
    const temporary = join(cachePath, 'tmp', `verify-${randomBytes(6).toString('hex')}`);
    try {
      await writeDurably(temporary, good);
      await renameDurably(temporary, place);
      return undefined;
    } finally {
      rmSync(temporary, { force: true });
    }
  }

  async #mendBucket(
    session: string,
    { version, isDamaged }: Stored,
    good: Buffer,
  ): Promise<string | undefined> {
    const { bucket } = this.#parts;
    // Where the bytes changed in the store, it still tells which they were.
    const isSame = isDamaged && version.size === good.length && version.crc32c === crc32c(good);
    if (!isSame && isOfAnother(this.#id, version.metadata))
      return 'another mount stored it, and the cache may have an older version: run it there';
    if (!this.#isOwn(session)) return 'another mount holds this session: run it there';
    try {
      await bucket?.put(version.name, good, { ifGeneration: version.generation, metadata: version.metadata });
      return undefined;
    } catch (error) {
      if (!isPrecondition(error)) throw error;
      return 'it has changed meanwhile: verify again';
    }
  }
}

interface Compared {
  readonly session: string;
  readonly path: string;
  readonly file: string;
  readonly copies: readonly [Copy, Copy];
  readonly here: Buffer | undefined;
  readonly there: Stored | undefined;
  readonly image: Buffer | undefined;
}

/** Of a database. */
interface Images {
  /** Opened; undefined: there is none, or it does not open. */
  readonly inBucket: Buffer | undefined;
  /** Sealed. */
  readonly inCache: Buffer | undefined;
}

async function isCurrent(bucket: Bucket, { name, generation }: ObjectVersion): Promise<boolean> {
  try {
    return (await bucket.head(name)).generation === generation;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

const DATABASE_NOTE =
  'a database must not lie beside the log of another version: remove it and what lies beside it from the cache, and mount';

/** Throws CACHE_FORMAT for what cannot be read: it may be whole. */
function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw new SessionfsError('CACHE_FORMAT', `a file of the cache cannot be read: ${messageOf(error)}`, {
      hint: 'Run it as the owner of the cache. If that is so, look at the disk (dmesg).',
      cause: error,
    });
  }
}

/** The database as SQLite would find it. */
function folded(file: string, opened: ReadonlyMap<string, Buffer>): Uint8Array {
  const copy = (name: string) => {
    const plain = opened.get(name);
    return plain && new Uint8Array(plain);
  };
  const database = copy(file) ?? new Uint8Array(0);
  return fold(
    { database, log: copy(companionName(file, 'wal')), journal: copy(companionName(file, 'journal')) },
    FILE_SIZE_LIMIT_BYTES,
  );
}

function isDatabaseCopy(copy: Copy): boolean {
  const plain = plainOf(copy);
  return plain !== undefined && isDatabase(plain);
}

function plainOf(copy: Copy): Buffer | undefined {
  return copy !== undefined && 'plain' in copy ? copy.plain : undefined;
}

/** Something is lost or damaged that was not repaired. */
export function isFault({ state, problems }: SessionReport): boolean {
  return state === 'incomplete' || problems.some(({ repaired }) => !repaired);
}
