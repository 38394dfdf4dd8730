/** In place of node:fs: the part of it that src/ uses, on the simulated disks. */
import { constants, type Dirent } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Descriptor, failure, type SimulatedDisk } from './disk.ts';
import type { Inode } from './inode.ts';
import { machine, ProcessDied } from './machine.ts';

export { constants };

type Path = string;

function on<T>(path: Path, effect: (disk: SimulatedDisk) => T): T {
  const disk = machine().disk(path);
  return disk.operation(() => effect(disk));
}

function onOpen<T>(fd: number, effect: (disk: SimulatedDisk, descriptor: Descriptor) => T): T {
  const disk = [...machine().disks.values()].find((each) => each.has(fd));
  if (disk === undefined) throw failure('EBADF', 'fd', String(fd));
  return disk.operation(() => effect(disk, disk.descriptor(fd)));
}

const FLAGS: Record<string, number> = {
  r: constants.O_RDONLY,
  'r+': constants.O_RDWR,
  w: constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC,
  wx: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
  a: constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND,
  'a+': constants.O_RDWR | constants.O_CREAT | constants.O_APPEND,
};

export function openSync(path: Path, flags: number | string = 'r', mode = 0o666): number {
  const bits = typeof flags === 'number' ? flags : FLAGS[flags];
  if (bits === undefined) throw new Error(`open with ${flags} is not simulated`);
  return on(path, (disk) => disk.open(path, bits, mode));
}

export function closeSync(fd: number): void {
  onOpen(fd, (disk) => disk.close(fd));
}

export function readSync(
  fd: number,
  out: Uint8Array,
  offset = 0,
  length = out.length - offset,
  position: number | null = null,
): number {
  return onOpen(fd, (disk) => disk.read(fd, out, offset, length, position));
}

export function writeSync(
  fd: number,
  data: Uint8Array | string,
  offset: number | null = 0,
  length?: number | string,
  position?: number | null,
): number {
  if (typeof data === 'string')
    return onOpen(fd, (disk) => disk.write(fd, Buffer.from(data), offset || undefined, true));
  const from = offset ?? 0;
  const bytes = data.subarray(from, from + (typeof length === 'number' ? length : data.length - from));
  return onOpen(fd, (disk) => disk.write(fd, bytes, position ?? undefined, true));
}

/** As one write: no process dies between its buffers. */
export function writevSync(fd: number, buffers: readonly Uint8Array[], position?: number | null): number {
  return onOpen(fd, (disk) => disk.write(fd, Buffer.concat(buffers), position ?? undefined, true));
}

export function ftruncateSync(fd: number, size = 0): void {
  onOpen(fd, (disk) => disk.truncate(fd, size));
}

export function fsyncSync(fd: number): void {
  onOpen(fd, (disk) => disk.sync(fd));
}

export function fdatasyncSync(fd: number): void {
  fsyncSync(fd);
}

export function linkSync(existing: Path, path: Path): void {
  on(path, (disk) => disk.link(existing, path));
}

export function unlinkSync(path: Path): void {
  on(path, (disk) => disk.unlink(path));
}

export function renameSync(from: Path, to: Path): void {
  on(to, (disk) => disk.rename(from, to));
}

export function rmdirSync(path: Path): void {
  on(path, (disk) => disk.rmdir(path));
}

type MakeOptions = number | { recursive?: boolean; mode?: number } | undefined;

export function mkdirSync(path: Path, options?: MakeOptions): void {
  const { recursive = false, mode = 0o777 } =
    typeof options === 'number' ? { mode: options } : (options ?? {});
  if (recursive && path !== machine().disk(path).root && !existsSync(dirname(path)))
    mkdirSync(dirname(path), options);
  try {
    on(path, (disk) => disk.mkdir(path, mode));
  } catch (error) {
    if (!recursive || (error as NodeJS.ErrnoException).code !== 'EEXIST' || !statSync(path).isDirectory())
      throw error;
  }
}

export function rmSync(path: Path, { recursive = false, force = false } = {}): void {
  const inode = machine().disk(path).resolve(path);
  if (inode === undefined) {
    if (!force) throw failure('ENOENT', 'rm', path);
  } else if (inode.kind === 'file') {
    unlinkSync(path);
  } else {
    if (!recursive) throw failure('EISDIR', 'rm', path);
    for (const name of [...inode.entries.keys()]) rmSync(join(path, name), { recursive, force });
    rmdirSync(path);
  }
}

export function existsSync(path: Path): boolean {
  try {
    return machine().disk(path).resolve(path) !== undefined;
  } catch {
    return false;
  }
}

function statOf(inode: Inode) {
  const isFile = inode.kind === 'file';
  const { mtimeMs } = inode;
  return {
    ino: inode.number,
    dev: 1,
    size: isFile ? inode.size : 4096,
    mode: (isFile ? 0o100000 : 0o040000) | inode.mode,
    nlink: isFile ? inode.names : 2,
    uid: 1000,
    gid: 1000,
    mtimeMs,
    ctimeMs: mtimeMs,
    mtime: new Date(mtimeMs),
    blocks: isFile ? Math.ceil(inode.size / 512) : 8,
    isFile: () => isFile,
    isDirectory: () => !isFile,
    isSymbolicLink: () => false,
  };
}

