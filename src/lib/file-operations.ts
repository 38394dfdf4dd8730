/**
 * How journal and cache change the disk once they are open: everything whose order matters after a power cut goes through
 * one of these two interfaces, so that a test can record, fail or cut it. Reads, and what the start prepares under the
 * cache lock, go to node:fs directly.
 */
import fs, { constants } from 'node:fs';
import { promisify } from 'node:util';
import { BulkFiles } from './bulk-files.ts';
import { cgroupLimits } from './cgroup-limits.ts';
import { syncFilesystem } from './filesystem-sync.ts';
import { codeOf, systemError } from './system-error.ts';

const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY;

/** For the kernel thread, which never awaits. Failures are Node's system errors, with `code`. */
export interface SyncFileOperations {
  open(path: string, flags: number, mode: number): number;
  /** Writes at the descriptor's position (its end with O_APPEND); returns how many bytes, perhaps fewer than asked. */
  write(fd: number, bytes: Uint8Array, offset: number, length: number): number;
  ftruncate(fd: number, size: number): void;
  fdatasync(fd: number): void;
  fsync(fd: number): void;
  link(existing: string, path: string): void;
  unlink(path: string): void;
  mkdir(path: string, mode: number): void;
  close(fd: number): void;
}

/** For the main thread. Failures are Node's system errors, with `code`. */
export interface FileOperations {
  open(path: string, flags: number, mode: number): Promise<number>;
  /** Writes all of `bytes` at the descriptor's position. */
  write(fd: number, bytes: Uint8Array): Promise<void>;
  fdatasync(fd: number): Promise<void>;
  fsync(fd: number): Promise<void>;
  close(fd: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  link(existing: string, path: string): Promise<void>;
  unlink(path: string): Promise<void>;
  mkdir(path: string, mode: number): Promise<void>;
  rmdir(path: string): Promise<void>;
  /**
   * syncfs(2) on the filesystem of `path`: all that was written to it and closed before the call, names too, is on stable
   * storage when it resolves to true. False: it cannot be done here, or failed; then only an fsync of each file tells.
   */
  syncFilesystem(path: string): Promise<boolean>;
  /** What writes and renames many files at once, where there is a faster way than one by one. */
  bulk?(): BulkFiles | undefined;
}

export const syncFileOperations: SyncFileOperations = {
  open: fs.openSync,
  write: (fd, bytes, offset, length) => fs.writeSync(fd, bytes, offset, length),
  ftruncate: fs.ftruncateSync,
  fdatasync: fs.fdatasyncSync,
  fsync: fs.fsyncSync,
  link: fs.linkSync,
  unlink: fs.unlinkSync,
  mkdir: (path, mode) => void fs.mkdirSync(path, mode),
  close: fs.closeSync,
};

const writeSome = promisify(fs.write) as unknown as (
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
) => Promise<{ bytesWritten: number }>;

async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await writeSome(fd, bytes, at, bytes.length - at);
    if (bytesWritten <= 0) throw systemError('EIO', 'write', 'the device took no bytes');
    at += bytesWritten;
  }
}

const THREAD_MEMORY_BYTES = 256 * 1024 * 1024;
const THREAD_TASKS = 50;

let isRoomForThread: boolean | undefined;

/** Where a container's limits are tight, what there is belongs to the mount. They are read once. */
function roomForThread(): boolean {
  if (isRoomForThread === undefined) {
    const { memoryBytes, tasks } = cgroupLimits();
    isRoomForThread = memoryBytes >= THREAD_MEMORY_BYTES && tasks >= THREAD_TASKS;
  }
  return isRoomForThread;
}

export const fileOperations: FileOperations = {
  open: promisify(fs.open),
  write: writeAll,
  fdatasync: promisify(fs.fdatasync),
  fsync: promisify(fs.fsync),
  close: promisify(fs.close),
  rename: promisify(fs.rename),
  link: promisify(fs.link),
  unlink: promisify(fs.unlink),
  mkdir: promisify(fs.mkdir),
  rmdir: promisify(fs.rmdir),
  syncFilesystem,
  bulk: () => (roomForThread() ? new BulkFiles() : undefined),
};

/** The names in the directory are on stable storage when it resolves. Strict: a directory that cannot be synced is an error. */
export async function syncDirectoryThrough(files: FileOperations, path: string): Promise<void> {
  const fd = await files.open(path, DIRECTORY_FLAGS, 0);
  try {
    await files.fsync(fd);
  } finally {
    await files.close(fd);
  }
}

/** Waits for `work`, and takes a failure with one of `codes` for success: what was to be done is done already. */
export async function tolerate(work: Promise<unknown>, ...codes: string[]): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!codes.includes(codeOf(error) ?? '')) throw error;
  }
}
