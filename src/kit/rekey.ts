/**
 * Has a mount seal with its new key what an earlier key sealed: a chmod to the mode that a file has writes its sealed file anew, by the
 * way of every other change, journal, lease and backup included. So it can be stopped at any moment, and goes on with what is left.
 */
import { constants } from 'node:fs';
import { chmod, lstat, open, readdir, readFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bucket } from '../bucket/bucket.ts';
import { SealError } from '../crypto/seal-error.ts';
import { readHeader } from '../crypto/sealed-file.ts';
import { SessionfsError } from '../lib/errors.ts';
import { mapLimit } from '../lib/map-limit.ts';
import { codeOf, ifMissing } from '../lib/system-error.ts';
import { directoryMetaName, toObjectName } from '../naming/object-name.ts';
import { readSealedSession } from './export/sealed-session.ts';
import { readObject, readObjects } from './export/sources.ts';

/** Where the sealed files of a mount lie. */
export interface SealedPlace {
  /** Files by path. */
  session(session: string): Promise<ReadonlyMap<string, Buffer>>;
  /** By the name that cache and bucket have in common; undefined: there is none. */
  object(name: string): Promise<Buffer | undefined>;
}

export interface RekeyParts {
  readonly mountPoint: string;
  readonly sealed: SealedPlace;
  /** How many are sealed again at a time: in cloud mode each waits for the bucket. */
  readonly atATime: number;
  /** Of the new key. */
  readonly keyId: string;
  /** Files a second. */
  readonly rate: number;
  /** Called after each session; `total`: of sessions. */
  progress(done: number, total: number): void;
}

export interface RekeyReport {
  /** Files and folders that were sealed again. */
  readonly sealed: number;
  readonly sessions: number;
  /** Paths that another key seals still. */
  readonly left: readonly string[];
}

/** Throws REKEY_UNFINISHED where the mount seals with another key, or was ended meanwhile, and system errors. */
export async function rekey(parts: RekeyParts): Promise<RekeyReport> {
  const device = await deviceOf(parts.mountPoint);
  if (device === undefined) throw ended(parts.mountPoint);
  const report = await rekeyAll(parts, device).catch((error: unknown) => ({ error }));
  // The folder below has no sessions.
  if ((await deviceOf(parts.mountPoint)) !== device) throw ended(parts.mountPoint);
  if ('error' in report) throw report.error;
  return report;
}

/** Undefined: nothing is mounted there, or its daemon has died. */
async function deviceOf(mountPoint: string): Promise<number | undefined> {
  try {
    const [{ dev }, above] = await Promise.all([lstat(mountPoint), lstat(`${mountPoint}/..`)]);
    return dev === above.dev ? undefined : dev;
  } catch {
    return undefined;
  }
}

function ended(mountPoint: string): SessionfsError {
  return new SessionfsError('REKEY_UNFINISHED', `the mount on ${mountPoint} was ended meanwhile`, {
    hint: 'Run it again: it goes on with what is left.',
  });
}

async function rekeyAll(parts: RekeyParts, device: number): Promise<RekeyReport> {
  const work = new Rekey(parts, device);
  const entries = await readdir(parts.mountPoint, { withFileTypes: true });
  const left: string[] = [];
  for (const [index, entry] of entries.entries()) {
    left.push(
      ...(entry.isDirectory() ? await work.sessionIfFree(entry.name) : await work.rootFile(entry.name)),
    );
    parts.progress(index + 1, entries.length);
  }
  return { sealed: work.sealed, sessions: entries.filter((entry) => entry.isDirectory()).length, left };
}

class Rekey {
  readonly #parts: RekeyParts;
  /** Of the mount. */
  readonly #device: number;
  readonly #startedMs = performance.now();
  /** The mount has sealed a file with it. */
  #hasNewKey = false;
  sealed = 0;

  constructor(parts: RekeyParts, device: number) {
    this.#parts = parts;
    this.#device = device;
  }

  /** The whole session is left where another mount holds it. */
  async sessionIfFree(session: string): Promise<string[]> {
    try {
      return await this.session(session);
    } catch (error) {
      if (codeOf(error) !== 'EBUSY') throw error;
      return [`${session} (another mount holds it)`];
    }
  }

