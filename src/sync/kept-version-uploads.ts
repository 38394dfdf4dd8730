/**
 * Uploads kept versions of credentials to the bucket, so that a machine that loses its disk does not lose them. They lie
 * outside of `sessions/`: no restore ever takes one by itself. Nothing waits for them but the end of the mount.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ABSENT, type Bucket, type ObjectVersion } from '../bucket/bucket.ts';
import { BucketError, isPrecondition, reasonOf } from '../bucket/bucket-error.ts';
import { listAll } from '../bucket/list-all.ts';
import { backOff } from '../lib/backoff.ts';
import { crc32c } from '../lib/crc32c.ts';
import { inTime } from '../lib/in-time.ts';
import { ifMissing } from '../lib/system-error.ts';
import { isKeptCredentials } from '../naming/kept-database.ts';
import { keptVersionDirectory, keptVersionName, parseKeptVersionName } from '../naming/kept-version-name.ts';
import { KEPT_VERSION_ROOT, keptVersionObject } from '../naming/kept-version-object.ts';
import type { Logger } from '../observe/log.ts';
import { KEPT_VERSIONS_MAX, listKeptVersions } from '../store/set-aside/kept-versions.ts';

export interface KeptVersionUploadsParts {
  bucket: Bucket;
  cachePath: string;
  log: Logger;
  /** The longest pause after a first failure; it doubles up to a minute. */
  retryMs?: number;
}

const RETRY_MS = 500;
const RETRY_MS_MAX = 60_000;
const SETTLE_POLL_MS = 50;
/** Other machines may have kept versions in the same milliseconds. */
const NAMES_TO_TRY = 20;

export class KeptVersionUploads {
  readonly #parts: KeptVersionUploadsParts;
  readonly #waiting = new Set<string>();
  readonly #ended = new AbortController();
  /** What an earlier daemon kept may not be in the bucket yet. */
  #isCompared = false;
  #running: Promise<void> | undefined;
  #failures = 0;
  #hasPruneFailed = false;
  /** The last upload failed for a reason that does not pass by itself. */
  #isStuck = false;
  /** The final flush waits for the uploads, up to its deadline. */
  #isLast = false;
  #pausing: AbortController | undefined;

  constructor(parts: KeptVersionUploadsParts) {
    this.#parts = parts;
  }

  /** Goes on with what is left of earlier runs. */
  start(): void {
    this.#run();
  }

  /** A file in set-aside/. */
  add(name: string): void {
    this.#waiting.add(name);
    this.#run();
  }

  /**
   * At the end: retries at once what failed before. Resolves when everything is stored, when the rest fails for a reason that
   * does not pass by itself, or at `deadlineMs` (`performance.now()`), with the number of files left.
   */
  async settled(deadlineMs: number): Promise<number> {
    this.#isLast = true;
    this.#isStuck = false;
    this.#pausing?.abort();
    while (this.#running !== undefined && !this.#isStuck && performance.now() < deadlineMs)
      await inTime(this.#running, SETTLE_POLL_MS, undefined);
    return this.#waiting.size;
  }

  /** Versions that are left go at the next start. */
  async end(): Promise<void> {
    this.#ended.abort();
    await this.#running;
  }

  #run(): void {
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined;
      if (this.#waiting.size > 0 && !this.#ended.signal.aborted) this.#run();
    });
  }

