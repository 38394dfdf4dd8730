/**
 * Has a mount seal with its new key what an earlier key sealed: a chmod to the mode that a file has writes its sealed file anew, by the
 * way of every other change, journal, lease and backup included. So it can be stopped at any moment, and goes on with what is left.
 */
import { constants } from 'node:fs';
import { chmod, lstat, open, readdir, readFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SealError } from '../crypto/seal-error.ts';
import { readHeader } from '../crypto/sealed-file.ts';
import { readSealedSession } from '../export/sealed-session.ts';
import { SessionfsError } from '../lib/errors.ts';
import { codeOf } from '../lib/system-error.ts';
import { directoryMetaName, toObjectName } from '../naming/object-name.ts';

export interface RekeyParts {
  readonly mountPoint: string;
  readonly cachePath: string;
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

/** Throws REKEY_UNFINISHED where the mount seals with another key, and system errors. */
export async function rekey(parts: RekeyParts): Promise<RekeyReport> {
  const work = new Rekey(parts, (await lstat(parts.mountPoint)).dev);
  const entries = await readdir(parts.mountPoint, { withFileTypes: true });
  const left: string[] = [];
  for (const [index, entry] of entries.entries()) {
    left.push(...(entry.isDirectory() ? await work.session(entry.name) : await work.rootFile(entry.name)));
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

  /** Returns what another key seals still. Listing its folders restores a session that is only in the bucket. */
  async session(session: string): Promise<string[]> {
    const directories = await this.#directories(session);
    for (const path of await this.#stale(session)) {
      await this.#sealAgain(path);
      if (!this.#hasNewKey) await this.#requireNewKey(session, path);
    }
    for (const directory of directories) {
      const keyId = await this.#cachedKey(directoryMetaName(directory));
      if (keyId !== undefined && keyId !== this.#parts.keyId) await this.#sealAgain(directory);
    }
    return this.#stale(session);
  }

  async rootFile(name: string): Promise<string[]> {
    const keyId = await this.#cachedKey(toObjectName(name, 'file'));
    if (keyId !== undefined && keyId !== this.#parts.keyId) await this.#sealAgain(name);
    return [];
  }

  async #directories(path: string): Promise<string[]> {
    const found = [path];
    for (const entry of await readdir(join(this.#parts.mountPoint, path), { withFileTypes: true }))
      if (entry.isDirectory()) found.push(...(await this.#directories(`${path}/${entry.name}`)));
    return found;
  }

  async #stale(session: string): Promise<string[]> {
    const files = await readSealedSession(this.#parts.cachePath, session);
    return [...files].filter(([, sealed]) => isOfAnother(sealed, this.#parts.keyId)).map(([path]) => path);
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
    const { mountPoint, keyId, cachePath } = this.#parts;
    const sealed = (await readSealedSession(cachePath, session)).get(path);
    this.#hasNewKey = sealed === undefined || !isOfAnother(sealed, keyId);
    if (this.#hasNewKey) return;
    throw new SessionfsError(
      'REKEY_UNFINISHED',
      `the mount on ${mountPoint} seals with another key than ${keyId}`,
      {
        hint: 'Mount it with the new key as SESSION_ENCRYPTION_KEY and the old one in SESSION_ENCRYPTION_KEYS_PREVIOUS, then run this again.',
      },
    );
  }

  /** Of a file of the cache; undefined: there is none, or it is no sealed file. */
  async #cachedKey(objectName: string): Promise<string | undefined> {
    try {
      return keyOf(await readFile(join(this.#parts.cachePath, objectName)));
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
      throw error;
    }
  }
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

function isOfAnother(sealed: Buffer, keyId: string): boolean {
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
