/** A directory as a bucket: to try hybrid mode without a cloud, and for a file server. Safe between processes. */
import { lstat, mkdir, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { crc32c } from '../../lib/crc32c.ts';
import { renameDurably, writeDurably } from '../../lib/durable-files.ts';
import { sharedAbort } from '../../lib/shared-abort.ts';
import { codeOf } from '../../lib/system-error.ts';
import {
  type Bucket,
  bytesLimit,
  type ChangeOptions,
  type Condition,
  type GetOptions,
  type ObjectPage,
  type ObjectVersion,
  type PutOptions,
  type StoredObject,
} from '../bucket.ts';
import { BucketError, damaged, tooLarge } from '../bucket-error.ts';
import { DEFAULT_TIMEOUT_MS, type Deadline, timeLeft, withDeadline } from '../deadline.ts';
import { prepareUpload } from '../upload.ts';
import { directoryError, unlessMissing } from './error.ts';
import { exists, makeDirectories } from './files.ts';
import { DirectoryLayout, type ObjectPaths } from './layout.ts';
import { listNames } from './list.ts';
import { DirectoryLocks } from './lock.ts';
import { DirectoryObjects } from './objects.ts';
import { newGeneration, versionOfRecord } from './version.ts';

export interface DirectoryOptions {
  readonly timeoutMs?: number | undefined;
  /** ms since the epoch. */
  readonly now?: (() => number) | undefined;
}

/**
 * `path` is absolute. The directory is made at the first call where its parent is there; nothing is touched before. A
 * directory that was in use and is suddenly no bucket any more (a disk that is not mounted) is 'unreachable', never empty.
 */
export function openDirectoryBucket(path: string, options: DirectoryOptions = {}): Bucket {
  return new DirectoryBucket(path, options);
}

const PAGE_SIZE = 1000;
const FORMAT = 'sessionfs objects 1\n';
/** The age from which a temporary file counts as left by a crash, and is removed. */
const LEFTOVER_MS = 24 * 3600 * 1000;

class DirectoryBucket implements Bucket {
  readonly address: string;
  readonly #layout: DirectoryLayout;
  readonly #locks = new DirectoryLocks();
  readonly #objects: DirectoryObjects;
  readonly #timeoutMs: number;
  readonly #now: () => number;
  readonly #closed = sharedAbort();
  #wasSeen = false;
  #settingUp: Promise<void> | undefined;

  constructor(path: string, { timeoutMs = DEFAULT_TIMEOUT_MS, now = Date.now }: DirectoryOptions) {
    this.address = pathToFileURL(path).href;
    this.#layout = new DirectoryLayout(path);
    this.#objects = new DirectoryObjects(this.#layout, now);
    this.#timeoutMs = timeoutMs;
    this.#now = now;
  }

  list(prefix: string, page?: string): Promise<ObjectPage> {
    return this.#call(`cannot list ${this.address}`, async (deadline) => {
      const names = await listNames(this.#layout, { prefix, after: page, limit: PAGE_SIZE + 1 });
      const shown = names.slice(0, PAGE_SIZE);
      const looks = shown.map((name) => this.#version(this.#layout.object(name), deadline));
      const objects = (await Promise.all(looks)).filter((version) => version !== undefined);
      return { objects, nextPage: names.length > PAGE_SIZE ? shown.at(-1) : undefined };
    });
  }

  get(name: string, options: GetOptions = {}): Promise<StoredObject> {
    const what = `cannot read ${this.address}/${name}`;
    const maxBytes = bytesLimit(options);
    return this.#call(what, async (deadline) => {
      const paths = this.#layout.object(name);
      const found = await unlessMissing(stat(paths.file));
      if (found?.isFile() && found.size > maxBytes) throw tooLarge(what, maxBytes);
      const work = () => this.#locks.with(paths.lock, deadline, (lock) => this.#objects.read(paths, lock));
      const object = (await this.#objects.readUnlocked(paths)) ?? (await work());
      if (!object) throw missing(this.address, name);
      if (isWhole(object)) return object;
      throw damaged(`${this.address}/${name}`, {
        hint: 'Something else changed the file: put back the one it replaced, or remove it.',
      });
    });
  }

  head(name: string): Promise<ObjectVersion> {
    return this.#call(`cannot look up ${this.address}/${name}`, async (deadline) => {
      const version = await this.#version(this.#layout.object(name), deadline);
      if (!version) throw missing(this.address, name);
      return version;
    });
  }

  put(name: string, bytes: Uint8Array, options: PutOptions): Promise<ObjectVersion> {
    return this.#call(
      `cannot write ${this.address}/${name}`,
      async (deadline) => {
        const paths = this.#layout.object(name);
        const upload = prepareUpload(bytes, options);
        return this.#locks.with(paths.lock, deadline, (lock) =>
          this.#objects.put(paths, bytes, options, upload, lock),
        );
      },
      options.deadlineMs,
    );
  }

  delete(name: string, { ifGeneration, deadlineMs }: ChangeOptions): Promise<void> {
    return this.#call(
      `cannot delete ${this.address}/${name}`,
      async (deadline) => {
        const paths = this.#layout.object(name);
        await this.#locks.with(paths.lock, deadline, (lock) =>
          this.#objects.delete(paths, ifGeneration, lock),
        );
      },
      deadlineMs,
    );
  }

  async ignoredConditions(): Promise<readonly Condition[]> {
    return [];
  }

  /** A directory has no rules. */
  deleteAfterDays(): Promise<undefined> {
    return this.#call(`cannot use ${this.address}`, async () => undefined);
  }

  close(): void {
    this.#closed.abort();
  }

  /** A file that vanishes between the listing and the look at it is no object. */
  async #version(paths: ObjectPaths, deadline: Deadline): Promise<ObjectVersion | undefined> {
    const seen = await this.#objects.glance(paths);
    if (seen === 'missing') return undefined;
    if (seen) return versionOfRecord(seen);
    const object = await this.#locks.with(paths.lock, deadline, (lock) => this.#objects.read(paths, lock));
    if (!object) return undefined;
    const { bytes: _, ...version } = object;
    return version;
  }

  #call<T>(what: string, work: (deadline: Deadline) => Promise<T>, deadlineMs?: number): Promise<T> {
    return withDeadline(
      what,
      timeLeft(this.#timeoutMs, deadlineMs),
      this.#closed.signal,
      async (deadline) => {
        try {
          await this.#prepare();
          deadline.signal.throwIfAborted();
          return await work(deadline);
        } catch (error) {
          throw directoryError(what, error);
        }
      },
    );
  }

  async #prepare(): Promise<void> {
    if (await exists(this.#layout.format)) {
      if (!this.#wasSeen) await this.#sweep();
      this.#wasSeen = true;
      return;
    }
    if (this.#wasSeen) {
      throw new BucketError('unreachable', `${this.address} is no longer what it was`, {
        hint: 'Check that the disk or file server of this directory is mounted.',
      });
    }
    this.#settingUp ??= this.#setUp().finally(() => {
      this.#settingUp = undefined;
    });
    await this.#settingUp;
    this.#wasSeen = true;
  }

  async #setUp(): Promise<void> {
    const { root } = this.#layout;
    const found = await unlessMissing(stat(root));
    if (found && !found.isDirectory()) throw notADirectory(this.address);
    if (!found) await makeRoot(root, this.address);
    for (const kind of ['versions', 'pending', 'data', 'locks'] as const) {
      await makeDirectories(this.#layout.folder(kind));
    }
    const draft = join(this.#layout.folder('data'), `format.${newGeneration()}`);
    await writeDurably(draft, FORMAT);
    await renameDurably(draft, this.#layout.format);
  }

  /** Content that a pending record speaks of stays. */
  async #sweep(): Promise<void> {
    const [data, locks, pending] = await Promise.all(
      (['data', 'locks', 'pending'] as const).map((kind) => readdir(this.#layout.folder(kind))),
    );
    const isPending = new Set(pending);
    const left = [
      ...(data ?? [])
        .filter((name) => !isPending.has(name.split('.')[0] ?? ''))
        .map((name) => join(this.#layout.folder('data'), name)),
      // A lock itself has no dot; what has one was to become a lock.
      ...(locks ?? [])
        .filter((name) => name.includes('.'))
        .map((name) => join(this.#layout.folder('locks'), name)),
    ];
    for (const path of left) {
      const found = await unlessMissing(lstat(path));
      if (found && this.#now() - found.mtimeMs > LEFTOVER_MS) await unlink(path).catch(() => {});
    }
  }
}

function isWhole({ bytes, size, crc32c: sum }: StoredObject): boolean {
  return bytes.length === size && crc32c(bytes) === sum;
}

async function makeRoot(root: string, address: string): Promise<void> {
  try {
    await mkdir(root, { mode: 0o700 });
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    throw new BucketError('missing', `${address}: there is no such directory, nor the one it would lie in`, {
      hint: 'Make the directory, mount its disk, or correct STORAGE_BUCKET.',
      about: 'bucket',
    });
  }
}

function notADirectory(address: string): BucketError {
  return new BucketError('rejected', `${address} is not a directory`, {
    hint: 'Make a directory of that name, or correct STORAGE_BUCKET.',
  });
}

function missing(address: string, name: string): BucketError {
  return new BucketError('missing', `${address}/${name}: there is no such object`);
}