  async #work(): Promise<void> {
    while (!this.#ended.signal.aborted && !(this.#isCompared && this.#waiting.size === 0)) {
      try {
        if (!this.#isCompared) await this.#compare();
        await this.#storeAll();
        this.#failures = 0;
        this.#isStuck = false;
      } catch (error) {
        if (this.#ended.signal.aborted) return;
        this.#isStuck = !(error instanceof BucketError && error.isTransient);
        if (this.#failures++ === 0) this.#tell(error);
        await this.#pause();
      }
    }
  }

  /** Asks the bucket only where there is something. */
  async #compare(): Promise<void> {
    const here = listKeptVersions(this.#parts.cachePath).filter(({ prefix }) =>
      isKeptCredentials(keptVersionObject(prefix)),
    );
    if (here.length > 0) {
      const there = new Set((await listAll(this.#parts.bucket, KEPT_VERSION_ROOT)).map(({ name }) => name));
      for (const { name } of here) if (!there.has(keptVersionObject(name))) this.#waiting.add(name);
    }
    this.#isCompared = true;
  }

  /** One that cannot be stored keeps no other one from it. Rejects with the first failure. */
  async #storeAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const name of this.#waiting) {
      if (this.#ended.signal.aborted) return;
      await this.#store(name).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }

  async #store(name: string): Promise<void> {
    const { bucket, cachePath, log } = this.#parts;
    const parsed = parseKeptVersionName(name);
    const sealed = await readFile(join(keptVersionDirectory(cachePath), name)).catch(ifMissing);
    if (parsed !== undefined && sealed !== undefined) {
      const object = await this.#put(parsed.prefix, parsed.ms, sealed);
      await this.#prune(parsed.prefix, object);
      log.info({ object, bucket: bucket.address }, 'Kept versions of credentials are in the bucket, too');
    }
    this.#waiting.delete(name);
  }

  /** Another machine may have kept another version at the very same moment. */
  async #put(prefix: string, ms: number, sealed: Buffer): Promise<string> {
    const { bucket } = this.#parts;
    for (let at = ms; at < ms + NAMES_TO_TRY; at++) {
      const name = keptVersionObject(keptVersionName(prefix, at));
      try {
        await bucket.put(name, sealed, { ifGeneration: ABSENT, metadata: {} });
        return name;
      } catch (error) {
        if (!isPrecondition(error)) throw error;
        if (isSame(await bucket.head(name), sealed)) return name;
      }
    }
    throw new BucketError('rejected', `every name for the kept version ${prefix}.${ms} is taken`);
  }

  /**
   * The oldest go: as many are kept as on the disk. Never the one that was just stored, whatever another machine's clock says.
   * Never rejects: one that cannot be deleted only takes room.
   */
  async #prune(prefix: string, stored: string): Promise<void> {
    try {
      await this.#deleteOldest(prefix, stored);
    } catch (error) {
      if (this.#hasPruneFailed) return;
      this.#hasPruneFailed = true;
      this.#parts.log.warn(
        reasonOf(error),
        'Old kept versions of credentials cannot be deleted from the bucket; they take room there',
      );
    }
  }

  async #deleteOldest(prefix: string, stored: string): Promise<void> {
    const { bucket } = this.#parts;
    const object = keptVersionObject(prefix);
    const kept = await listAll(bucket, `${object}.`);
    const versions = kept
      .flatMap(({ name, generation }) => {
        const parsed = parseKeptVersionName(name);
        return parsed?.prefix === object && name !== stored ? [{ ...parsed, generation }] : [];
      })
      .sort((a, b) => a.ms - b.ms);
    for (const { name, generation } of versions.slice(
      0,
      Math.max(0, versions.length + 1 - KEPT_VERSIONS_MAX),
    ))
      await bucket.delete(name, { ifGeneration: generation });
  }

  async #pause(): Promise<void> {
    const { retryMs = RETRY_MS } = this.#parts;
    this.#pausing = new AbortController();
    const signal = AbortSignal.any([this.#ended.signal, this.#pausing.signal]);
    await backOff(this.#isLast ? 0 : this.#failures, { minMs: retryMs, maxMs: RETRY_MS_MAX }, signal);
  }

  #tell(error: unknown): void {
    this.#parts.log.warn(
      { files: this.#waiting.size, ...reasonOf(error) },
      'Kept versions of credentials are not in the bucket yet, only on the local disk; their upload is retried',
    );
  }
}

function isSame({ size, crc32c: sum }: ObjectVersion, sealed: Buffer): boolean {
  return size === sealed.length && sum === crc32c(sealed);
}
