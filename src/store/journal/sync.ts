/** Brings the journal to stable storage from the main thread, so that the kernel thread never waits for a disk. */
import { constants } from 'node:fs';
import {
  type FileOperations,
  fileOperations,
  syncDirectoryThrough,
  tolerate,
} from '../../lib/file-operations.ts';
import { codeOf } from '../../lib/system-error.ts';
import { segmentPath } from './format.ts';
import type { JournalProgress } from './progress.ts';

export interface JournalSyncOptions {
  directory: string;
  progress: JournalProgress;
  /** From replayJournal: segments that an earlier process wrote may be in its page cache only. */
  replayed: { segments: readonly number[]; nextSegment: number };
  /** A sync failed: checkpoint soon, since a second sync of the same pages proves nothing. */
  onFailure: (error: unknown) => void;
  /** From the message about the first unsynced append to the sync; the promise is 100 ms in all. */
  syncDelayMs?: number;
  files?: FileOperations;
}

const SYNC_DELAY_MS = 80;

export class JournalSync {
  readonly #options: JournalSyncOptions;
  readonly #files: FileOperations;
  readonly #descriptors = new Map<number, number>();
  /** Segments with bytes that may not be on stable storage, ascending. */
  readonly #unsynced: Set<number>;
  /** After a failed fdatasync the kernel calls those pages clean: such a segment stays failed until it is retired. */
  readonly #failed = new Map<number, unknown>();
  /** The newest segment at the last sync; it may have grown since. */
  #newest: number;
  #newNames = true;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  #closed = false;

  constructor(options: JournalSyncOptions) {
    this.#options = options;
    this.#files = options.files ?? fileOperations;
    this.#unsynced = new Set(options.replayed.segments);
    this.#newest = options.replayed.nextSegment - 1;
  }

  /** The kernel thread says that it appended something: a sync starts within `syncDelayMs`. */
  appended(): void {
    if (this.#timer || this.#queued || this.#closed) return;
    this.#timer = setTimeout(
      () => void this.sync().catch(() => {}),
      this.#options.syncDelayMs ?? SYNC_DELAY_MS,
    );
  }

  /**
   * Resolves once everything that was appended before the call is on stable storage (or in the cache). Callers that come
   * while one sync runs share the next one. Rejects with the disk's error; then nothing is promised for those appends
   * until a checkpoint retired their segment.
   */
  sync(): Promise<void> {
    if (this.#closed) return Promise.reject(new Error('the journal is closed'));
    this.#queued ??= this.#after(this.#running);
    return this.#queued;
  }

  /** Closes without a last sync. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#queued?.catch(() => {});
    await this.#running.catch(() => {});
    for (const fd of this.#descriptors.values()) await this.#files.close(fd);
    this.#descriptors.clear();
  }

  async #after(running: Promise<void>): Promise<void> {
    await running.catch(() => {});
    const turn = this.#syncNow();
    this.#running = turn;
    this.#queued = undefined;
    return turn;
  }

  async #syncNow(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { progress, onFailure } = this.#options;
    progress.acknowledge();
    const { appends, segment } = progress.mark();
    if (!progress.synced) this.#addGrown(segment);
    if (this.#unsynced.size > 0) progress.settle(0);
    try {
      for (const number of this.#unsynced) await this.#syncSegment(number);
      if (this.#newNames) {
        await syncDirectoryThrough(this.#files, this.#options.directory);
        this.#newNames = false;
      }
      this.#refuseFailed();
    } catch (error) {
      onFailure(error);
      throw error;
    }
    progress.setSynced(appends);
    progress.settle(segment);
    await this.#closeOlderThan(segment);
  }

  #addGrown(newest: number): void {
    for (let number = this.#newest; number <= newest; number++) this.#unsynced.add(number);
    this.#newNames ||= newest > this.#newest;
    this.#newest = newest;
  }

  async #syncSegment(number: number): Promise<void> {
    if (number > this.#options.progress.retired) {
      const fd = await this.#descriptor(number);
      try {
        if (fd !== undefined) await this.#files.fdatasync(fd);
      } catch (error) {
        this.#failed.set(number, error);
      }
    }
    this.#unsynced.delete(number);
  }

  #refuseFailed(): void {
    for (const [number, error] of this.#failed) {
      if (number > this.#options.progress.retired) throw error;
      this.#failed.delete(number);
    }
  }

  /** Undefined: no such file; it was retired, or could not be created when the disk was full. */
  async #descriptor(number: number): Promise<number | undefined> {
    const known = this.#descriptors.get(number);
    if (known !== undefined) return known;
    try {
      const fd = await this.#files.open(segmentPath(this.#options.directory, number), constants.O_RDONLY, 0);
      this.#descriptors.set(number, fd);
      return fd;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** An open descriptor would keep a deleted segment's disk space. */
  async #closeOlderThan(segment: number): Promise<void> {
    for (const [number, fd] of this.#descriptors) {
      if (number === segment && number > this.#options.progress.retired) continue;
      this.#descriptors.delete(number);
      await tolerate(this.#files.close(fd));
    }
  }
}
