/**
 * A disk in memory: what node:fs does, one operation at a time, with what goes wrong on disks. Its root is one name at the top,
 * such as /disk0.
 */
import { constants } from 'node:fs';
import { basename, dirname } from 'node:path';
import { systemError } from '../../../src/lib/system-error.ts';
import { DirectoryInode, FileInode, type Inode } from './inode.ts';
import { type Machine, type Process, ProcessDied } from './machine.ts';
import { Names } from './names.ts';

const BLOCK_BYTES = 4096;

export interface Descriptor {
  inode: Inode;
  path: string;
  position: number;
  append: boolean;
  owner: Process | undefined;
  /** Failed syncs of the file that it was told, or that were before it. */
  failuresTold: number;
}

/** Odds of what goes wrong: one in so many operations; 0: never. */
export interface DiskFaults {
  readEio: number;
  writeEio: number;
  syncEio: number;
  /** A write of the kernel thread that takes a part only. */
  shortWrite: number;
}

export class SimulatedDisk {
  readonly root: string;
  readonly faults: DiskFaults = { readEio: 0, writeEio: 0, syncEio: 0, shortWrite: 0 };
  /** Bytes; more is ENOSPC. */
  capacity = Number.POSITIVE_INFINITY;
  used = 0;
  /** Errors that were injected, ENOSPC included: a caller that fails may say so. */
  injected = 0;
  operations = 0;
  /** When a sync failed last. */
  syncFailedMs = Number.NEGATIVE_INFINITY;
  readonly #machine: Machine;
  readonly #names = new Names();
  #top = new DirectoryInode(1, 0o755);
  #nextInode = 2;
  readonly #open = new Map<number, Descriptor>();

  constructor(machine: Machine, root: string) {
    this.#machine = machine;
    this.root = root;
    this.#names.note({ do: 'add', path: root, inode: this.#top });
    this.#names.syncAll();
    machine.disks.set(root, this);
  }

  /** Of one operation: its process may die in it. `effect` happens, or does not, when it dies. */
  operation<T>(effect: () => T): T {
    this.operations++;
    const { current } = this.#machine;
    if (current === undefined) return effect();
    if (current.dead) throw new ProcessDied(current.name);
    if (--current.operationsLeft >= 0) return effect();
    const happens = this.#machine.once(2);
    try {
      if (happens) effect();
    } finally {
      this.#machine.trace.add(`  ${current.name} dies in an operation of the disk`);
      this.kill(current);
    }
    throw new ProcessDied(current.name);
  }

