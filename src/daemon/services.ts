/** What a daemon offers besides the mount: the sessions' remote side if there is a bucket, health pages and metrics. */
import type { Keyring } from '../crypto/keyring.ts';
import type { CoreClient } from '../drivers/host/core-client.ts';
import type { CoreData, DaemonMessage, RemoteMessage } from '../drivers/host/messages.ts';
import { systemClock } from '../lib/clock.ts';
import { inTime } from '../lib/in-time.ts';
import { messageOf } from '../lib/system-error.ts';
import { version } from '../lib/version.ts';
import type { FilesystemCounters } from '../observe/filesystem-counters.ts';
import { type HttpServer, serveHttp } from '../observe/http.ts';
import type { HttpPages, Readiness } from '../observe/http-pages.ts';
import type { Logger } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import type { StatusReport } from '../observe/status-page/report.ts';
import { StatusPage } from '../observe/status-page/status-page.ts';
import type { ThreadSide } from '../remote/kernel-side.ts';
import { type OpenedRemote, openRemote } from '../remote/open.ts';
import type { Cache } from '../store/cache/cache.ts';
import { CacheUsage } from '../store/cache/usage.ts';
import type { JournalRest } from '../store/checkpoint/schedule.ts';
import { Trash, trashUsage } from '../store/checkpoint/trash.ts';
import type { DaemonStart } from '../supervisor/messages.ts';
import { httpToken } from './http-token.ts';
import { mountReportOf } from './status.ts';

export interface CacheAtEnd {
  isComplete: boolean;
  lacking: JournalRest;
}

type StartedOver = Extract<DaemonMessage, { type: 'started-over' }>;

export interface DaemonServicesParts {
  start: DaemonStart;
  cache: Cache;
  keyring: Keyring;
  log: Logger;
}

const LATER = 'Not everything is in the bucket: it is in the cache, and goes out at the next start';
/** Cloud mode only. Every lost write had already failed with an error to its caller. */
const LOST =
  'Not everything is in the bucket, and nothing is kept here: what the bucket did not take is lost';

/** A scrape does not wait longer for the thread that serves the mount. */
const FILES_MS = 500;

type Phase = 'starting' | 'serving' | 'stopping';

export class DaemonServices {
  readonly #log: Logger;
  readonly #shutdownTimeoutMs: number;
  readonly #trashDays: number;
  /** Cloud mode: the journal and cache live in memory only. */
  readonly #isVolatile: boolean;
  readonly #remote: OpenedRemote;
  readonly #metrics: Metrics;
  readonly #usage: CacheUsage;
  readonly #startedAt = new Date(systemClock.wallMs()).toISOString();
  #http: HttpServer | undefined;
  #thread: CoreClient | undefined;
  #phase: Phase = 'starting';
  #deadlineMs: number | undefined;

  /** From here on the HTTP endpoints serve probes. Rejects with HTTP_ADDRESS_UNAVAILABLE and system errors of the cache. */
  static async open({ start, cache, keyring, log }: DaemonServicesParts): Promise<DaemonServices> {
    const { config, mountPoint, restarts } = start;
    const metrics = new Metrics();
    metrics.daemon({ version, mode: config.storageType, driver: start.driver, restarts });
    const takeover = start.takeover !== undefined;
    const remote = await openRemote({ config, mountPoint, cache, keyring, metrics, log, takeover });
    const usage = new CacheUsage({
      ...{ cachePath: cache.path, journalDirectory: cache.journalDirectory },
      trash: () => trashUsage(cache.path),
    });
    const services = new DaemonServices(start, { remote, metrics, usage, log });
    services.#http = await servePages(start, log, () => services.#pages(start));
    return services;
  }

  /** Throws CONFIG_INVALID for want of a token. */
  #pages(start: DaemonStart): HttpPages {
    const statusPage = new StatusPage({
      report: () => this.#report(start),
      token: httpToken(start.config, start.secrets),
      wallMs: systemClock.wallMs,
      log: this.#log,
    });
    return { metrics: this.#metrics, health: () => true, ready: () => this.#readiness(), statusPage };
  }

