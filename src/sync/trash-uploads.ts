/**
 * Uploads archives of removed sessions to the bucket, one object for each removal, outside of `sessions/`, so that a machine
 * that loses its disk does not lose them. Deletes there what is too old. Nothing waits for them.
 */
import { readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ABSENT, type Bucket } from '../bucket/bucket.ts';
import { BucketError, isPrecondition, reasonOf } from '../bucket/bucket-error.ts';
import { listAll } from '../bucket/list-all.ts';
import { backOff } from '../lib/backoff.ts';
import { DAY_MS } from '../lib/clock.ts';
import { ifMissing } from '../lib/system-error.ts';
import {
  parseTrashObject,
  TRASH_FILES,
  TRASH_ROOT,
  trashDirectory,
  trashObject,
} from '../naming/trash-name.ts';
import type { Logger } from '../observe/log.ts';
import { listTrash } from '../store/checkpoint/trash.ts';
import { archivedFiles } from '../store/set-aside/archive.ts';

export interface TrashUploadsParts {
  bucket: Bucket;
  cachePath: string;
  days: number;
  /** Nothing of the cache outlives the mount: an archive goes from there once it is stored. */
  isVolatile: boolean;
  /** ms since the epoch. */
  nowMs: () => number;
  log: Logger;
}

const RETRY = { minMs: 1_000, maxMs: 300_000 };

export class TrashUploads {
  readonly #parts: TrashUploadsParts;
  readonly #waiting = new Set<string>();
  readonly #ended = new AbortController();
  #running: Promise<void> | undefined;
  /** Since what waits was last tried. */
  #isAsked = false;
  #failures = 0;
  #hasPruneFailed = false;

  constructor(parts: TrashUploadsParts) {
    this.#parts = parts;
  }

  /** Goes on with what is left of earlier runs. Asks the bucket only where there is something here. */
  start(): void {
    const names = listTrash(this.#parts.cachePath).map(({ name }) => name);
    if (names.length > 0) void this.#addMissing(names);
  }

  /** A file in trash/. */
  add(name: string, replaced: string | undefined): void {
    if (replaced !== undefined) this.#waiting.delete(replaced);
    this.#waiting.add(name);
    this.#run();
  }

  /** Ends with the request under way: archives that are left go at the next start. Where none outlives the mount, all of them go now. */
  async end(): Promise<void> {
    this.#ended.abort();
    await this.#running;
  }

  async #addMissing(names: readonly string[]): Promise<void> {
    const { bucket, log } = this.#parts;
    try {
      const there = new Set((await listAll(bucket, TRASH_ROOT)).map(({ name }) => name));
      for (const name of names) if (!there.has(trashObject(name))) this.#waiting.add(name);
      this.#run();
    } catch (error) {
      log.warn(reasonOf(error), UNSTORED);
    }
  }

  #run(): void {
    if (this.#waiting.size === 0) return;
    this.#isAsked = true;
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined;
      // What came after its last look.
      if (this.#isAsked && !this.#ended.signal.aborted) this.#run();
    });
  }

  /** What the bucket refuses waits until something else is to go there. */
  async #work(): Promise<void> {
    while (this.#isAsked && !this.#ended.signal.aborted) {
      this.#isAsked = false;
      try {
        await this.#storeAll();
        this.#failures = 0;
      } catch (error) {
        if (this.#failures++ === 0) this.#parts.log.warn(reasonOf(error), UNSTORED);
        if (!isTransient(error)) continue;
        this.#isAsked = true;
        await backOff(this.#failures, RETRY, this.#ended.signal);
        continue;
      }
      if (!this.#ended.signal.aborted) await this.#prune();
    }
  }

  /** One that cannot be read, or that the bucket refuses, holds up no other one. */
  async #storeAll(): Promise<void> {
    let refused: unknown;
    for (const name of this.#waiting) {
      if (this.#ended.signal.aborted && !this.#parts.isVolatile) return;
      await this.#store(name).catch((error: unknown) => {
        if (isTransient(error)) throw error;
        refused ??= error;
      });
    }
    if (refused !== undefined) throw refused;
  }

  async #store(name: string): Promise<void> {
    const { bucket, cachePath, isVolatile, log } = this.#parts;
    const path = join(trashDirectory(cachePath), name);
    const archive = await readFile(path).catch(ifMissing);
    if (archive !== undefined) {
      const object = trashObject(name);
      const files = archivedFiles(archive);
      const metadata: Record<string, string> = files === undefined ? {} : { [TRASH_FILES]: String(files) };
      await bucket.put(object, archive, { ifGeneration: ABSENT, metadata }).catch((error: unknown) => {
        // Of this very name: an earlier try.
        if (!isPrecondition(error)) throw error;
      });
      log.info({ object, bytes: archive.length }, 'A removed session is in the trash of the bucket, too');
      if (isVolatile) await unlink(path).catch(ifMissing);
    }
    this.#waiting.delete(name);
  }

  /** Never rejects: what cannot be deleted only takes room, and goes after another removal. */
  async #prune(): Promise<void> {
    try {
      await this.#deleteOld();
      this.#hasPruneFailed = false;
    } catch (error) {
      if (!this.#hasPruneFailed) this.#parts.log.warn(reasonOf(error), UNPRUNED);
      this.#hasPruneFailed = true;
    }
  }

  /** What is left goes after a later removal. */
  async #deleteOld(): Promise<void> {
    const { bucket, days, nowMs } = this.#parts;
    for (const { name, generation } of await listAll(bucket, TRASH_ROOT)) {
      if (this.#ended.signal.aborted) return;
      const ms = parseTrashObject(name)?.ms;
      if (ms !== undefined && nowMs() - ms > days * DAY_MS)
        await bucket.delete(name, { ifGeneration: generation });
    }
  }
}

function isTransient(error: unknown): boolean {
  return error instanceof BucketError && error.isTransient;
}

const UNPRUNED =
  'Old removed sessions cannot be deleted from the trash of the bucket; they take room there until a later removal';
const UNSTORED = 'A removed session is not in the trash of the bucket yet, only on the local disk';
