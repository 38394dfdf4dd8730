/**
 * The cache: sealed files below `<cachePath>/sessions`, named as in the bucket. The calls that end in Sync are for the
 * kernel thread, the asynchronous ones for main; they are idempotent, and what they did is durable on return.
 */
import fs, { constants } from 'node:fs';
import { join } from 'node:path';
import { type FileOperations, fileOperations } from '../../lib/file-operations.ts';
import { codeOf, ifMissing, systemError } from '../../lib/system-error.ts';
import { directoryMetaName, toObjectName } from '../../naming/object-name.ts';
import { CacheFiles } from './files.ts';
import { checkOutsideMount, prepareCacheDirectory, readKeyId } from './format.ts';
import { type WalkReport, type WalkVisitor, walkBelow, walkCache, walkRoot, walkRootFiles } from './walk.ts';

export interface CacheOptions {
  mountPoint: string;
  /** The current key's id, 16 hex digits. */
  keyId: string;
  /** Ids of previous keys; a cache that names one of them is taken over to `keyId`. */
  acceptedKeyIds?: readonly string[];
}

const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW;

/** What the cache has of a session, as paths of the mount. */
export interface CachedContent {
  files: string[];
  /** Parents first; without the session's own. */
  directories: string[];
}

export class Cache {
  readonly path: string;
  readonly journalDirectory: string;
  /** The single steps, for the checkpointer. */
  readonly files: CacheFiles;

  /** A cache that `open` has prepared, perhaps on another thread; touches nothing. */
  constructor(cachePath: string, operations: FileOperations = fileOperations) {
    this.path = cachePath;
    this.journalDirectory = join(cachePath, 'journal');
    this.files = new CacheFiles(cachePath, operations);
  }

  /**
   * Makes and checks the directory. Throws CACHE_ON_MOUNT, CACHE_NOT_WRITABLE, CACHE_FORMAT (another version, or neither a
   * cache nor empty), KEY_WRONG (sealed with a key that is not among those given).
   */
  static open(cachePath: string, { mountPoint, keyId, acceptedKeyIds = [] }: CacheOptions): Cache {
    checkOutsideMount(cachePath, mountPoint);
    prepareCacheDirectory(cachePath, keyId, acceptedKeyIds);
    return new Cache(cachePath);
  }

  /** The id of the key that the cache was last used with; undefined: there is no cache yet. Throws CACHE_FORMAT. */
  static readKeyId(cachePath: string): string | undefined {
    return readKeyId(cachePath);
  }

  /** Removes what an interrupted process left in tmp/. The cache lock must be held. */
  removeLeftoversSync(): void {
    const directory = join(this.path, 'tmp');
    for (const name of fs.readdirSync(directory))
      fs.rmSync(join(directory, name), { recursive: true, force: true });
  }

  /** The sealed file. Throws system errors; ENOENT: the cache has none. */
  readSync(path: string): Buffer {
    return this.#readSync(toObjectName(path, 'file'));
  }

  /** The sealed attributes of a directory; undefined: it has none of its own. */
  readDirectoryMetaSync(path: string): Buffer | undefined {
    const name = directoryMetaName(path);
    // Most have none, and an error costs more than a look.
    if (fs.lstatSync(this.files.locate(name), { throwIfNoEntry: false }) === undefined) return undefined;
    try {
      return this.#readSync(name);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** How many links the directory has; undefined: the cache has no such directory. On some disks it is always 1. */
  linksSync(path: string): number | undefined {
    const directory = this.files.locate(toObjectName(path, 'directory'));
    return fs.lstatSync(directory, { throwIfNoEntry: false })?.nlink;
  }

  /** Fills `out` with the first bytes of the sealed file, as many as there are, and returns the file's size. */
  readHeaderSync(path: string, out: Buffer): number {
    const fd = fs.openSync(this.files.locate(toObjectName(path, 'file')), READ_FLAGS);
    try {
      const { size } = fs.fstatSync(fd);
      const wanted = Math.min(size, out.length);
      if (fs.readSync(fd, out, 0, wanted, 0) < wanted)
        throw systemError('EIO', 'read', 'the file became shorter');
      return size;
    } finally {
      fs.closeSync(fd);
    }
  }

  /** Visits every file and directory of the mount that the cache holds, parents first; the root is not visited. */
  walkSync(visit: WalkVisitor): WalkReport {
    return walkCache(this.path, visit);
  }

  /** Visits what is in the root: of its directories only the names. */
  walkRootSync(visit: WalkVisitor): void {
    walkRoot(this.path, visit);
  }

  /** Visits what lies below a directory in the root, parents first. Throws system errors. */
  walkBelowSync(path: string, visit: WalkVisitor): void {
    walkBelow(this.path, path, visit);
  }

  /** Nothing where there is no such session; of '' the files in the root. Throws system errors. */
  contentOfSync(session: string): CachedContent {
    const content: CachedContent = { files: [], directories: [] };
    const visit: WalkVisitor = (path, kind) => {
      if (kind === 'file') content.files.push(path);
      else content.directories.push(path);
    };
    try {
      if (session === '') walkRootFiles(this.path, visit);
      else walkBelow(this.path, session, visit);
    } catch (error) {
      ifMissing(error);
    }
    return content;
  }

  async put(path: string, sealed: Uint8Array): Promise<void> {
    await this.#replace(toObjectName(path, 'file'), sealed);
  }

  async remove(path: string): Promise<void> {
    await this.#durably((touched) => this.files.removeFile(toObjectName(path, 'file'), touched));
  }

  /** `sealedMeta`: the directory's attributes; without them those it has stay. */
  async mkdir(path: string, sealedMeta?: Uint8Array): Promise<void> {
    const directory = this.files.locate(toObjectName(path, 'directory'));
    await this.#durably((touched) => this.files.ensureDirectory(directory, touched));
    if (sealedMeta) await this.#replace(directoryMetaName(path), sealedMeta);
  }

  /** What else lies in the directory keeps it in the cache, without attributes. */
  async rmdir(path: string): Promise<void> {
    await this.#durably((touched) => this.files.removeDirectory(path, touched));
  }

  #readSync(objectName: string): Buffer {
    const fd = fs.openSync(this.files.locate(objectName), READ_FLAGS);
    try {
      return fs.readFileSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  }

  async #replace(objectName: string, sealed: Uint8Array): Promise<void> {
    const staged = await this.files.stage(sealed);
    try {
      await this.files.settle(staged);
      await this.#durably((touched) => this.files.publish(staged, objectName, touched));
    } catch (error) {
      await this.files.discard(staged);
      throw error;
    }
  }

  async #durably(change: (touched: Set<string>) => Promise<unknown>): Promise<void> {
    const touched = new Set<string>();
    await change(touched);
    await this.files.syncDirectories(touched, 1);
  }
}
