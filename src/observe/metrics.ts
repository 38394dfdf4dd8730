/** The daemon's counters, by methods whose arguments are the only values that a label can have. docs/operations.md lists the metrics. */
import { type Counter, Gauge, Histogram } from 'prom-client';
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
} from './measurements.ts';
import { addProcessMetrics } from './process-metrics.ts';
import { MetricRegistry } from './registry.ts';

const RESTORE_BUCKETS_S = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const REQUEST_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];
const MS = 1e-3;
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
  readonly #restoreSeconds = new Histogram({
    name: 'sessionfs_restore_duration_seconds',
    help: 'From the first touch of a session until it was there.',
    buckets: RESTORE_BUCKETS_S,
    registers: [this.#registry],
  });
  readonly #requests = this.#registry.counter(
    'sessionfs_bucket_operations_total',
    'Requests to the bucket, by operation, class (as charged: A, B, free) and result (ok, or what failed).',
    {
      operation: [],
      class: [],
      result: [],
    },
  );
  readonly #requestSeconds = new Histogram({
    name: 'sessionfs_bucket_operation_duration_seconds',
    help: 'How long a request to the bucket took, by operation.',
    buckets: REQUEST_BUCKETS_S,
    labelNames: ['operation'],
    registers: [this.#registry],
  });
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
  readonly #build = new Gauge({
    name: 'sessionfs_build_info',
    help: 'Always 1; labels: version, mode, driver.',
    labelNames: ['version', 'mode', 'driver'],
    registers: [this.#registry],
  });
  readonly #sessions: Gauge<'state'>;
  readonly #filesystem: FilesystemMetrics;
  #files: FileNumbers | undefined;

  constructor() {
    const registry = this.#registry;
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
    this.#sessions = new Gauge({
      name: 'sessionfs_sessions',
      help: 'Sessions, by state: local (their files are here), remote (in the bucket only).',
      labelNames: ['state'],
      registers: [registry],
    });
    addProcessMetrics(registry);
  }

  /** For the `Content-Type` of what `render` gives. */
  get contentType(): string {
    return this.#registry.contentType;
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
    this.#build.set({ version, mode, driver }, 1);
    this.#restarts.inc(restarts);
  }

  backup(result: 'success' | 'failure', { files, bytes, deletes }: BackupCounts): void {
    this.#backups.inc({ result });
    this.#backupFiles.inc(files);
    this.#backupBytes.inc(bytes);
    this.#backupDeletes.inc(deletes);
  }

  /** `ms`: since the first touch. An attempt that failed has no place in the histogram: the session is not there yet. */
  restore(result: RestoreResult, ms: number): void {
    this.#restores.inc({ result });
    if (result !== 'failure') this.#restoreSeconds.observe(ms * MS);
  }

  bucketOperation({ operation, class: charged, result, bytes, ms }: BucketRequest): void {
    this.#requests.inc({ operation, class: charged, result });
    this.#requestSeconds.observe({ operation }, ms * MS);
    if (operation === 'put' || operation === 'get') this.#requestBytes.inc({ operation }, bytes);
  }

  /** Of one session; `quarantined`: its files that lost, kept beside the cache. */
  conflict(quarantined: number): void {
    this.#conflicts.inc();
    this.#quarantined.inc(quarantined);
  }

  credentialsRemoved(): void {
    this.#credentialsRemoved.inc();
  }

  freshRegistration(): void {
    this.#freshRegistrations.inc();
  }

  leaseAcquired(how: LeaseHow, waitedMs: number): void {
    this.#leases.inc({ how });
    this.#leaseWaits.inc(waitedMs * MS);
  }

  leaseLost(): void {
    this.#leasesLost.inc();
  }

  lifecycleRefreshed(objects: number): void {
    this.#refreshed.inc(objects);
  }

  /** Costs as much as a scrape. */
  async overview(): Promise<Overview> {
    const files = await this.#filesystem.refresh();
    const { calls, sharedSessions, disk } = this.#filesystem;
    return { totals: { ...(await this.#totals()), calls, sharedSessions }, files, disk };
  }

  async #totals(): Promise<Omit<MetricTotals, 'calls' | 'sharedSessions'>> {
    const by = async (counter: Counter<'result'>, result: string) =>
      (await counter.get()).values.find(({ labels }) => labels.result === result)?.value ?? 0;
    const sum = async (counter: Counter<string>) =>
      (await counter.get()).values.reduce((total, { value }) => total + value, 0);
    const requestErrors: Record<string, number> = {};
    for (const { labels, value } of (await this.#requests.get()).values) {
      const result = String(labels.result);
      if (!NORMAL_RESULTS.includes(result)) requestErrors[result] = (requestErrors[result] ?? 0) + value;
    }
    return {
      backups: await by(this.#backups, 'success'),
      backupFailures: await by(this.#backups, 'failure'),
      backupFiles: await sum(this.#backupFiles),
      backupBytes: await sum(this.#backupBytes),
      restores: await by(this.#restores, 'success'),
      restoreFailures: (await by(this.#restores, 'failure')) + (await by(this.#restores, 'corrupt')),
      requests: await sum(this.#requests),
      requestErrors,
      conflicts: await sum(this.#conflicts),
      freshRegistrations: await sum(this.#freshRegistrations),
      credentialsRemoved: await sum(this.#credentialsRemoved),
      leasesLost: await sum(this.#leasesLost),
    };
  }

  /** In the text format of Prometheus. */
  async render(): Promise<string> {
    this.#files = await this.#filesystem.refresh();
    const sessions = this.#source?.sessions() ?? localSessions(this.#files);
    if (sessions === undefined) this.#sessions.reset();
    else {
      this.#sessions.set({ state: 'local' }, sessions.local);
      this.#sessions.set({ state: 'remote' }, sessions.remote);
    }
    return this.#registry.metrics();
  }
}

/** In local mode all of them are here. */
function localSessions(files: FileNumbers | undefined): { local: number; remote: number } | undefined {
  return files && { local: files.sessions, remote: 0 };
}
