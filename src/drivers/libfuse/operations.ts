/**
 * libfuse's calls, carried out by the filesystem core. Each returns what the core does: a count, a negative errno, PARKED (it will
 * be repeated whole) or AWAIT_SYNC. libfuse does not say who the caller is: what is made here belongs to the mount's owner.
 */

import { constants } from 'node:fs';
import {
  type AttributeChange,
  type Attributes,
  type Caller,
  emptyAttributes,
  emptyStatistics,
  type FileSystemOperations,
  type FilesystemStatistics,
  type Status,
} from '../../fs/contract.ts';
import { isGatedName } from '../../fs/model/json-gate.ts';
import type { Owner } from '../../fs/model/options.ts';
import { Errno } from '../../lib/errno.ts';
import { S_IFDIR, S_IFMT, S_IFREG } from '../../lib/file-type.ts';
import { AWAIT_SYNC, LOOK_AGAIN } from '../host/outcome.ts';
import { NodeReferences, OpenFiles } from './handles.ts';
import { LibfusePaths } from './paths.ts';
import { newStat, newStatistics, putStat, putStatistics, timeOf, typeOnly } from './stat.ts';

const PERMISSION_BITS = 0o7777;
/** "Leave it as it is", to chown. */
const NO_ID = 0xffff_ffff;
const CONTROL_FOLDER = '/.sessionfs/';
/** Files that their databases map shared and writable: the index of SQLite's write-ahead log, and what LevelDB begins with. */
const MAPPED_BY_DATABASES = /-shm$|\/MANIFEST-\d+$/;

export class LibfuseOperations {
  /** What the last getattr, statfs, readlink and readdir answered. */
  readonly stat = newStat();
  readonly statistics = newStatistics();
  target = '';
  names: string[] = [];
  stats: Uint32Array[] = [];
  readonly paths: LibfusePaths;
  readonly #fs: FileSystemOperations;
  readonly #references: NodeReferences;
  readonly #files: OpenFiles;
  readonly #caller: Caller;
  readonly #attributes: Attributes = emptyAttributes();
  readonly #freeSpace: FilesystemStatistics = emptyStatistics();
  readonly #cannotMap: (path: string) => void;
  #hasSaidSo = false;

  /** `cannotMap`: called once, with the first file that an application will map as this driver cannot. */
  constructor(fs: FileSystemOperations, owner: Owner, cannotMap: (path: string) => void) {
    this.#cannotMap = cannotMap;
    this.#fs = fs;
    this.#references = new NodeReferences(fs);
    this.#files = new OpenFiles(this.#references);
    this.paths = new LibfusePaths(fs, this.#references, this.#files);
    this.#caller = { ...owner, pid: 0 };
  }

  getattr(path: string): number {
    return this.#with(this.paths.resolveOwn(path), (node) => this.#getattr(node, path));
  }

  fgetattr(path: string, handle: number): number {
    const file = this.#files.get(handle);
    return file === undefined ? this.getattr(path) : this.#getattr(file.node, path);
  }

  /** Returns 0; `opened` is the handle then. */
  open(path: string, flags: number): number {
    const node = this.paths.resolve(path);
    if (node >= 0) return this.#opened(node, path, flags);
    const forWriting = (flags & (constants.O_WRONLY | constants.O_RDWR)) !== 0;
    // The kernel may still believe in a name that was made and never finished: an open() for writing begins it anew.
    return node === Errno.ENOENT && forWriting && isGatedName(path) ? this.create(path, 0o600, flags) : node;
  }

  opened = 0;

  create(path: string, mode: number, flags = 0): number {
    const { entry } = this.paths;
    const status = this.#in(path, (parent, name) =>
      this.#fs.mknod(parent, name, S_IFREG | (mode & PERMISSION_BITS), this.#caller, entry),
    );
    if (status === Errno.EEXIST) return LOOK_AGAIN;
    return status === 0 ? this.#opened(this.#references.adopt(entry.nodeId), path, flags) : status;
  }

