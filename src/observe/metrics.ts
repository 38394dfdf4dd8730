/** The daemon's counters, by methods whose arguments are the only values that a label can have. docs/operations.md lists the metrics. */
import { FilesystemMetrics } from './filesystem-metrics.ts';
import type {
  BackupCounts,
  BucketRequest,
  DaemonFacts,
  DiskNumbers,
  FileNumbers,
  FilesystemSource,
  LeaseHow,
  MetricsSource,
  RestoreResult,
  Sample,
} from './measurements.ts';
import { addProcessMetrics } from './process-metrics.ts';
import { MetricRegistry } from './registry.ts';

const RESTORE_BUCKETS_S = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const REQUEST_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];
const MS = 1e-3;
/** Of what `render` gives. */
const TEXT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
/** Results of requests that say something of one object, and nothing of the bucket. */
const NORMAL_RESULTS = ['ok', 'missing', 'precondition'];

/** Since the daemon's start. */
interface MetricTotals {
  readonly backups: number;
  readonly backupFailures: number;
  readonly backupFiles: number;
  readonly backupBytes: number;
  readonly restores: number;
  readonly restoreFailures: number;
  readonly requests: number;
  /** By result, those that are no normal ones. */
  readonly requestErrors: Readonly<Record<string, number>>;
  readonly conflicts: number;
  readonly freshRegistrations: number;
  readonly credentialsRemoved: number;
  readonly leasesLost: number;
  readonly calls: number;
  readonly sharedSessions: number;
}

/** What the status page shows. */
export interface Overview {
  readonly totals: MetricTotals;
  /** Undefined: the thread that serves the mount does not answer. */
  readonly files: FileNumbers | undefined;
  readonly disk: DiskNumbers | undefined;
}

export class Metrics {
  readonly #registry = new MetricRegistry();
  #source: MetricsSource | undefined;

