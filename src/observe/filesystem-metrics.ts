/** The metrics of the filesystem itself, in every mode: what it did, and what it holds. */
import {
  errorNames,
  type FilesystemCounters,
  incompleteOutcomes,
  operationBounds,
  operationNames,
  refusalNames,
} from './filesystem-counters.ts';
import type { DiskNumbers, FileNumbers, FilesystemSource } from './measurements.ts';
import type { MetricRegistry } from './registry.ts';

export class FilesystemMetrics {
  #source: FilesystemSource | undefined;
  #files: FileNumbers | undefined;
  #disk: DiskNumbers | undefined;

  constructor(registry: MetricRegistry) {
    registry.computedCounters(
      'sessionfs_operations_total',
      'Calls of applications on the mount that were answered, by operation.',
      'operation',
      operationNames,
      (name) => this.#sum((counters) => total(counters.operationCounts(name).counts)),
    );
    registry.computedCounters(
      'sessionfs_operation_errors_total',
      'Those of them that failed, by error; ENOENT, EEXIST and other are mostly what the application expects.',
      'error',
      errorNames,
      (name) => this.#sum((counters) => counters.errorCount(name)),
    );
    registry.computedHistogram({
      name: 'sessionfs_operation_duration_seconds',
      help: 'How long they took from the request to the reply, waits included, by operation.',
      label: 'operation',
      values: operationNames,
      bounds: operationBounds,
      read: (name) => ({
        sum: this.#sum((counters) => counters.operationCounts(name).seconds),
        counts: [...operationBounds, Number.POSITIVE_INFINITY].map((_, bucket) =>
          this.#sum((counters) => counters.operationCounts(name).counts[bucket] ?? 0),
        ),
      }),
    });
    registry.computedCounters(
      'sessionfs_incomplete_json_total',
      'Incomplete JSON that did not become a version, by outcome: given-up (dropped after 10 s), rename-refused (the caller got EIO).',
      'outcome',
      incompleteOutcomes,
      (name) => this.#sum((counters) => counters.incompleteCount(name)),
    );
    registry.computedCounter(
      'sessionfs_shared_sessions_total',
      'Times that two living processes of this machine wrote one session in turns.',
      () => this.sharedSessions,
    );
    registry.computedCounters(
      'sessionfs_refused_files_total',
      'Files whose content was refused, by reason: why it does not open, or disk (it cannot be read).',
      'reason',
      refusalNames,
      (name) => this.#sum((counters) => counters.refusalCount(name)),
    );
    registry.computedGauge(
      'sessionfs_files',
      'Files in the mount; for a while after a start with many files, those counted so far.',
      () => this.#files?.files,
    );
    registry.computedGauge(
      'sessionfs_held_back_files',
      'Files whose newest content is incomplete JSON: readers see the version before.',
      () => this.#files?.heldBack,
    );
    registry.computedGauge(
      'sessionfs_journal_bytes',
      'Bytes of the journal: changes that are not in the cache yet.',
      () => this.#disk?.journalBytes,
    );
    registry.computedGauge(
      'sessionfs_cache_bytes',
      'Bytes of all other files of the cache; measured now and then.',
      () => this.#disk?.cacheBytes,
    );
    registry.computedGauge(
      'sessionfs_cache_free_bytes',
      'Room that is left on the disk of the cache.',
      () => this.#disk?.freeBytes,
    );
    registry.computedGauge(
      'sessionfs_trash_sessions',
      'Removed sessions that can be brought back from the cache.',
      () => this.#disk?.trash?.sessions,
    );
    registry.computedGauge(
      'sessionfs_trash_archives',
      'Archives of removed sessions in the cache; a session that was removed twice has two.',
      () => this.#disk?.trash?.archives,
    );
    registry.computedGauge(
      'sessionfs_trash_bytes',
      'Bytes of these archives, which are a part of sessionfs_cache_bytes; measured now and then.',
      () => this.#disk?.trash?.bytes,
    );
  }

  source(source: FilesystemSource): void {
    this.#source = source;
  }

  /** Before a scrape. Returns what the thread that serves knows; undefined: it does not answer. */
  async refresh(): Promise<FileNumbers | undefined> {
    [this.#files, this.#disk] = await Promise.all([this.#source?.files(), this.#source?.disk()]);
    return this.#files;
  }

  /** Of applications that were answered. */
  get calls(): number {
    return this.#sum((counters) =>
      total(operationNames.map((name) => total(counters.operationCounts(name).counts))),
    );
  }

  get sharedSessions(): number {
    return this.#sum((counters) => counters.sharedSessions);
  }

  /** As of the last refresh. */
  get disk(): DiskNumbers | undefined {
    return this.#disk;
  }

  #sum(read: (counters: FilesystemCounters) => number): number {
    return total((this.#source?.counters ?? []).map(read));
  }
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
