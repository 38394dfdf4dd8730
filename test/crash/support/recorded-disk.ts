/**
 * The files of a cache, and a record of everything that was done to them: from any moment of it a power cut can be played.
 * The operations happen for real as well, one after another, so that a run is the same each time.
 */
import fs, { constants } from 'node:fs';
import { relative } from 'node:path';
import {
  type FileOperations,
  type SyncFileOperations,
  syncFileOperations,
} from '../../../src/lib/file-operations.ts';
import { systemError } from '../../../src/lib/system-error.ts';

/** Paths are relative to the cache directory; '' is that directory. */
export type Change =
  | { do: 'create'; path: string; file: number }
  | { do: 'write'; file: number; at: number; bytes: Buffer }
  | { do: 'truncate'; file: number; size: number }
  | { do: 'sync'; file: number }
  | { do: 'sync-all' }
  | { do: 'sync-directory' | 'mkdir' | 'rmdir' | 'unlink'; path: string }
  | { do: 'rename' | 'link'; from: string; path: string }
  /** Not of the disk: state number `state` was reached, or is promised to survive. */
  | { do: 'reached' | 'promised'; state: number };

interface Descriptor {
  file: number;
  /** undefined: a file. */
  directory: string | undefined;
  position: number;
  append: boolean;
}

export class RecordedDisk {
  readonly changes: Change[] = [];
  /** Called after each asynchronous operation: what the other thread does meanwhile. */
  between: () => void = () => {};
  /** From now on every asynchronous operation fails: its process is dying. */
  dead = false;
  #root = '';
  readonly #open = new Map<number, Descriptor>();
  readonly #files = new Map<string, number>();
  readonly #sizes: number[] = [];

  /** The cache directory, once it is known; it holds no files yet that matter. */
  set root(path: string) {
    this.#root = path;
  }

  readonly sync: SyncFileOperations = {
    open: (path, flags, mode) => this.#openFile(path, flags, mode),
    write: (fd, bytes, offset, length) => {
      this.#write(fd, bytes.subarray(offset, offset + length));
      return length;
    },
    ftruncate: (fd, size) => {
      syncFileOperations.ftruncate(fd, size);
      const { file } = this.#descriptor(fd);
      this.#sizes[file] = size;
      this.changes.push({ do: 'truncate', file, size });
    },
    fdatasync: (fd) => this.#sync(fd),
    fsync: (fd) => this.#sync(fd),
    link: (existing, to) => this.#link(existing, to),
    unlink: (path) => this.#unlink(path),
    mkdir: (path, mode) => this.#makeDirectory(path, mode),
    close: (fd) => this.#close(fd),
  };

  readonly async: FileOperations = {
    open: this.#later((path, flags, mode) => this.#openFile(path, flags, mode)),
    write: this.#later((fd, bytes) => this.#write(fd, bytes)),
    fdatasync: this.#later((fd) => this.#sync(fd)),
    fsync: this.#later((fd) => this.#sync(fd)),
    close: this.#later((fd) => this.#close(fd)),
    rename: this.#later((from, to) => {
      fs.renameSync(from, to);
      this.#files.set(this.#name(to), this.#fileAt(from));
      this.#files.delete(this.#name(from));
      this.changes.push({ do: 'rename', from: this.#name(from), path: this.#name(to) });
    }),
    link: this.#later((existing, to) => this.#link(existing, to)),
    unlink: this.#later((path) => this.#unlink(path)),
    mkdir: this.#later((path, mode) => this.#makeDirectory(path, mode)),
    rmdir: this.#later((path) => {
      fs.rmdirSync(path);
      this.changes.push({ do: 'rmdir', path: this.#name(path) });
    }),
    syncFilesystem: this.#later(() => {
      this.changes.push({ do: 'sync-all' });
      return true;
    }),
  };

  #later<A extends unknown[], T>(work: (...args: A) => T): (...args: A) => Promise<T> {
    return async (...args) => {
      if (this.dead) throw systemError('EIO', 'any', 'the process is dying');
      const result = work(...args);
      this.between();
      return result;
    };
  }

  #openFile(path: string, flags: number, mode: number): number {
    const isNew = (flags & constants.O_CREAT) !== 0 && !fs.existsSync(path);
    const fd = fs.openSync(path, flags, mode);
    const name = this.#name(path);
    if (isNew) {
      this.#files.set(name, this.#sizes.push(0) - 1);
      this.changes.push({ do: 'create', path: name, file: this.#fileAt(path) });
    }
    const directory = fs.fstatSync(fd).isDirectory() ? name : undefined;
    const file = directory === undefined ? this.#fileAt(path) : -1;
    if (!isNew && (flags & constants.O_TRUNC) !== 0) this.changes.push({ do: 'truncate', file, size: 0 });
    this.#open.set(fd, { file, directory, position: 0, append: (flags & constants.O_APPEND) !== 0 });
    return fd;
  }

  #write(fd: number, bytes: Uint8Array): void {
    const descriptor = this.#descriptor(fd);
    const { file, append, position } = descriptor;
    const at = append ? (this.#sizes[file] as number) : position;
    fs.writeSync(fd, bytes);
    descriptor.position = at + bytes.length;
    this.#sizes[file] = Math.max(this.#sizes[file] as number, descriptor.position);
    this.changes.push({ do: 'write', file, at, bytes: Buffer.from(bytes) });
  }

  #sync(fd: number): void {
    const { file, directory } = this.#descriptor(fd);
    if (directory === undefined) this.changes.push({ do: 'sync', file });
    else this.changes.push({ do: 'sync-directory', path: directory });
  }

  #link(existing: string, to: string): void {
    fs.linkSync(existing, to);
    this.#files.set(this.#name(to), this.#fileAt(existing));
    this.changes.push({ do: 'link', from: this.#name(existing), path: this.#name(to) });
  }

  #makeDirectory(path: string, mode: number): void {
    fs.mkdirSync(path, mode);
    this.changes.push({ do: 'mkdir', path: this.#name(path) });
  }

  #unlink(path: string): void {
    fs.unlinkSync(path);
    this.#files.delete(this.#name(path));
    this.changes.push({ do: 'unlink', path: this.#name(path) });
  }

  #close(fd: number): void {
    fs.closeSync(fd);
    this.#open.delete(fd);
  }

  #descriptor(fd: number): Descriptor {
    const known = this.#open.get(fd);
    if (known === undefined) throw new Error(`descriptor ${fd} is not open`);
    return known;
  }

  #name(path: string): string {
    return relative(this.#root, path);
  }

  #fileAt(path: string): number {
    const file = this.#files.get(this.#name(path));
    if (file === undefined) throw new Error(`${path} was never created`);
    return file;
  }
}