  async #report(start: DaemonStart): Promise<StatusReport> {
    const remote = this.#remote.sessions?.report();
    const overview = await this.#metrics.overview();
    return {
      mount: { ...mountReportOf(start, this.#startedAt), bucket: remote?.bucket.address },
      readiness: this.#known(),
      ...overview,
      sessions: remote?.backups,
    };
  }

  private constructor(
    { config }: DaemonStart,
    {
      remote,
      metrics,
      usage,
      log,
    }: { remote: OpenedRemote; metrics: Metrics; usage: CacheUsage; log: Logger },
  ) {
    this.#usage = usage;
    this.#shutdownTimeoutMs = config.shutdownTimeoutMs;
    this.#isVolatile = config.cacheInMemory;
    this.#trashDays = config.trashDays;
    this.#remote = remote;
    this.#metrics = metrics;
    this.#log = log;
  }

  /** What the kernel thread must know of the bucket; undefined in local mode. */
  get threadData(): CoreData['bucket'] {
    return this.#remote.sessions?.threadData;
  }

  /** See Remote.noteCheckpoint. */
  get noteCheckpoint(): OpenedRemote['noteCheckpoint'] {
    return this.#remote.noteCheckpoint;
  }

  /** Where sessions go that applications remove; undefined: they are gone. */
  trashOf(cache: Cache): Trash | undefined {
    const days = this.#trashDays;
    if (days === 0 || (this.#isVolatile && this.#remote.trash === undefined)) return undefined;
    const kept = (name: string, replaced: string | undefined) => this.#remote.trash?.add(name, replaced);
    return new Trash({ cache, days, nowMs: systemClock.wallMs, log: this.#log, kept });
  }

  /** The thread is loaded. */
  connect(side: ThreadSide, counters: readonly FilesystemCounters[]): void {
    this.#thread = side.thread;
    this.#metrics.filesystem({
      counters,
      files: () => inTime(side.thread.measure(), FILES_MS, undefined),
      disk: () => this.#usage.read(),
    });
    this.#remote.sessions?.connect(side);
  }

  /** Before a new mount is served: compares with the bucket, as far as that answers in time. */
  async prepare(): Promise<void> {
    await this.#remote.sessions?.prepare();
  }

  /** The mount is served. */
  start(): void {
    this.#phase = 'serving';
    this.#remote.sessions?.start();
    this.#remote.keptVersions?.start();
    this.#remote.trash?.start();
  }

  hear(message: RemoteMessage): void {
    this.#remote.sessions?.hear(message);
  }

  startedOver({ how, keptAs }: StartedOver): void {
    if (how === 'replaced') this.#metrics.freshRegistration();
    else this.#metrics.credentialsRemoved();
    this.#remote.keptVersions?.add(keptAs);
  }

  /** Everything that was committed goes to the bucket, as far as that can be done within SESSION_SHUTDOWN_TIMEOUT. */
  async flushBeforeUnmount(): Promise<void> {
    this.#phase = 'stopping';
    this.#deadlineMs = performance.now() + this.#shutdownTimeoutMs;
    await this.#remote.sessions?.flushBefore(this.#deadlineMs);
  }

  /**
   * Flushes what was written while the last flush ran, then releases the leases. Nothing is committed any more. Returns how
   * many files the bucket still lacks, as far as the cache knows them. `isComplete`: the cache has all that was written.
   * `lacking`: see JournalRest.
   */
  async flushTheRest({ isComplete, lacking }: CacheAtEnd): Promise<number> {
    this.#phase = 'stopping';
    const { sessions, keptVersions } = this.#remote;
    if (sessions === undefined) return 0;
    const deadlineMs = this.#deadlineMs ?? performance.now() + this.#shutdownTimeoutMs;
    const files = await sessions.flushBefore(deadlineMs, { isComplete });
    await keptVersions?.settled(deadlineMs);
    if (files > 0) {
      const fields = { files, sessions: this.#remote.dirtySessions().slice(0, 10) };
      if (this.#isVolatile) this.#log.error(fields, LOST);
      else this.#log.warn(fields, LATER);
    }
    await sessions.release(deadlineMs, lacking);
    return files;
  }

  /** Whether an application may be started, or sent to, now: the mount answers, and the sessions are known. */
  async #readiness(): Promise<Readiness> {
    const known = this.#known();
    if (known.ready) await this.#thread?.send('ping');
    return known;
  }

  /** Without a question to the thread that serves the mount. */
  #known(): Readiness {
    if (this.#phase !== 'serving') return { ready: false, reason: `the mount is ${this.#phase}` };
    const reason = this.#remote.sessions?.notReady;
    if (reason !== undefined) return { ready: false, reason };
    const warning = this.#remote.sessions?.warning;
    return { ready: true, ...(warning === undefined ? {} : { warning }) };
  }

  async end(): Promise<void> {
    await this.#http?.close();
    await this.#remote.close();
  }
}

/**
 * Undefined where no address is configured. Rejects with HTTP_ADDRESS_UNAVAILABLE and CONFIG_INVALID, but not when a mount is taken
 * over: a mount does not end for want of an address.
 */
async function servePages(
  { config, takeover }: DaemonStart,
  log: Logger,
  pages: () => HttpPages,
): Promise<HttpServer | undefined> {
  if (config.httpAddress === undefined) return undefined;
  try {
    return await serveHttp(config.httpAddress, pages(), log);
  } catch (error) {
    if (takeover === undefined) throw error;
    log.error({ error: messageOf(error) }, 'Health and metrics are not served any more');
    return undefined;
  }
}
