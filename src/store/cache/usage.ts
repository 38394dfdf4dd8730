/** How much room a cache takes. Walking through it costs time, so its size is measured now and then, beside everything else. */
import { opendir, readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { inTime } from '../../lib/in-time.ts';

export interface CacheUsageParts {
  cachePath: string;
  journalDirectory: string;
  /** What is kept of removed sessions; rejects with system errors. Undefined: nothing is. */
  trash?: (() => Promise<TrashUsage>) | undefined;
}

export interface TrashUsage {
  readonly archives: number;
  /** One that was removed twice counts once. */
  readonly sessions: number;
  readonly bytes: number;
}

export interface DiskUsage {
  /** Each undefined: not known. */
  readonly journalBytes: number | undefined;
  /** All but the journal, as of the last measurement. */
  readonly cacheBytes: number | undefined;
  /** For users other than root. */
  readonly freeBytes: number | undefined;
  /** As of the last measurement; a part of the cache. */
  readonly trash: TrashUsage | undefined;
}

const INTERVAL_MS = 15_000;
/** Of the time, at most one part in so many is spent measuring. */
const PAUSE_FACTOR = 20;
/** The first caller waits so long for the first measurement. */
const FIRST_MS = 500;

export class CacheUsage {
  readonly #parts: CacheUsageParts;
  #bytes: number | undefined;
  #trash: TrashUsage | undefined;
  #measuring: Promise<void> | undefined;
  #nextMs = Number.NEGATIVE_INFINITY;

  constructor(parts: CacheUsageParts) {
    this.#parts = parts;
  }

  /** Never rejects. */
  async read(): Promise<DiskUsage> {
    const { cachePath, journalDirectory } = this.#parts;
    if (performance.now() >= this.#nextMs) this.#measuring ??= this.#measure();
    if (this.#bytes === undefined) await inTime(this.#measuring ?? Promise.resolve(), FIRST_MS, undefined);
    const [journalBytes, disk] = await Promise.all([
      journalSize(journalDirectory).catch(() => undefined),
      statfs(cachePath).catch(() => undefined),
    ]);
    const freeBytes = disk && disk.bavail * disk.bsize;
    return { journalBytes, cacheBytes: this.#bytes, freeBytes, trash: this.#trash };
  }

  async #measure(): Promise<void> {
    const startedMs = performance.now();
    const { cachePath, journalDirectory, trash } = this.#parts;
    this.#trash = await trash?.().catch(() => this.#trash);
    this.#bytes = await sizeBelow(cachePath, journalDirectory).catch(() => this.#bytes);
    const endedMs = performance.now();
    this.#nextMs = endedMs + Math.max(INTERVAL_MS, (endedMs - startedMs) * PAUSE_FACTOR);
    this.#measuring = undefined;
  }
}

async function journalSize(directory: string): Promise<number> {
  const names = await readdir(directory);
  const sizes = await Promise.all(names.map((name) => sizeOf(join(directory, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** One file after the other: nothing waits for it. */
async function sizeBelow(directory: string, leftOut: string): Promise<number> {
  let bytes = 0;
  for await (const entry of await opendir(directory)) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) bytes += path === leftOut ? 0 : await sizeBelow(path, leftOut).catch(() => 0);
    else if (entry.isFile()) bytes += await sizeOf(path);
  }
  return bytes;
}

/** What is gone meanwhile takes no room. */
async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