  readonly #backups = this.#registry.counter(
    'sessionfs_backups_total',
    'Backups of one session, by result: success, failure.',
    {
      result: ['success', 'failure'],
    },
  );
  readonly #backupFiles = this.#registry.counter('sessionfs_backup_files_total', 'Files that were uploaded.');
  readonly #backupBytes = this.#registry.counter(
    'sessionfs_backup_bytes_total',
    'Sealed bytes that were uploaded.',
  );
  readonly #backupDeletes = this.#registry.counter(
    'sessionfs_backup_deletes_total',
    'Objects that were deleted because their files were.',
  );
  readonly #restores = this.#registry.counter(
    'sessionfs_restores_total',
    'Attempts to restore a session, by result: success, corrupt (without the objects that did not open), failure.',
    {
      result: ['success', 'corrupt', 'failure'],
    },
  );
  readonly #restoreSeconds = this.#registry.histogram(
    'sessionfs_restore_duration_seconds',
    'From the first touch of a session until it was there.',
    RESTORE_BUCKETS_S,
  );
  readonly #requests = this.#registry.counter(
    'sessionfs_bucket_operations_total',
    'Requests to the bucket, by operation, class (as charged: A, B, free) and result (ok, or what failed).',
    {
      operation: [],
      class: [],
      result: [],
    },
  );
  readonly #requestSeconds = this.#registry.histogram(
    'sessionfs_bucket_operation_duration_seconds',
    'How long a request to the bucket took, by operation.',
    REQUEST_BUCKETS_S,
    { operation: [] },
  );
  readonly #requestBytes = this.#registry.counter(
    'sessionfs_bucket_bytes_total',
    'Content that requests carried, by operation: put, get.',
    { operation: ['put', 'get'] },
  );
  readonly #conflicts = this.#registry.counter(
    'sessionfs_conflicts_total',
    'Sessions that had changed both here and in the bucket.',
  );
  readonly #quarantined = this.#registry.counter(
    'sessionfs_set_aside_files_total',
    'Files that lost such a conflict and are kept beside the cache.',
  );
  readonly #refreshed = this.#registry.counter(
    'sessionfs_lifecycle_refreshed_total',
    'Objects that were uploaded again before a rule of the bucket deletes them by age.',
  );
  readonly #freshRegistrations = this.#registry.counter(
    'sessionfs_fresh_registrations_total',
    'Times that an application replaced the credentials of a registered account by others: it started over.',
  );
  readonly #credentialsRemoved = this.#registry.counter(
    'sessionfs_credentials_removed_total',
    'Times that the credentials of a registered account were removed and other files of its session were not.',
  );
  readonly #leases = this.#registry.counter(
    'sessionfs_leases_total',
    'Sessions whose lease this mount got, by how: already, created, released, taken-over.',
    { how: ['already', 'created', 'released', 'taken-over'] },
  );
  readonly #leaseWaits = this.#registry.counter(
    'sessionfs_lease_wait_seconds_total',
    'For how long sessions were waited for that another mount held.',
  );
  readonly #leasesLost = this.#registry.counter(
    'sessionfs_leases_lost_total',
    'Sessions that another mount has taken over from this one.',
  );
  readonly #restarts = this.#registry.counter(
    'sessionfs_daemon_restarts_total',
    'Daemons of this mount that died and were replaced.',
  );
  readonly #filesystem: FilesystemMetrics;
  #build: Omit<DaemonFacts, 'restarts'> | undefined;
  #files: FileNumbers | undefined;

  constructor() {
    const registry = this.#registry;
    registry.computedGauges('sessionfs_build_info', 'Always 1; labels: version, mode, driver.', () =>
      this.#build === undefined ? [] : [{ labels: { ...this.#build }, value: 1 }],
    );
    const asked = (name: string, help: string, value: (source: MetricsSource) => number) =>
      registry.computedGauge(name, help, () =>
        this.#source === undefined ? undefined : value(this.#source),
      );
    this.#filesystem = new FilesystemMetrics(registry);
    registry.computedGauge(
      'sessionfs_dirty_files',
      'Files whose newest version is not in the bucket yet (in local mode: in the cache); in hybrid mode changes of the last 10 s may be missing.',
      () => this.#source?.dirtyFiles() ?? this.#files?.dirty,
    );
    asked(
      'sessionfs_dirty_oldest_age_seconds',
      'For how long the oldest of them has waited; 0 when there is none.',
      (source) => (source.oldestDirtyMs() ?? 0) * MS,
    );
    asked('sessionfs_restore_waiting', 'Sessions that a caller waits for.', (source) => source.waiting());
    asked('sessionfs_lease_waiting', 'Sessions that a caller waits for and another mount holds.', (source) =>
      source.leaseWaiting(),
    );
    asked(
      'sessionfs_bucket_usable',
      'Whether the bucket serves requests: 1, or 0 if it refuses or does not answer.',
      (source) => source.bucketUsable(),
    );
    asked('sessionfs_storage_bytes', 'Sealed bytes in the bucket.', (source) => source.storageBytes());
    asked('sessionfs_storage_objects', 'Objects in the bucket.', (source) => source.storageObjects());
    registry.computedGauges(
      'sessionfs_sessions',
      'Sessions, by state: local (their files are here), remote (in the bucket only).',
      () => this.#sessions(),
    );
    addProcessMetrics(registry);
  }

  get contentType(): string {
    return TEXT_TYPE;
  }

  /** Where the numbers of the bucket come from; without one they have no samples, as in local mode. */
  source(source: MetricsSource): void {
    this.#source = source;
  }

  /** Where the numbers of the filesystem come from; before, its counters are 0. */
  filesystem(source: FilesystemSource): void {
    this.#filesystem.source(source);
  }

  /** Called once. */
  daemon({ version, mode, driver, restarts }: DaemonFacts): void {
    this.#build = { version, mode, driver };
    this.#restarts.add({}, restarts);
  }

  backup(result: 'success' | 'failure', { files, bytes, deletes }: BackupCounts): void {
    this.#backups.add({ result });
    this.#backupFiles.add({}, files);
    this.#backupBytes.add({}, bytes);
    this.#backupDeletes.add({}, deletes);
  }

  /** `ms`: since the first touch. An attempt that failed has no place in the histogram: the session is not there yet. */
  restore(result: RestoreResult, ms: number): void {
    this.#restores.add({ result });
    if (result !== 'failure') this.#restoreSeconds.observe({}, ms * MS);
  }

  bucketOperation({ operation, class: charged, result, bytes, ms }: BucketRequest): void {
    this.#requests.add({ operation, class: charged, result });
    this.#requestSeconds.observe({ operation }, ms * MS);
    if (operation === 'put' || operation === 'get') this.#requestBytes.add({ operation }, bytes);
  }

  /** Of one session; `quarantined`: its files that lost, kept beside the cache. */
  conflict(quarantined: number): void {
    this.#conflicts.add({});
    this.#quarantined.add({}, quarantined);
  }

  credentialsRemoved(): void {
    this.#credentialsRemoved.add({});
  }

  freshRegistration(): void {
    this.#freshRegistrations.add({});
  }

  leaseAcquired(how: LeaseHow, waitedMs: number): void {
    this.#leases.add({ how });
    this.#leaseWaits.add({}, waitedMs * MS);
  }

  leaseLost(): void {
    this.#leasesLost.add({});
  }

  lifecycleRefreshed(objects: number): void {
    this.#refreshed.add({}, objects);
  }

  /** Costs as much as a scrape. */
  async overview(): Promise<Overview> {
    const files = await this.#filesystem.refresh();
    const { calls, sharedSessions, disk } = this.#filesystem;
    return { totals: { ...this.#totals(), calls, sharedSessions }, files, disk };
  }

  #totals(): Omit<MetricTotals, 'calls' | 'sharedSessions'> {
    const requestErrors: Record<string, number> = {};
    for (const { labels, value } of this.#requests.samples()) {
      const { result } = labels;
      if (!NORMAL_RESULTS.includes(result)) requestErrors[result] = (requestErrors[result] ?? 0) + value;
    }
    const restores = {
      failure: this.#restores.total({ result: 'failure' }),
      corrupt: this.#restores.total({ result: 'corrupt' }),
    };
    return {
      backups: this.#backups.total({ result: 'success' }),
      backupFailures: this.#backups.total({ result: 'failure' }),
      backupFiles: this.#backupFiles.total(),
      backupBytes: this.#backupBytes.total(),
      restores: this.#restores.total({ result: 'success' }),
      restoreFailures: restores.failure + restores.corrupt,
      requests: this.#requests.total(),
      requestErrors,
      conflicts: this.#conflicts.total(),
      freshRegistrations: this.#freshRegistrations.total(),
      credentialsRemoved: this.#credentialsRemoved.total(),
      leasesLost: this.#leasesLost.total(),
    };
  }

  /** In the text format of Prometheus. */
  async render(): Promise<string> {
    this.#files = await this.#filesystem.refresh();
    return await this.#registry.render();
  }

  #sessions(): readonly Sample[] {
    const sessions = this.#source?.sessions() ?? localSessions(this.#files);
    if (sessions === undefined) return [];
    const { local, remote } = sessions;
    return [
      { labels: { state: 'local' }, value: local },
      { labels: { state: 'remote' }, value: remote },
    ];
  }
}

/** In local mode all of them are here. */
function localSessions(files: FileNumbers | undefined): { local: number; remote: number } | undefined {
  return files && { local: files.sessions, remote: 0 };
}
