/**
 * Kept versions, in `<cachePath>/set-aside/`. The kernel thread keeps the version that is about to be replaced before
 * anything replaces it.
 */
import { randomBytes } from 'node:crypto';
import { constants, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SyncFileOperations } from '../../lib/file-operations.ts';
import { codeOf } from '../../lib/system-error.ts';
import {
  type KeptVersionName,
  keptVersionDirectory,
  keptVersionName,
  keptVersionPrefix,
  parseKeptVersionName,
} from '../../naming/kept-version-name.ts';

/** Of one file: an application that starts over again and again must not fill the disk. */
export const KEPT_VERSIONS_MAX = 10;

const WRITE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY;

export class KeptVersions {
  readonly #cachePath: string;
  readonly #files: SyncFileOperations;

  constructor(cachePath: string, files: SyncFileOperations) {
    this.#cachePath = cachePath;
    this.#files = files;
  }

  locate(name: string): string {
    return join(keptVersionDirectory(this.#cachePath), name);
  }

  /** Of the file `path`, the oldest first. */
  list(path: string): KeptVersionName[] {
    const prefix = keptVersionPrefix(path);
    return listKeptVersions(this.#cachePath).filter((kept) => kept.prefix === prefix);
  }

  /** The sealed bytes. Throws system errors. */
  read({ name }: KeptVersionName): Buffer {
    return readFileSync(this.locate(name));
  }

  /**
   * Keeps sealed bytes of `path` as its newest version, and removes the oldest beyond KEPT_VERSIONS_MAX. On stable storage on
   * return, which is its name. Throws system errors (ENOSPC…): then nothing was removed, and nothing counts as kept.
   */
  keep(path: string, sealed: Uint8Array, nowMs: number): string {
    const before = this.list(path);
    const ms = Math.max(Math.floor(nowMs), (before.at(-1)?.ms ?? 0) + 1);
    const temporary = join(this.#cachePath, 'tmp', `kept-${randomBytes(6).toString('hex')}`);
    try {
      this.#write(temporary, sealed);
      this.#makeDirectory();
      const name = this.#linkFree(temporary, keptVersionPrefix(path), ms);
      this.#syncDirectory(keptVersionDirectory(this.#cachePath));
      this.#prune(before);
      return name;
    } finally {
      this.#unlink(temporary);
    }
  }

  /** It is not wanted after all. */
  drop(name: string): void {
    this.#unlink(this.locate(name));
  }

  #write(file: string, bytes: Uint8Array): void {
    const fd = this.#files.open(file, WRITE_FLAGS, 0o600);
    try {
      for (let at = 0; at < bytes.length; ) at += this.#files.write(fd, bytes, at, bytes.length - at);
      this.#files.fsync(fd);
    } finally {
      this.#files.close(fd);
    }
  }

  #makeDirectory(): void {
    try {
      this.#files.mkdir(keptVersionDirectory(this.#cachePath), 0o700);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    this.#syncDirectory(this.#cachePath);
  }

  /** The main thread quarantines into the same directory meanwhile. */
  #linkFree(temporary: string, prefix: string, ms: number): string {
    for (let suffix = ms; ; suffix++) {
      const name = keptVersionName(prefix, suffix);
      try {
        this.#files.link(temporary, this.locate(name));
        return name;
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error;
      }
    }
  }

  #prune(before: readonly KeptVersionName[]): void {
    const tooMany = before.length + 1 - KEPT_VERSIONS_MAX;
    for (const { name } of before.slice(0, Math.max(0, tooMany))) this.#unlink(this.locate(name));
  }

  /** What cannot be removed only takes room. */
  #unlink(path: string): void {
    try {
      this.#files.unlink(path);
    } catch {}
  }

  #syncDirectory(path: string): void {
    const fd = this.#files.open(path, DIRECTORY_FLAGS, 0);
    try {
      this.#files.fsync(fd);
    } finally {
      this.#files.close(fd);
    }
  }
}

/** All kept versions of a cache, the oldest first; other files in the directory are left out. Throws system errors. */
export function listKeptVersions(cachePath: string): KeptVersionName[] {
  return listByTime(keptVersionDirectory(cachePath), parseKeptVersionName);
}

/** What the names in a directory say, the oldest first; other files are left out. Throws system errors. */
export function listByTime<T extends { ms: number }>(
  directory: string,
  parse: (name: string) => T | undefined,
): T[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
  return names.flatMap((name) => parse(name) ?? []).sort((a, b) => a.ms - b.ms);
}