  /** Closes what a process had open. */
  kill(process: Process): void {
    process.dead = true;
    for (const [fd, { owner }] of this.#open) if (owner === process) this.close(fd);
  }

  resolve(path: string): Inode | undefined {
    if (path === this.root) return this.#top;
    let at: Inode | undefined = this.#top;
    for (const name of path.slice(this.root.length + 1).split('/')) {
      if (at?.kind !== 'directory') {
        if (at !== undefined) throw failure('ENOTDIR', 'open', path);
        return undefined;
      }
      at = at.entries.get(name);
    }
    return at;
  }

  required(path: string, call: string): Inode {
    const inode = this.resolve(path);
    if (inode === undefined) throw failure('ENOENT', call, path);
    return inode;
  }

  directory(path: string, call: string): DirectoryInode {
    const inode = this.required(path, call);
    if (inode.kind !== 'directory') throw failure('ENOTDIR', call, path);
    return inode;
  }

  open(path: string, flags: number, mode: number): number {
    const isNew = this.resolve(path) === undefined && (flags & constants.O_CREAT) !== 0;
    if (isNew) this.#add(path, new FileInode(this.#nextInode++, mode), 'open');
    const inode = this.required(path, 'open');
    if (!isNew && (flags & constants.O_CREAT) !== 0 && (flags & constants.O_EXCL) !== 0)
      throw failure('EEXIST', 'open', path);
    if (inode.kind === 'file' && (flags & constants.O_DIRECTORY) !== 0)
      throw failure('ENOTDIR', 'open', path);
    if (inode.kind === 'directory' && (flags & 3) !== 0) throw failure('EISDIR', 'open', path);
    if (inode.kind === 'file' && (flags & constants.O_TRUNC) !== 0) this.#resize(inode, 0);
    inode.opened++;
    const append = (flags & constants.O_APPEND) !== 0;
    const fd = this.#machine.nextDescriptor++;
    const failuresTold = inode.kind === 'file' ? inode.failures : 0;
    const owner = this.#machine.current;
    this.#open.set(fd, { inode, path, position: 0, append, owner, failuresTold });
    return fd;
  }

  descriptor(fd: number): Descriptor {
    const open = this.#open.get(fd);
    if (open === undefined) throw failure('EBADF', 'fd', String(fd));
    return open;
  }

  has(fd: number): boolean {
    return this.#open.has(fd);
  }

  close(fd: number): void {
    const { inode } = this.descriptor(fd);
    this.#open.delete(fd);
    inode.opened--;
    if (inode.kind === 'file') this.#release(inode);
  }

  file(fd: number): FileInode {
    const { inode, path } = this.descriptor(fd);
    if (inode.kind !== 'file') throw failure('EISDIR', 'read', path);
    return inode;
  }

  /** Returns how many bytes it took: fewer than asked where a fault says so, or the disk gets full on the way. */
  write(fd: number, bytes: Uint8Array, position: number | undefined, mayBeShort: boolean): number {
    const descriptor = this.descriptor(fd);
    const inode = this.file(fd);
    this.#inject('writeEio', 'write', descriptor.path);
    const at = descriptor.append ? inode.size : (position ?? descriptor.position);
    let length = bytes.length;
    if (mayBeShort && length > 1 && this.#happens('shortWrite'))
      length = 1 + this.#machine.chance.below(length - 1);
    const room = this.#room(inode, at);
    if (length > room) {
      this.injected++;
      if (room <= 0 || !mayBeShort) throw failure('ENOSPC', 'write', descriptor.path);
      length = room;
    }
    this.used -= blocks(inode.size);
    inode.write(at, bytes.subarray(0, length));
    this.used += blocks(inode.size);
    inode.mtimeMs = this.#machine.wallMs;
    if (position === undefined) descriptor.position = at + length;
    return length;
  }

  read(fd: number, out: Uint8Array, offset: number, length: number, position: number | null): number {
    const descriptor = this.descriptor(fd);
    const inode = this.file(fd);
    this.#inject('readEio', 'read', descriptor.path);
    const at = position ?? descriptor.position;
    const got = Math.max(0, Math.min(length, inode.size - at));
    out.set(inode.view.subarray(at, at + got), offset);
    if (position === null) descriptor.position = at + got;
    return got;
  }

  truncate(fd: number, size: number): void {
    const inode = this.file(fd);
    this.#inject('writeEio', 'ftruncate', this.descriptor(fd).path);
    this.#resize(inode, size);
  }

  sync(fd: number): void {
    const descriptor = this.descriptor(fd);
    const { inode, path } = descriptor;
    if (inode.kind === 'directory') {
      this.#inject('syncEio', 'fsync', path);
      this.#names.sync(path);
      return;
    }
    if (this.#happens('syncEio')) inode.failSync();
    if (descriptor.failuresTold < inode.failures) {
      descriptor.failuresTold = inode.failures;
      this.syncFailedMs = this.#machine.nowMs;
      this.injected++;
      this.#machine.trace.add(`  the disk fails fsync ${path}`);
      throw failure('EIO', 'fsync', path);
    }
    inode.sync();
  }

  rename(from: string, to: string): void {
    const inode = this.required(from, 'rename');
    if (inode.kind === 'directory') throw new Error(`renaming directories is not simulated: ${from}`);
    const target = this.directory(dirname(to), 'rename').entries.get(basename(to));
    if (target === inode) return;
    if (target?.kind === 'directory') throw failure('EISDIR', 'rename', to);
    this.directory(dirname(from), 'rename').entries.delete(basename(from));
    this.directory(dirname(to), 'rename').entries.set(basename(to), inode);
    this.#names.note({ do: 'rename', from, path: to, inode });
    if (target !== undefined) this.#unname(target);
  }

  link(existing: string, to: string): void {
    const inode = this.required(existing, 'link');
    if (inode.kind !== 'file') throw failure('EPERM', 'link', existing);
    if (this.resolve(to) !== undefined) throw failure('EEXIST', 'link', to);
    this.#add(to, inode, 'link');
  }

  unlink(path: string): void {
    const inode = this.required(path, 'unlink');
    if (inode.kind === 'directory') throw failure('EISDIR', 'unlink', path);
    this.directory(dirname(path), 'unlink').entries.delete(basename(path));
    this.#names.note({ do: 'remove', path });
    this.#unname(inode);
  }

  mkdir(path: string, mode: number): void {
    if (this.resolve(path) !== undefined) throw failure('EEXIST', 'mkdir', path);
    this.#add(path, new DirectoryInode(this.#nextInode++, mode), 'mkdir');
  }

  rmdir(path: string): void {
    const inode = this.directory(path, 'rmdir');
    if (inode.entries.size > 0) throw failure('ENOTEMPTY', 'rmdir', path);
    this.directory(dirname(path), 'rmdir').entries.delete(basename(path));
    this.#names.note({ do: 'remove', path });
  }

  /** What the system writes back by itself, sooner or later. */
  writeBack(): void {
    this.#names.syncAll();
    this.#each((inode) => inode.kind === 'file' && inode.sync());
  }

  /** syncfs(2): all that was written, names too. Of a file that cannot be brought to the disk it tells. */
  syncAll(): void {
    this.#inject('syncEio', 'syncfs', this.root);
    this.writeBack();
  }

  /** The power goes, and comes back: of what was not synced, some is there. */
  cutPower(): void {
    const { chance } = this.#machine;
    const names = this.#names.cut(chance);
    this.#open.clear();
    this.#top = new DirectoryInode(1, 0o755);
    this.used = 0;
    const seen = new Set<Inode>();
    for (const [path, inode] of [...names].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (path === this.root) continue;
      if (!seen.has(inode) && inode.kind === 'file') {
        inode.cut(chance);
        inode.names = 0;
        this.used += blocks(inode.size);
      } else if (inode.kind === 'directory') {
        inode.entries.clear();
      }
      seen.add(inode);
      if (inode.kind === 'file') inode.names++;
      this.directory(dirname(path), 'mount').entries.set(basename(path), inode);
    }
    names.set(this.root, this.#top);
  }

  #each(visit: (inode: Inode) => void, directory: DirectoryInode = this.#top): void {
    for (const inode of directory.entries.values()) {
      visit(inode);
      if (inode.kind === 'directory') this.#each(visit, inode);
    }
  }

  #add(path: string, inode: Inode, call: string): void {
    const parent = this.directory(dirname(path), call);
    if (this.used + BLOCK_BYTES > this.capacity) {
      this.injected++;
      throw failure('ENOSPC', call, path);
    }
    parent.entries.set(basename(path), inode);
    if (inode.kind === 'file') inode.names++;
    this.#names.note({ do: 'add', path, inode });
  }

  #unname(inode: Inode): void {
    if (inode.kind !== 'file') return;
    inode.names--;
    this.#release(inode);
  }

  #release(inode: FileInode): void {
    if (inode.names === 0 && inode.opened === 0) this.used -= blocks(inode.size);
  }

  #resize(inode: FileInode, size: number): void {
    this.used -= blocks(inode.size);
    inode.truncate(size);
    this.used += blocks(inode.size);
    inode.mtimeMs = this.#machine.wallMs;
  }

  /** How many bytes fit from `at` on. */
  #room(inode: FileInode, at: number): number {
    const free = Math.max(0, this.capacity - this.used);
    return blocks(inode.size) - at + free;
  }

  #happens(fault: keyof DiskFaults): boolean {
    const odds = this.faults[fault];
    return odds > 0 && this.#machine.once(odds);
  }

  #inject(fault: keyof DiskFaults, call: string, path: string): void {
    if (!this.#happens(fault)) return;
    this.injected++;
    this.#machine.trace.add(`  the disk fails ${call} ${path}`);
    throw failure('EIO', call, path);
  }
}

function blocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

export function failure(code: string, call: string, path: string): NodeJS.ErrnoException {
  return systemError(code, call, path);
}
