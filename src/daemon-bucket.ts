/** Hybrid mode's share of the daemon: between the kernel thread, which serves and waits, and what syncs with the bucket. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bucket } from './bucket/bucket.ts';
import { BucketError } from './bucket/bucket-error.ts';
import { retrying } from './bucket/retry.ts';
import type { Config } from './config.ts';
import type { Keyring } from './crypto/keyring.ts';
import { ControlAnswers, type ControlQuestion } from './daemon-control.ts';
import { SessionLeases } from './daemon-leases.ts';
import { Sessions } from './daemon-sessions.ts';
import { StoreRequests } from './daemon-store-requests.ts';
import { verifier } from './daemon-verify.ts';
import type { KernelThreadClient, Running } from './kernel/kernel-thread-client.ts';
import type { KernelThreadData } from './kernel/messages.ts';
import { systemClock } from './lib/clock.ts';
import { sharedAbort } from './lib/shared-abort.ts';
import type { Logger } from './observe/log.ts';
import type { Metrics } from './observe/metrics.ts';
import type { Cache } from './store/cache.ts';
import { BucketSync, type MountSide } from './sync/bucket-sync.ts';
import { SessionInConflict } from './sync/flusher.ts';
import type { Ledger } from './sync/ledger.ts';
import { MemoryLimit } from './sync/memory-limit.ts';
import type { SessionContent } from './sync/restorer.ts';
import { ForeignWrite } from './sync/upload.ts';

export interface BucketKeeperParts {
  config: Config;
  mountPoint: string;
  bucket: Bucket;
  ledger: Ledger;
  cache: Cache;
  keyring: Keyring;
  metrics: Metrics;
  log: Logger;
  /** An earlier daemon of this very mount has compared the cache with the bucket. */
  takeover: boolean;
}

/** Of one request: then whoever waits is told, and the next interval or caller tries again. */
const ATTEMPTS = 4;
const RETRY_BASE_MS = 500;
const RETRY_CAP_MS = 8_000;
const LAST_FLUSH_PAUSE_MS = 200;
/** What a bucket that answers needs for a thousand sessions, where the last backup took all its time. */
const RELEASE_MS = 3_000;
const CLOUD_INTERVAL_MS = 60_000;

export type FromThread = Extract<
  Running,
  { type: 'wanted' | 'name-wanted' | 'urgent' | 'ask' | 'store' | 'store-cancelled' | 'evicted' }
>;

/** The daemon's other parts, as the bucket's share needs them. */
export interface ThreadSide {
  thread: KernelThreadClient;
  settle: MountSide['settle'];
}

export class BucketKeeper {
  readonly #parts: BucketKeeperParts;
  readonly #sync: BucketSync;
  readonly #aborted = sharedAbort();
  /** What the kernel thread must know before it builds the tree. */
  readonly threadData: NonNullable<KernelThreadData['bucket']>;
  readonly #stores: StoreRequests;
  readonly #memory: MemoryLimit | undefined;
  readonly #leases: SessionLeases;
  readonly #sessions: Sessions;
  readonly #control: ControlAnswers;
  #side: ThreadSide | undefined;
  #dropping: Promise<void> = Promise.resolve();
  #settle: MountSide['settle'] = async () => {};

