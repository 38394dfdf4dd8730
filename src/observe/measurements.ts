/** What the layers report to the metrics, and what these ask them. */
import type { FilesystemCounters } from './filesystem-counters.ts';

/** Of one session and one round. What went out before a round failed counts too. */
export interface BackupCounts {
  readonly files: number;
  readonly bytes: number;
  readonly deletes: number;
}

/** corrupt: it came, apart from files that were refused. failure: it did not come, and is tried again. */
export type RestoreResult = 'success' | 'corrupt' | 'failure';

/** One request to the bucket, as its driver reports it. */
export interface BucketRequest {
  readonly operation: 'list' | 'get' | 'head' | 'put' | 'delete' | 'config';
  /** As it is charged. */
  readonly class: 'A' | 'B' | 'free';
  readonly result:
    | 'ok'
    | 'missing'
    | 'precondition'
    | 'permission'
    | 'throttled'
    | 'unreachable'
    | 'corrupt'
    | 'rejected';
  /** Of content, sent or received. */
  readonly bytes: number;
  readonly ms: number;
}

/** What the thread that serves the mount knows of its files. */
export interface FileNumbers {
  readonly sessions: number;
  readonly files: number;
  /** Not in the cache yet. */
  readonly dirty: number;
  readonly heldBack: number;
  /** The first of them. */
  readonly longestHeldBack?: readonly HeldBackFile[];
}

interface HeldBackFile {
  readonly file: string;
  readonly bytes: number;
  /** When it was last changed, ISO 8601. */
  readonly since: string;
}

/** Where the numbers of the filesystem come from. */
export interface FilesystemSource {
  /** Of each thread that counts. */
  readonly counters: readonly FilesystemCounters[];
  /** Undefined: the thread that serves the mount does not answer. */
  files(): Promise<FileNumbers | undefined>;
  /** Each undefined: not known. */
  disk(): Promise<DiskNumbers>;
}

export interface DiskNumbers {
  readonly journalBytes: number | undefined;
  readonly cacheBytes: number | undefined;
  readonly freeBytes: number | undefined;
  /** Of removed sessions, in the cache. */
  readonly trash?:
    | { readonly archives: number; readonly sessions: number; readonly bytes: number }
    | undefined;
}

/** Asked at each scrape; cheap, and never throwing. */
export interface MetricsSource {
  /** Files whose newest version is not in the bucket. */
  dirtyFiles(): number;
  /** For how long the oldest of them has been so; undefined: there is none. */
  oldestDirtyMs(): number | undefined;
  /** local: their files are here. remote: they are in the bucket only. */
  sessions(): { readonly local: number; readonly remote: number };
  /** In the bucket, as far as this mount knows. */
  storageBytes(): number;
  storageObjects(): number;
  /** Sessions that are not here yet and for which a caller waits. */
  waiting(): number;
  leaseWaiting(): number;
  /** 1: nothing is wrong with the bucket. 0: it refuses, or does not answer. */
  bucketUsable(): number;
}

export interface DaemonFacts {
  readonly version: string;
  readonly mode: string;
  readonly driver: string;
  /** How often a daemon of this mount was replaced because it had died. */
  readonly restarts: number;
}

export type LeaseHow = 'already' | 'created' | 'released' | 'taken-over';

export interface Sample {
  /** Where it is not the metric's: of a histogram, with `_bucket`, `_sum` or `_count`. */
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Its numbers as they are at a scrape. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  samples(): readonly Sample[];
}