  /** Returns what another key seals still. Listing its folders restores a session that is only in the bucket. */
  async session(session: string): Promise<string[]> {
    const directories = await this.#directories(session);
    const [first, ...others] = await this.#stale(session);
    if (first !== undefined) {
      await this.#sealAgain(first);
      if (!this.#hasNewKey) await this.#requireNewKey(session, first);
    }
    await mapLimit(others, this.#parts.atATime, (path) => this.#sealAgain(path));
    for (const directory of directories) await this.#sealIfOfAnother(directoryMetaName(directory), directory);
    return first === undefined ? [] : this.#stale(session);
  }

  async rootFile(name: string): Promise<string[]> {
    await this.#sealIfOfAnother(toObjectName(name, 'file'), name);
    return [];
  }

  async #directories(path: string): Promise<string[]> {
    const found = [path];
    for (const entry of await readdir(join(this.#parts.mountPoint, path), { withFileTypes: true }))
      if (entry.isDirectory()) found.push(...(await this.#directories(`${path}/${entry.name}`)));
    return found;
  }

  async #stale(session: string): Promise<string[]> {
    const files = await this.#parts.sealed.session(session);
    return [...files].filter(([, sealed]) => isOfAnotherKey(sealed, this.#parts.keyId)).map(([path]) => path);
  }

  async #sealAgain(path: string): Promise<void> {
    const place = join(this.#parts.mountPoint, path);
    try {
      if (await touch(place, this.#device)) this.sealed++;
    } catch (error) {
      // The application removed it meanwhile.
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    const aheadMs = (this.sealed / this.#parts.rate) * 1000 - (performance.now() - this.#startedMs);
    if (aheadMs > 0) await sleep(aheadMs);
  }

  /** After the first file of a session: a mount with another key would go through all of them for nothing. */
  async #requireNewKey(session: string, path: string): Promise<void> {
    const { mountPoint, keyId, sealed } = this.#parts;
    const file = (await sealed.session(session)).get(path);
    this.#hasNewKey = file === undefined || !isOfAnotherKey(file, keyId);
    if (this.#hasNewKey) return;
    throw new SessionfsError(
      'REKEY_UNFINISHED',
      `the mount on ${mountPoint} seals with another key than ${keyId}`,
      {
        hint: 'Mount it with the new key as SESSION_ENCRYPTION_KEY and the old one in SESSION_ENCRYPTION_KEYS_PREVIOUS, then run this again.',
      },
    );
  }

  async #sealIfOfAnother(objectName: string, path: string): Promise<void> {
    const sealed = await this.#parts.sealed.object(objectName);
    if (sealed !== undefined && isOfAnotherKey(sealed, this.#parts.keyId)) await this.#sealAgain(path);
  }
}

/** Of a mount with a cache on a disk. */
export function sealedInCache(cachePath: string): SealedPlace {
  return {
    session: (session) => readSealedSession(cachePath, session),
    object: (name) => readFile(join(cachePath, name)).catch(ifMissing),
  };
}

/** Of a mount in cloud mode, which stores each change before the call returns. */
export function sealedInBucket(bucket: Bucket, concurrency: number): SealedPlace {
  return {
    session: (session) => readObjects(bucket, session, concurrency),
    object: (name) => readObject(bucket, name),
  };
}

/** O_PATH of Linux, which Node does not name: the entry itself, whatever its mode, and no link is followed. */
const ENTRY = 0o10000000 | constants.O_NOFOLLOW;

/**
 * Changes nothing that an application sees but the change time. The application's user may put a link in the place of any
 * component meanwhile: what lies outside of the mount is left alone (false).
 */
export async function touch(place: string, device: number): Promise<boolean> {
  const entry = await open(place, ENTRY);
  try {
    const stats = await entry.stat();
    if (stats.dev !== device) return false;
    const itself = `/proc/self/fd/${entry.fd}`;
    if (stats.isSymbolicLink()) await utimes(itself, stats.atime, stats.mtime);
    else await chmod(itself, stats.mode & 0o7777);
    return true;
  } finally {
    await entry.close();
  }
}

function isOfAnotherKey(sealed: Buffer, keyId: string): boolean {
  const own = keyOf(sealed);
  return own !== undefined && own !== keyId;
}

function keyOf(sealed: Buffer): string | undefined {
  try {
    return readHeader(sealed, sealed.length).keyId;
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    return undefined;
  }
}
