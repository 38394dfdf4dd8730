/** What a daemon has to do with the world outside the machine: its bucket, if it has one, and whoever probes and scrapes it. */
import type { Bucket } from '../bucket/bucket.ts';
import { openBucket } from '../bucket/open.ts';
import type { Config } from '../config/load.ts';
import type { Keyring } from '../crypto/keyring.ts';
import type { KernelThreadClient } from '../drivers/host/core-client.ts';
import type { KernelThreadData } from '../drivers/host/messages.ts';
import type { StartedOver } from '../fs/state/registrations.ts';
import { version } from '../lib/version.ts';
import type { HttpServer } from '../observe/http.ts';
import type { Readiness } from '../observe/http-pages.ts';
import type { Logger } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import { openLedger } from '../remote/open-ledger.ts';
import { BucketKeeper, type FromThread, type ThreadSide } from '../remote/remote-sessions.ts';
import type { Cache } from '../store/cache/cache.ts';
import type { CheckpointPlan } from '../store/checkpoint/plan.ts';
import type { DaemonStart } from '../supervisor/messages.ts';
import { SetAsideUploads } from '../sync/kept-version-uploads.ts';
import type { Ledger } from '../sync/ledger/ledger.ts';
import { noteCheckpoint } from '../sync/ledger/note-checkpoint.ts';
import { serveObservations } from './http.ts';

export interface OutsideParts {
  start: DaemonStart;
  cache: Cache;
  keyring: Keyring;
  log: Logger;
}

const LATER = 'Not everything is in the bucket: it is in the cache, and goes out at the next start';
/** Whoever wrote it was told: no call that returned without an error is among it. */
const LOST =
  'Not everything is in the bucket, and nothing is kept here: what the bucket did not take is lost';

type Phase = 'starting' | 'serving' | 'stopping';

export class Outside {
  readonly #log: Logger;
  readonly #shutdownTimeoutMs: number;
  /** No disk has what memory has. */
  readonly #keepsNothing: boolean;
  readonly #ledger: Ledger | undefined;
  readonly #keeper: BucketKeeper | undefined;
  readonly #setAside: SetAsideUploads | undefined;
  readonly #metrics: Metrics;
  #http: HttpServer | undefined;
  #thread: KernelThreadClient | undefined;
  #phase: Phase = 'starting';
  #deadlineMs: number | undefined;

  /** Asks for the bucket's listing, and answers probes. Rejects with HTTP_ADDRESS_UNAVAILABLE and system errors of the cache. */
  static async open(parts: OutsideParts): Promise<Outside> {
    const { start, cache, keyring, log } = parts;
    const { config, restarts } = start;
    const metrics = new Metrics();
    metrics.daemon({ version, mode: config.storageType, driver: start.driver, restarts });
    const bucket = await bucketOf(config, metrics);
    const ledger = openLedger(config, cache, bucket, log);
    const takeover = start.takeover !== undefined;
    const keeper =
      bucket === undefined || ledger === undefined
        ? undefined
        : new BucketKeeper({
            config,
            mountPoint: start.mountPoint,
            bucket,
            ledger,
            cache,
            keyring,
            metrics,
            log,
            takeover,
          });
    const setAside = bucket && new SetAsideUploads({ bucket, cachePath: cache.path, log });
    const outside = new Outside(config, log, metrics, ledger, keeper, setAside);
    const ready = () => outside.#readiness();
    outside.#http = await serveObservations(start, { metrics, health: () => true, ready }, log);
    return outside;
  }

  private constructor(
    config: Config,
    log: Logger,
    metrics: Metrics,
    ledger: Ledger | undefined,
    keeper: BucketKeeper | undefined,
    setAside: SetAsideUploads | undefined,
  ) {
    this.#shutdownTimeoutMs = config.shutdownTimeoutMs;
    this.#keepsNothing = config.cacheInMemory;
    this.#log = log;
    this.#ledger = ledger;
    this.#keeper = keeper;
    this.#metrics = metrics;
    this.#setAside = setAside;
  }

  /** What the kernel thread must know of the bucket; undefined in local mode. */
  get threadData(): KernelThreadData['bucket'] {
    return this.#keeper?.threadData;
  }

  /** For the checkpointer: also in local mode what changes is noted, if this cache was ever used with a bucket. */
  get onApplied(): ((plan: CheckpointPlan) => Promise<void>) | undefined {
    const ledger = this.#ledger;
    return ledger && ((plan) => noteCheckpoint(ledger, plan));
  }

  /** The thread is loaded. */
  connect(side: ThreadSide): void {
    this.#thread = side.thread;
    this.#keeper?.connect(side);
  }

  /** Before a new mount is served: compares with the bucket, as far as that answers in time. */
  async prepare(): Promise<void> {
    await this.#keeper?.prepare();
  }

  /** The mount is served. */
  start(): void {
    this.#phase = 'serving';
    this.#keeper?.start();
    this.#setAside?.start();
  }

  hear(message: FromThread): void {
    this.#keeper?.hear(message);
  }

  startedOver({ keptAs }: StartedOver): void {
    this.#metrics.freshRegistration();
    this.#setAside?.add(keptAs);
  }

  /** Everything that was committed goes to the bucket, as far as that can be done within SESSION_SHUTDOWN_TIMEOUT. */
  async flushBeforeUnmount(): Promise<void> {
    this.#phase = 'stopping';
    this.#deadlineMs = performance.now() + this.#shutdownTimeoutMs;
    await this.#keeper?.flushBefore(this.#deadlineMs, false);
  }

  /** What was written while the last flush ran. Nothing is committed any more. Answers how many files did not go. */
  async flushTheRest(): Promise<number> {
    this.#phase = 'stopping';
    if (this.#keeper === undefined) return 0;
    const deadlineMs = this.#deadlineMs ?? performance.now() + this.#shutdownTimeoutMs;
    const files = await this.#keeper.flushBefore(deadlineMs, true);
    await this.#setAside?.settled(deadlineMs);
    if (files > 0) {
      const fields = { files, sessions: this.#ledger?.dirtySessions.slice(0, 10) };
      if (this.#keepsNothing) this.#log.error(fields, LOST);
      else this.#log.warn(fields, LATER);
    }
    await this.#keeper.release(deadlineMs);
    return files;
  }

  /** Whether an application may be started, or sent to, now: the mount answers, and the sessions are known. */
  async #readiness(): Promise<Readiness> {
    if (this.#phase !== 'serving') return { ready: false, reason: `the mount is ${this.#phase}` };
    const reason = this.#keeper?.notReady;
    if (reason !== undefined) return { ready: false, reason };
    await this.#thread?.send('ping');
    return { ready: true };
  }

  async end(): Promise<void> {
    await this.#http?.close();
    await this.#setAside?.end();
    if (this.#keeper !== undefined) await this.#keeper.end();
    else this.#ledger?.close();
  }
}

async function bucketOf(config: Config, metrics: Metrics): Promise<Bucket | undefined> {
  if (config.storageType === 'local' || config.bucket === undefined) return undefined;
  return openBucket(config.bucket, {
    emulatorUrl: config.storageEmulatorUrl,
    observe: (report) => metrics.bucketOperation(report),
  });
}
