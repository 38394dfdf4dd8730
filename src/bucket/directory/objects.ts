/**
 * The objects of a directory, one at a time, under the object's lock.
 *
 * A put writes the content aside, then the record of what is to come (pending), moves the content to its name, and then the
 * record to its place. The next process that finds a pending record finishes the put: content that is still aside was not
 * moved, so the put is taken back; else it is carried out. A delete removes the content, then the record: a record without
 * content means nothing.
 */
import { readFile, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32c } from '../../lib/crc32c.ts';
import { renameDurably, syncDirectory, writeDurably } from '../../lib/durable-files.ts';
import { codeOf } from '../../lib/system-error.ts';
import { ABSENT, type ObjectVersion, type PutOptions, type StoredObject } from '../bucket.ts';
import { BucketError } from '../bucket-error.ts';
import { isOwn, type Upload } from '../upload.ts';
import { unlessMissing } from './error.ts';
import { exists, makeDirectories, removeEmptyDirectories } from './files.ts';
import type { DirectoryLayout, ObjectPaths } from './layout.ts';
import type { HeldLock } from './lock.ts';
import { newGeneration, readVersionRecord, type VersionRecord, versionOfRecord } from './version.ts';

/** Another delete may remove a folder between its making and its use. */
const FOLDER_ATTEMPTS = 5;

export class DirectoryObjects {
  readonly #layout: DirectoryLayout;
  readonly #now: () => number;

  constructor(layout: DirectoryLayout, now: () => number) {
    this.#layout = layout;
    this.#now = now;
  }

  /** Without the lock; undefined: only who holds it can tell. */
  async glance(paths: ObjectPaths): Promise<VersionRecord | 'missing' | undefined> {
    if (await exists(paths.pending)) return undefined;
    const [isThere, record] = await Promise.all([exists(paths.file), readVersionRecord(paths.version)]);
    if (!isThere) return (await exists(paths.pending)) ? undefined : 'missing';
    return record;
  }

  /** With the content, without the lock; undefined: only who holds the lock can tell whether, and which version, it is. */
  async readUnlocked(paths: ObjectPaths): Promise<StoredObject | undefined> {
    const seen = await this.glance(paths);
    if (seen === 'missing' || seen === undefined) return undefined;
    const bytes = await unlessMissing(readFile(paths.file));
    const isWhole = bytes?.length === seen.size && crc32c(bytes) === seen.crc32c;
    return bytes && isWhole ? { ...versionOfRecord(seen), bytes } : undefined;
  }

  /** With the content. A file that was put there by other means becomes a version. */
  async read(paths: ObjectPaths, lock: HeldLock): Promise<StoredObject | undefined> {
    await this.#finish(paths, lock);
    const bytes = (await exists(paths.file)) ? await unlessMissing(readFile(paths.file)) : undefined;
    if (bytes === undefined) return undefined;
    const record = (await readVersionRecord(paths.version)) ?? (await this.#adopt(paths, bytes, lock));
    return { ...versionOfRecord(record), bytes };
  }

  async put(
    paths: ObjectPaths,
    bytes: Uint8Array,
    options: PutOptions,
    upload: Upload,
    lock: HeldLock,
  ): Promise<ObjectVersion> {
    const found = await this.#current(paths, lock);
    if ((found?.generation ?? ABSENT) !== options.ifGeneration) {
      if (found && isOwn(found, upload)) return found;
      throw changed(paths.name, found);
    }
    const record: VersionRecord = {
      name: paths.name,
      generation: newGeneration(),
      size: bytes.length,
      crc32c: upload.crc32c,
      updatedMs: this.#now(),
      stored: upload.stored,
    };
    await this.#store(paths, bytes, record, lock);
    return versionOfRecord(record);
  }

  async delete(paths: ObjectPaths, ifGeneration: string, lock: HeldLock): Promise<void> {
    const found = await this.#current(paths, lock);
    if (found && found.generation !== ifGeneration) throw changed(paths.name, found);
    await lock.check();
    if (found) {
      await unlink(paths.file);
      await syncDirectory(dirname(paths.file));
      await removeEmptyDirectories(dirname(paths.file), this.#layout.root);
    }
    await unlessMissing(unlink(paths.version));
  }

  async #current(paths: ObjectPaths, lock: HeldLock): Promise<ObjectVersion | undefined> {
    await this.#finish(paths, lock);
    if (!(await exists(paths.file))) return undefined;
    const record = await readVersionRecord(paths.version);
    return record ? versionOfRecord(record) : this.read(paths, lock);
  }

  async #store(paths: ObjectPaths, bytes: Uint8Array, record: VersionRecord, lock: HeldLock): Promise<void> {
    const data = paths.data(record.generation);
    try {
      await writeDurably(data, bytes);
      await this.#announce(paths, record);
      await lock.check();
      await this.#moveToItsName(data, paths.file);
    } catch (error) {
      await this.#takeBack(paths, record.generation);
      throw error;
    }
    await this.#settle(paths);
  }

  async #announce(paths: ObjectPaths, record: VersionRecord): Promise<void> {
    const draft = `${paths.data(record.generation)}.json`;
    await writeDurably(draft, JSON.stringify(record));
    await renameDurably(draft, paths.pending);
  }

  async #moveToItsName(data: string, file: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await makeDirectories(dirname(file));
        return await renameDurably(data, file);
      } catch (error) {
        const isInTheWay = codeOf(error) === 'EISDIR';
        if (isInTheWay) await removeEmptyDirectories(file, dirname(file));
        if (attempt >= FOLDER_ATTEMPTS || !(isInTheWay || codeOf(error) === 'ENOENT')) throw error;
      }
    }
  }

  /** Only content that is still aside: what was moved to its name is stored, whatever went wrong after that. */
  async #takeBack(paths: ObjectPaths, generation: string): Promise<void> {
    try {
      if (!(await exists(paths.data(generation)))) return;
      const pending = await readVersionRecord(paths.pending);
      if (pending?.generation === generation) await unlink(paths.pending);
      await unlink(paths.data(generation));
    } catch {
      // The next call for this object finishes it.
    }
  }

  async #settle(paths: ObjectPaths): Promise<void> {
    await makeDirectories(paths.versionFolder);
    await renameDurably(paths.pending, paths.version);
  }

  async #finish(paths: ObjectPaths, lock: HeldLock): Promise<void> {
    if (!(await exists(paths.pending))) return;
    await lock.check();
    const record = await readVersionRecord(paths.pending);
    if (record && !(await exists(paths.data(record.generation)))) return this.#settle(paths);
    await unlink(paths.pending);
    if (record) await unlessMissing(unlink(paths.data(record.generation)));
  }

  async #adopt(paths: ObjectPaths, bytes: Buffer, lock: HeldLock): Promise<VersionRecord> {
    const record: VersionRecord = {
      name: paths.name,
      generation: newGeneration(),
      size: bytes.length,
      crc32c: crc32c(bytes),
      updatedMs: this.#now(),
      stored: {},
    };
    await this.#announce(paths, record);
    await lock.check();
    await this.#settle(paths);
    return record;
  }
}

function changed(name: string, found: ObjectVersion | undefined): BucketError {
  const there = found ? `generation ${found.generation} is there` : 'it is not there';
  return new BucketError('precondition', `${name}: another version was expected, ${there}`);
}
