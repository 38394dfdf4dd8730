/** The segment files that one process has open, by number. Only the newest is appended to. */
import fs, { constants } from 'node:fs';
import type { SyncFileOperations } from '../../lib/file-operations.ts';
import { systemError } from '../../lib/system-error.ts';
import { SegmentHeader, segmentHeader, segmentPath } from './format.ts';

const CREATE_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND;

export class JournalSegments {
  readonly #directory: string;
  readonly #files: SyncFileOperations;
  readonly #descriptors = new Map<number, number>();
  #closedUpTo = 0;

  constructor(directory: string, files: SyncFileOperations) {
    this.#directory = directory;
    this.#files = files;
  }

  /** A new file with nothing but its header. On failure nothing is left of it (as far as the disk allows). */
  create(number: number): void {
    const path = segmentPath(this.#directory, number);
    const fd = this.#files.open(path, CREATE_FLAGS, 0o600);
    try {
      this.#writeAll(fd, segmentHeader(number), SegmentHeader.SIZE);
    } catch (error) {
      this.#files.close(fd);
      try {
        this.#files.unlink(path);
      } catch {
        // A segment without records means nothing to a replay.
      }
      throw error;
    }
    this.#descriptors.set(number, fd);
  }

  /** Appends the first `length` bytes. On failure any part of them may be there. */
  append(number: number, bytes: Uint8Array, length: number): void {
    this.#writeAll(this.#descriptor(number), bytes, length);
  }

  truncate(number: number, size: number): void {
    this.#files.ftruncate(this.#descriptor(number), size);
  }

  /** Makes a segment durable, its name too. A retired one needs no more. */
  sync(number: number): void {
    const fd = this.#descriptors.get(number);
    if (fd === undefined) return;
    this.#files.fdatasync(fd);
    const directory = this.#files.open(this.#directory, constants.O_RDONLY | constants.O_DIRECTORY, 0);
    try {
      this.#files.fsync(directory);
    } finally {
      this.#files.close(directory);
    }
  }

  /** Reads exactly `length` bytes. ENOENT: the segment is retired, the cache has it. EIO: it is shorter than that. */
  read(number: number, position: number, length: number, out: Buffer): Buffer {
    const fd = this.#descriptor(number);
    for (let at = 0; at < length; ) {
      const got = fs.readSync(fd, out, at, length - at, position + at);
      if (got === 0)
        throw systemError('EIO', 'read', `journal segment ${number} ends before ${position + length}`);
      at += got;
    }
    return length === out.length ? out : out.subarray(0, length);
  }

  #writeAll(fd: number, bytes: Uint8Array, length: number): void {
    for (let at = 0; at < length; ) {
      const written = this.#files.write(fd, bytes, at, length - at);
      if (written <= 0) throw systemError('EIO', 'write', 'the device took no bytes');
      at += written;
    }
  }

  /** Opens a segment of an earlier process at its first use. */
  #descriptor(number: number): number {
    const known = this.#descriptors.get(number);
    if (known !== undefined) return known;
    const fd = this.#files.open(segmentPath(this.#directory, number), constants.O_RDONLY, 0);
    this.#descriptors.set(number, fd);
    return fd;
  }

  /** An open descriptor keeps a deleted segment's disk space. */
  closeUpTo(retired: number): void {
    if (retired <= this.#closedUpTo) return;
    this.#closedUpTo = retired;
    for (const [number, fd] of this.#descriptors) {
      if (number > retired) continue;
      this.#descriptors.delete(number);
      this.#files.close(fd);
    }
  }

  closeAll(): void {
    this.closeUpTo(Number.POSITIVE_INFINITY);
  }
}
