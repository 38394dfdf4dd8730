/** Hybrid mode's share of the daemon: between the kernel thread, which serves and waits, and what syncs with the bucket. */
import type { Bucket } from '../bucket/bucket.ts';
import type { Config } from '../config/load.ts';
import type { Keyring } from '../crypto/keyring.ts';
import type { CoreClient, Running } from '../drivers/host/core-client.ts';
import type { KernelThreadData } from '../drivers/host/messages.ts';
import { sharedAbort } from '../lib/shared-abort.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Cache } from '../store/cache/cache.ts';
import { SessionInConflict } from '../sync/backup/flusher.ts';
import { ForeignWrite } from '../sync/backup/upload.ts';
import type { BucketSync, MountSide } from '../sync/bucket-sync.ts';
import type { Ledger } from '../sync/ledger/ledger.ts';
import { MemoryLimit } from '../sync/memory-limit.ts';
import type { SessionContent } from '../sync/restore/restorer.ts';
import { ControlAnswers, type ControlQuestion } from './control.ts';
import { FinalFlush } from './final-flush.ts';
import { bucketNumbers, makeSync } from './make-sync.ts';
import { MountLeases } from './mount-leases.ts';
import { SessionOpener } from './session-opener.ts';
import { WriteThrough } from './write-through.ts';

export interface RemoteSessionsParts {
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

export type FromThread = Extract<
  Running,
  { type: 'wanted' | 'unwanted' | 'name-wanted' | 'urgent' | 'ask' | 'store' | 'store-cancelled' | 'evicted' }
>;

/** The daemon's other parts, as the bucket's share needs them. */
export interface ThreadSide {
  thread: CoreClient;
  settle: MountSide['settle'];
}

export class RemoteSessions {
  readonly #parts: RemoteSessionsParts;
  readonly #sync: BucketSync;
  readonly #aborted = sharedAbort();
  /** What the kernel thread must know before it builds the tree. */
  readonly threadData: NonNullable<KernelThreadData['bucket']>;
  readonly #stores: WriteThrough;
  readonly #memory: MemoryLimit | undefined;
  readonly #leases: MountLeases;
  readonly #sessions: SessionOpener;
  readonly #control: ControlAnswers;
  readonly #lastBackup: FinalFlush;
  #side: ThreadSide | undefined;
  #dropping: Promise<void> = Promise.resolve();
  #settle: MountSide['settle'] = async () => {};

  constructor(parts: RemoteSessionsParts) {
    const { config, bucket, ledger, cache, metrics, log, takeover } = parts;
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
    this.#leases = new MountLeases({
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
    this.#sync = makeSync({
      ...parts,
      leases,
      mount: this.#mountSide(),
      compared: (except) => this.#compared(except),
      signal: this.#aborted.signal,
    });
    this.#stores = new WriteThrough({
      flush: (session) =>
        session === 'all' ? this.#sync.flusher.flushAll() : this.#sync.flusher.flush(session),
      isFinal: (error) =>
        leases.isLost(error) || error instanceof SessionInConflict || error instanceof ForeignWrite,
      answer: (request, error) => this.#side?.thread.post({ type: 'stored', request, error }),
      limitMs: { file: config.storeTimeoutMs, credentials: config.credentialsTimeoutMs },
      log,
    });
    this.#sessions = new SessionOpener({
      leases,
      sync: this.#sync,
      ledger,
      servesUnasked: !isCloud,
      waitLimitMs: config.leaseWaitLimitMs,
      refuse: (session) => this.#side?.thread.post({ type: 'refuse', session }),
      log,
    });
    metrics.source(bucketNumbers(ledger, leases, this.#sessions));
    this.#lastBackup = new FinalFlush({ ledger, leases, flusher: this.#sync.flusher, stores: this.#stores });
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
      case 'unwanted':
        void this.#dropping.then(() => this.#sessions.unwant(message.session));
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

  /** See final-flush.ts. `isSettled`: nothing is committed any more. */
  flushBefore(deadlineMs: number, isSettled: boolean): Promise<number> {
    if (isSettled) this.#settle = async () => {};
    return this.#lastBackup.flushBefore(deadlineMs);
  }

  release(deadlineMs: number): Promise<void> {
    this.#sessions.stop();
    return this.#lastBackup.release(deadlineMs);
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

  async #askForName(name: string): Promise<void> {
    const exists = await this.#sessions.existsElsewhere(name);
    this.#side?.thread.post({ type: 'name', name, exists });
  }

  /** Every session that this mount has held since before the bucket was listed is in step with it now. */
  #compared(except: ReadonlySet<string>): void {
    const { ledger } = this.#parts;
    for (const session of ledger.sessionNames) {
      const owner = this.#leases.ownerOf(session);
      const isHeldSince = owner !== undefined && this.#leases.epochOf(session) === owner.epoch;
      if (isHeldSince && !except.has(session) && !ledger.conflicts.has(session))
        ledger.noteCurrent(session, owner.epoch);
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

  #mountSide(): MountSide {
    return {
      settle: (everything) => this.#settle(everything),
      absent: (sessions) => this.#side?.thread.post({ type: 'absent', sessions }),
      namesKnown: () => this.#side?.thread.post({ type: 'names-known' }),
      restored: (content) => this.#restored(content),
    };
  }
}