export type Stats = ReturnType<typeof statOf>;

export function statSync(path: Path, options?: { throwIfNoEntry?: boolean }): Stats {
  if (options?.throwIfNoEntry === false && !existsSync(path)) return undefined as unknown as Stats;
  return on(path, (disk) => statOf(disk.required(path, 'stat')));
}

export function lstatSync(path: Path, options?: { throwIfNoEntry?: boolean }): Stats {
  return statSync(path, options);
}

export function fstatSync(fd: number): Stats {
  return onOpen(fd, (_, { inode }) => statOf(inode));
}

export function chmodSync(path: Path, mode: number): void {
  on(path, (disk) => {
    disk.required(path, 'chmod').mode = mode;
  });
}

export function accessSync(path: Path): void {
  statSync(path);
}

export function readlinkSync(path: Path): string {
  throw failure('EINVAL', 'readlink', path);
}

export function statfsSync(path: Path) {
  const { capacity, used } = machine().disk(path);
  const blocks = Number.isFinite(capacity) ? Math.floor(capacity / 4096) : 1 << 20;
  const free = Math.max(0, blocks - Math.ceil(used / 4096));
  return { type: 0xef53, bsize: 4096, blocks, bfree: free, bavail: free, files: 1 << 20, ffree: 1 << 19 };
}

export function readFileSync(path: Path | number, options?: string | { encoding?: string }): Buffer | string {
  const fd = typeof path === 'number' ? path : openSync(path);
  try {
    const bytes = Buffer.alloc(fstatSync(fd).size);
    readSync(fd, bytes, 0, bytes.length, typeof path === 'number' ? null : 0);
    const encoding = typeof options === 'string' ? options : options?.encoding;
    return encoding === undefined ? bytes : bytes.toString(encoding as BufferEncoding);
  } finally {
    if (typeof path !== 'number') closeSync(fd);
  }
}

type WriteOptions = string | { mode?: number; flag?: string } | undefined;

export function writeFileSync(path: Path | number, data: string | Uint8Array, options?: WriteOptions): void {
  const { mode = 0o666, flag = 'w' } = typeof options === 'object' ? options : {};
  const fd = typeof path === 'number' ? path : openSync(path, flag, mode);
  try {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
  } finally {
    if (typeof path !== 'number') closeSync(fd);
  }
}

export function appendFileSync(path: Path, data: string | Uint8Array, options?: { mode?: number }): void {
  writeFileSync(path, data, { ...options, flag: 'a' });
}

function direntOf(directory: string, name: string, inode: Inode): Dirent {
  const isFile = inode.kind === 'file';
  return {
    name,
    parentPath: directory,
    path: directory,
    isFile: () => isFile,
    isDirectory: () => !isFile,
    isSymbolicLink: () => false,
  } as unknown as Dirent;
}

export function readdirSync(path: Path, options?: { withFileTypes?: boolean } | string): (string | Dirent)[] {
  const { entries } = on(path, (disk) => disk.directory(path, 'scandir'));
  if (typeof options !== 'object' || options.withFileTypes !== true) return [...entries.keys()];
  return [...entries].map(([name, inode]) => direntOf(path, name, inode));
}

/** An operation of libuv's threads: it happens some time after it was asked for. */
export function later<T>(effect: () => T): Promise<T> {
  const world = machine();
  return new Promise((resolve, reject) => {
    world.schedule(latencyMs(), () => {
      try {
        resolve(effect());
      } catch (error) {
        // The process that waits for it is no more.
        if (!(error instanceof ProcessDied)) reject(error);
      }
    });
  });
}

/** Mostly a fraction of a millisecond, and now and then a stall. */
function latencyMs(): number {
  const { chance } = machine();
  const kind = chance.below(100);
  if (kind < 80) return 0.02 + chance.below(100) / 500;
  return kind < 99 ? 1 + chance.below(10) : 20 + chance.below(200);
}

type Callback<T> = (error: unknown, value?: T) => void;

function callback<A extends unknown[], T>(work: (...args: A) => T) {
  return (...args: [...A, Callback<T>]): void => {
    const done = args.pop() as unknown as Callback<T>;
    later(() => work(...(args as unknown as A))).then((value) => done(null, value), done);
  };
}

export const open = callback(openSync);
export const close = callback(closeSync);
export const fsync = callback(fsyncSync);
export const fdatasync = callback(fdatasyncSync);
export const ftruncate = callback(ftruncateSync);
export const rename = callback(renameSync);
export const link = callback(linkSync);
export const unlink = callback(unlinkSync);
export const mkdir = callback(mkdirSync);
export const rmdir = callback(rmdirSync);
export const write = Object.assign(callback(writeSync), {
  [promisify.custom]: (fd: number, bytes: Uint8Array, offset?: number, length?: number, position?: number) =>
    later(() => ({ bytesWritten: writeSync(fd, bytes, offset, length, position), buffer: bytes })),
});
export const read = Object.assign(callback(readSync), {
  [promisify.custom]: (fd: number, bytes: Uint8Array, offset?: number, length?: number, position?: number) =>
    later(() => ({ bytesRead: readSync(fd, bytes, offset, length, position), buffer: bytes })),
});

export function realpathSync(path: Path): string {
  on(path, (disk) => disk.required(path, 'realpath'));
  return path;
}