  constructor(parts: BucketKeeperParts) {
    const { config, bucket, ledger, cache, keyring, metrics, log, takeover } = parts;
    this.#parts = parts;
    const isCloud = config.storageType === 'cloud';
    const listedBefore = ledger.listed || ledger.wasListed;
    if (!takeover) {
      ledger.setListed(false);
      ledger.beginMount();
    }
    this.threadData = {
      absent: ledger.unservedSessions,
      namesKnown: ledger.listed && !ledger.absentSessions.includes(''),
      rootListable: listedBefore,
      writeThrough: isCloud,
      shared: true,
    };
    this.#leases = new SessionLeases({
      bucket,
      config,
      cachePath: cache.path,
      mountPoint: parts.mountPoint,
      takeover,
      log,
      events: {
        waiting: () => {},
        acquired: ({ how }, waitedMs) => metrics.leaseAcquired(how, waitedMs),
        lost: (session, holder) => this.#lost(session, holder),
        fenced: () => {},
      },
    });
    const leases = this.#leases;
    this.#sync = new BucketSync({
      bucket: retrying(bucket, {
        attempts: ATTEMPTS,
        baseMs: RETRY_BASE_MS,
        capMs: RETRY_CAP_MS,
        signal: this.#aborted.signal,
      }),
      ledger,
      cache,
      verify: verifier(keyring),
      rights: leases,
      learnOwners: () => leases.list(),
      compared: () => this.#compared(),
      floorOf: (session) => leases.ownerOf(session)?.floor ?? 0,
      wroteElsewhere: (session) => {
        const owner = leases.ownerOf(session);
        return owner !== undefined && owner.epoch !== ledger.epochOf(session);
      },
      rewriteOwners: (beforeMs) => leases.rewriteOlderThan(beforeMs),
      mount: this.#mountSide(),
      events: {
        backup: (result, counts) => metrics.backup(result, counts),
        restore: (result, ms) => metrics.restore(result, ms),
        conflict: (setAside) => metrics.conflict(setAside),
        refreshed: (objects) => metrics.lifecycleRefreshed(objects),
      },
      log,
      // In cloud mode a change that nobody waits for (a plain file at rest) goes soon all the same.
      intervalMs: isCloud ? config.backupIntervalMs || CLOUD_INTERVAL_MS : config.backupIntervalMs,
      concurrency: config.backupConcurrency,
    });
    metrics.source({
      dirtyFiles: () => ledger.dirtyCount,
      oldestDirtyMs: () => ledger.oldestDirtyMs(systemClock.wallMs()),
      sessions: () => ({ local: this.#localSessions(), remote: ledger.absentSessions.length }),
      storageBytes: () => ledger.inBucket().bytes,
      storageObjects: () => ledger.inBucket().objects,
      waiting: () => this.#sessions.waiting.length,
      leaseWaiting: () => leases.waiting.length,
    });
    this.#stores = new StoreRequests({
      flush: (session) =>
        session === 'all' ? this.#sync.flusher.flushAll() : this.#sync.flusher.flush(session),
      isFinal: (error) =>
        leases.isLost(error) || error instanceof SessionInConflict || error instanceof ForeignWrite,
      answer: (request, error) => this.#side?.thread.post({ type: 'stored', request, error }),
      limitMs: { file: config.storeTimeoutMs, credentials: config.credentialsTimeoutMs },
      log,
    });
    this.#sessions = new Sessions({
      leases,
      sync: this.#sync,
      ledger,
      servesUnasked: !isCloud,
      waitLimitMs: config.leaseWaitLimitMs,
      refuse: (session) => this.#side?.thread.post({ type: 'refuse', session }),
      log,
    });
    this.#control = new ControlAnswers({
      address: bucket.address,
      sync: this.#sync,
      ledger,
      leases,
      sessions: this.#sessions,
      metrics,
    });
    if (isCloud) {
      this.#memory = new MemoryLimit({
        ledger,
        cache,
        limitBytes: config.cloudMemoryLimitBytes,
        evict: (except) => this.#side?.thread.post({ type: 'evict', except }),
        announce: (session) => this.#sync.restorer.announce(session),
        settle: () => this.#settle(false),
      });
    }
    if (!takeover) this.#sync.begin();
  }

  /** The thread is loaded. */
  connect(side: ThreadSide): void {
    this.#side = side;
    this.#settle = side.settle;
  }

  /** Before a new mount is served: compares with the bucket, as far as that answers in time. */
  async prepare(): Promise<void> {
    const { takeover, ledger, log } = this.#parts;
    if (takeover) return;
    try {
      await this.#settle(false);
      // Also what only the journal knew of.
      this.#side?.thread.post({ type: 'absent', sessions: ledger.unservedSessions });
    } catch (error) {
      log.warn({ error: String(error) }, 'The journal did not go into the cache yet');
    }
    await this.#sync.prepare();
  }

  /** The mount is served. */
  start(): void {
    if (this.#parts.takeover) void this.#leases.inherit(this.#aborted.signal);
    this.#sync.start();
    this.#memory?.start();
  }

  /** Why an application should not be started yet; undefined: it may. */
  get notReady(): string | undefined {
    if (this.#parts.ledger.listed || this.threadData.rootListable) return undefined;
    return 'the bucket has not said yet which sessions there are';
  }

  hear(message: FromThread): void {
    switch (message.type) {
      case 'wanted':
        // What is about to be removed must be gone before it comes back.
        void this.#dropping.then(() => this.#sessions.want(message.session));
        break;
      case 'name-wanted':
        void this.#askForName(message.name);
        break;
      case 'urgent':
        if (message.why === 'new') this.#parts.ledger.serve(message.session);
        this.#sync.flusher.urgent(message.session, message.why);
        break;
      case 'ask':
        void this.#answer(message);
        break;
      case 'store':
        this.#stores.add(message.request, message.unstored);
        break;
      case 'store-cancelled':
        this.#stores.cancel(message.request);
        break;
      case 'evicted':
        this.#dropping = this.#dropping.then(() => this.#evicted(message.session));
        break;
    }
  }

  /**
   * The last backup: resolves when everything is in the bucket, or at the deadline (`performance.now()`), with the number of
   * files that are not. `isSettled`: nothing is committed any more.
   */
  async flushBefore(deadlineMs: number, isSettled: boolean): Promise<number> {
    if (isSettled) this.#settle = async () => {};
    const over = new AbortController();
    const timer = sleep(Math.max(0, deadlineMs - performance.now()), undefined, { signal: over.signal });
    await Promise.race([this.#flushUntilClean(over.signal), timer]);
    timer.catch(() => {});
    over.abort();
    const dirty = this.#parts.ledger.dirtyCount;
    this.#stores.close(dirty === 0);
    return dirty;
  }

  /** Nothing changes any more: whoever waits for a session of which everything is in the bucket has it now. Never rejects. */
  async release(deadlineMs: number): Promise<void> {
    const { ledger } = this.#parts;
    const isClean = (session: string) =>
      ledger.dirtyOf(session).length === 0 && !ledger.conflicts.has(session);
    const isUnsettled = (session: string) => ledger.entriesOf(session).some(({ attempted }) => attempted);
    const clean = this.#leases.held.filter(isClean);
    const over = new AbortController();
    const leftMs = Math.max(RELEASE_MS, deadlineMs - performance.now());
    const late = sleep(leftMs, undefined, { signal: over.signal }).catch(() => {});
    await Promise.race([this.#leases.release(clean, new Set(clean.filter(isUnsettled))), late]);
    over.abort();
  }

  /** What is under way is given up; the ledger knows what was done. */
  async end(): Promise<void> {
    this.#memory?.end();
    const ended = Promise.all([this.#leases.end(), this.#sessions.end()]);
    this.#stores.leave();
    this.#aborted.abort();
    this.#parts.bucket.close();
    await this.#sync.end();
    await ended;
    this.#parts.ledger.close();
    this.#parts.keyring.destroy();
  }

  /** An application that is still there may change what was just stored; a bucket that fails may answer the next time. */
  async #flushUntilClean(signal: AbortSignal): Promise<void> {
    this.#sync.flusher.end();
    while (!signal.aborted) {
      const failure = await this.#sync.flusher.flushAll().catch((error: unknown) => error);
      const isFinal = failure !== undefined && !(failure instanceof BucketError && failure.isTransient);
      if (isFinal || this.#parts.ledger.dirtyCount === 0) return;
      await sleep(LAST_FLUSH_PAUSE_MS, undefined, { signal }).catch(() => {});
    }
  }

  async #askForName(name: string): Promise<void> {
    const exists = await this.#sessions.existsElsewhere(name);
    this.#side?.thread.post({ type: 'name', name, exists });
  }

  /** Every session that this mount holds is in step with the bucket now. */
  #compared(): void {
    const { ledger } = this.#parts;
    for (const session of ledger.sessionNames) {
      const owner = this.#leases.ownerOf(session);
      if (owner !== undefined && this.#leases.holds(session) && !ledger.conflicts.has(session))
        ledger.inStep(session, owner.epoch);
    }
  }

  /** An application that works with it does not notice: what it writes stays here. */
  #lost(session: string, holder: string): void {
    const { ledger, metrics, log } = this.#parts;
    metrics.leaseLost();
    if (!ledger.isServing(session) || ledger.conflicts.has(session)) return;
    ledger.conflicts.add(session);
    metrics.conflict(0);
    log.error(
      { session, holder, files: ledger.dirtyOf(session).length },
      'Another mount has taken a session over that is in use here: it is not backed up until the next start, which takes the version in the bucket and keeps this one aside',
    );
  }

  #restored(content: SessionContent): void {
    this.#parts.ledger.serve(content.session);
    const unchanged = this.#memory?.isUnchanged(content.session) ?? false;
    this.#side?.thread.post({ type: 'restored', ...content, unchanged });
  }

  async #evicted(session: string | undefined): Promise<void> {
    try {
      await this.#memory?.evicted(session);
    } catch (error) {
      this.#parts.log.error({ session, error: String(error) }, 'A session could not be removed from memory');
    }
  }

  async #answer(question: ControlQuestion): Promise<void> {
    const text = await this.#control.answer(question);
    this.#side?.thread.post({ type: 'answer', id: question.id, text });
  }

  #localSessions(): number {
    const { ledger } = this.#parts;
    return ledger.sessionNames.filter((session) => session !== '' && ledger.absentOf(session).length === 0)
      .length;
  }

  #mountSide(): MountSide {
    return {
      settle: (everything) => this.#settle(everything),
      absent: (sessions) => this.#side?.thread.post({ type: 'absent', sessions }),
      namesKnown: () => this.#side?.thread.post({ type: 'names-known' }),
      restored: (content) => this.#restored(content),
    };
  }
}
