/**
 * Makes the images of SQLite databases (sync/backup/database-images.ts): takes their files as they are at one instant, folds them
 * into one and seals it. One session's at a time, so that no more memory is needed, however many sessions are flushed.
 */
import { readFile } from 'node:fs/promises';
import type { Keyring } from '../crypto/keyring.ts';
import { SealError } from '../crypto/seal-error.ts';
import {
  HEADER_SIZE,
  openSealed,
  readHeader,
  type SealedMeta,
  sealedSize,
  sealInto,
} from '../crypto/sealed-file.ts';
import { crc32c } from '../lib/crc32c.ts';
import { Limiter } from '../lib/limiter.ts';
import { codeOf, ifMissing } from '../lib/system-error.ts';
import { imageName } from '../naming/image-name.ts';
import { toObjectName } from '../naming/object-name.ts';
import { type Cut, type CutDatabase, cutDatabases, type FileSource, type OpenedFile } from '../sqlite/cut.ts';
import { fold } from '../sqlite/fold.ts';
import { isDatabase } from '../sqlite/format.ts';
import type { Cache } from '../store/cache/cache.ts';
import type { DatabaseImages, MadeImages } from '../sync/backup/database-images.ts';
import type { Ledger } from '../sync/ledger/ledger.ts';
import type { KernelSide } from './kernel-side.ts';

export interface DatabasesParts {
  cache: Cache;
  keyring: Keyring;
  ledger: Ledger;
  kernel: KernelSide;
  /** What a file may have at most. */
  maxBytes: number;
}

export class Databases implements DatabaseImages {
  readonly #parts: DatabasesParts;
  readonly #turns = new Limiter(1);

  constructor(parts: DatabasesParts) {
    this.#parts = parts;
  }

  make(paths: readonly string[]): Promise<MadeImages> {
    return this.#turns.run(() => this.#make(paths));
  }

  async #make(paths: readonly string[]): Promise<MadeImages> {
    const { databases, companions } = await this.#cut(paths);
    const made: string[] = [];
    const failed = new Map<string, Error>();
    for (const database of databases) {
      try {
        await this.#makeImage(database);
        made.push(database.path);
      } catch (error) {
        failed.set(
          database.path,
          new Error(`no image of the database ${database.path} could be made: ${String(error)}`, {
            cause: error,
          }),
        );
      }
    }
    return { made, failed, companions };
  }

  /** Once nothing is written any more, the cache has everything. */
  async #cut(paths: readonly string[]): Promise<Cut<SealedMeta>> {
    const { cache, kernel, keyring } = this.#parts;
    return (await kernel.cutDatabases(paths)) ?? cutDatabases(cachedFiles(cache, keyring), paths);
  }

  async #makeImage({ path, files, meta, logMeta, unreadable }: CutDatabase<SealedMeta>): Promise<void> {
    if (unreadable !== undefined) throw new Error(unreadable);
    const content = fold(files, this.#parts.maxBytes);
    const image = { content, meta: logMeta === undefined ? meta : withNewerTime(meta, logMeta) };
    if (await this.#isThere(path, image)) return;
    const { keyring } = this.#parts;
    const sealed = Buffer.alloc(sealedSize(content.length));
    sealInto(sealed, 0, keyring, path, image.meta, content);
    await this.#publish(path, sealed);
  }

  /**
   * The last image, or what was restored from the bucket, has the same content: then a checkpoint of SQLite, or nothing at all, was
   * the only change.
   */
  async #isThere(path: string, image: OpenedFile<SealedMeta>): Promise<boolean> {
    const { cache, keyring, ledger } = this.#parts;
    const name = toObjectName(path, 'file');
    const last = await readFile(cache.files.locate(imageName(name))).catch(ifMissing);
    if (last !== undefined && isOf(keyring, path, last, image)) return true;
    const remote = ledger.get(name)?.remote;
    const restored = await readFile(cache.files.locate(name)).catch(ifMissing);
    if (remote === undefined || restored?.length !== remote.size || crc32c(restored) !== remote.crc32c)
      return false;
    if (!isOf(keyring, path, restored, image)) return false;
    await this.#publish(path, restored);
    return true;
  }

  /** What a power cut takes of it is made again. */
  async #publish(path: string, sealed: Buffer): Promise<void> {
    const { files } = this.#parts.cache;
    const staged = await files.stage(sealed);
    try {
      await files.finish(staged);
      await files.publish(staged, imageName(toObjectName(path, 'file')), new Set());
    } catch (error) {
      await files.discard(staged);
      throw error;
    }
  }
}

function cachedFiles(cache: Cache, keyring: Keyring): FileSource<SealedMeta> {
  return {
    open: (path) =>
      ifThere(() => {
        const { plain, meta } = openSealed(keyring, path, cache.readSync(path));
        return { content: plain, meta };
      }),
    sizeOf: (path) =>
      ifThere(() => {
        const header = Buffer.alloc(HEADER_SIZE);
        return readHeader(header, cache.readHeaderSync(path, header)).plainLength;
      }),
  };
}

function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The time of the last transaction, which the database itself need not have. */
function withNewerTime(meta: SealedMeta, log: SealedMeta): SealedMeta {
  const isNewer =
    log.mtimeSec > meta.mtimeSec || (log.mtimeSec === meta.mtimeSec && log.mtimeNsec > meta.mtimeNsec);
  return isNewer ? { ...meta, mtimeSec: log.mtimeSec, mtimeNsec: log.mtimeNsec } : meta;
}

/** Whether a sealed file is a database; false for one that does not open. */
export function isSealedDatabase(keyring: Keyring, path: string, sealed: Buffer): boolean {
  try {
    return isDatabase(openSealed(keyring, path, sealed).plain);
  } catch (error) {
    if (error instanceof SealError) return false;
    throw error;
  }
}

/** Times aside. One that an earlier key sealed is made again: that key is about to be given up. */
function isOf(
  keyring: Keyring,
  path: string,
  sealed: Buffer,
  { content, meta }: OpenedFile<SealedMeta>,
): boolean {
  try {
    const found = openSealed(keyring, path, sealed);
    const isSameMeta = (['mode', 'uid', 'gid'] as const).every((field) => found.meta[field] === meta[field]);
    const isCurrent = readHeader(sealed, sealed.length).keyId === keyring.currentId;
    return isCurrent && isSameMeta && found.plain.equals(content);
  } catch (error) {
    if (error instanceof SealError) return false;
    throw error;
  }
}