  #opened(node: number, path: string, flags: number): 0 {
    const append = (flags & constants.O_APPEND) !== 0;
    if (!this.#hasSaidSo && MAPPED_BY_DATABASES.test(path)) {
      this.#hasSaidSo = true;
      this.#cannotMap(path);
    }
    this.opened = this.#files.add({ node, path, append });
    return 0;
  }

  release(_path: string, handle: number): number {
    this.#files.remove(handle);
    return 0;
  }

  read(path: string, handle: number, buffer: Buffer, offset: number): number {
    const file = this.#files.get(handle);
    if (file !== undefined) return file.reads.read(this.#fs, file.node, offset, buffer);
    return this.#with(this.paths.resolve(path), (node) =>
      this.#fs.read(node, offset, buffer.length, buffer, 0),
    );
  }

  write(path: string, handle: number, data: Buffer, offset: number): number {
    const append = this.#files.get(handle)?.append ?? false;
    return this.#withFile(path, handle, (node) => this.#fs.write(node, offset, data, append));
  }

  fsync(path: string, handle: number): number {
    const status = this.#withFile(path, handle, (node) => this.#fs.fsync(node));
    return status === 0 ? AWAIT_SYNC : status;
  }

  fsyncdir(path: string): number {
    return this.fsync(path, 0);
  }

  truncate(path: string, size: number): number {
    return this.#change(path, { size });
  }

  ftruncate(path: string, handle: number, size: number): number {
    return this.#withFile(path, handle, (node) => this.#fs.setattr(node, { size }, this.#attributes));
  }

  chmod(path: string, mode: number): number {
    return this.#change(path, { mode: mode & PERMISSION_BITS });
  }

  chown(path: string, uid: number, gid: number): number {
    return this.#change(path, { ...(uid === NO_ID ? {} : { uid }), ...(gid === NO_ID ? {} : { gid }) });
  }

  utimens(path: string, atimeMs: number, mtimeMs: number): number {
    return this.#change(path, { atime: timeOf(atimeMs), mtime: timeOf(mtimeMs) });
  }

  readdir(path: string): number {
    this.names = [];
    this.stats = [];
    return this.#with(this.paths.resolve(path), (node) => {
      this.names = ['.', '..'];
      this.stats = this.names.map(() => typeOnly(S_IFDIR, 0));
      return this.#fs.readdir(node, 0, ({ name, type, ino }) => {
        this.names.push(name);
        this.stats.push(typeOnly(type, ino));
        return true;
      });
    });
  }

  readlink(path: string): number {
    return this.#with(this.paths.resolve(path), (node) => {
      const target = this.#fs.readlink(node);
      if (typeof target === 'number') return target;
      this.target = target;
      return 0;
    });
  }

  mknod(path: string, mode: number): number {
    return this.#make(path, (parent, name) =>
      this.#fs.mknod(parent, name, mode & (S_IFMT | PERMISSION_BITS), this.#caller, this.paths.entry),
    );
  }

  mkdir(path: string, mode: number): number {
    return this.#make(path, (parent, name) =>
      this.#fs.mkdir(parent, name, S_IFDIR | (mode & PERMISSION_BITS), this.#caller, this.paths.entry),
    );
  }

  symlink(target: string, path: string): number {
    if (target === '') return Errno.ENOENT;
    if (target.includes('\ufffd')) return Errno.EILSEQ;
    return this.#make(path, (parent, name) =>
      this.#fs.symlink(parent, name, target, this.#caller, this.paths.entry),
    );
  }

  unlink(path: string): number {
    return this.#in(path, (parent, name) => (this.paths.unhide(name) ? 0 : this.#fs.unlink(parent, name)));
  }

  rmdir(path: string): number {
    return this.#in(path, (parent, name) => this.#fs.rmdir(parent, name));
  }

  rename(from: string, to: string): number {
    const status = this.#in(from, (parent, name) =>
      this.#in(to, (newParent, newName) => this.#fs.rename(parent, name, newParent, newName, 0)),
    );
    if (status === 0) this.#files.renamed(from, to);
    return status;
  }

  /** Only of such a file libfuse makes a hidden one; another one is renamed by an application. */
  isOpen(path: string): boolean {
    return this.#with(this.paths.resolveOwn(path), (node) => (this.#files.hasNode(node) ? 1 : 0)) === 1;
  }

  /**
   * libfuse renames an open file whose name is to go, so that it can go on asking for it. What it does next says whether the
   * name is removed or replaced: until then nothing changes.
   */
  hide(path: string, hiddenName: string): number {
    const node = this.paths.resolveOwn(path);
    if (node < 0) return node;
    this.paths.hide(hiddenName, node);
    return 0;
  }

  /** Hard links: one file is one object in the bucket. */
  link(): number {
    return Errno.EPERM;
  }

  statfs(): number {
    const status = this.#fs.statfs(this.#freeSpace);
    if (status === 0) putStatistics(this.statistics, this.#freeSpace);
    return status;
  }

  /** The kernel keeps a size for a second, and these files have another one each time: 0 makes readers read to the end. */
  #getattr(node: number, path: string): number {
    const status = this.#fs.getattr(node, this.#attributes);
    if (status !== 0) return status;
    if (path.startsWith(CONTROL_FOLDER)) putStat(this.stat, this.#attributes, 0);
    else putStat(this.stat, this.#attributes);
    return 0;
  }

  #change(path: string, change: AttributeChange): number {
    return this.#with(this.paths.resolveOwn(path), (node) =>
      this.#fs.setattr(node, change, this.#attributes),
    );
  }

  #make(path: string, make: (parent: number, name: string) => Status): number {
    const status = this.#in(path, make);
    if (status === 0) this.#references.release(this.#references.adopt(this.paths.entry.nodeId));
    return status;
  }

  #in(path: string, run: (parent: number, name: string) => number): number {
    const place = this.paths.place(path);
    if (typeof place === 'number') return place;
    return this.#with(place.parent, () => run(place.parent, place.name));
  }

  /** `node`: held, and released here; or why there is none. */
  #with(node: number, run: (node: number) => number): number {
    if (node < 0) return node;
    try {
      return run(node);
    } finally {
      this.#references.release(node);
    }
  }

  #withFile(path: string, handle: number, run: (node: number) => number): number {
    const file = this.#files.get(handle);
    return file === undefined ? this.#with(this.paths.resolve(path), run) : run(file.node);
  }
}
