/**
 * A mount's whole traffic with its bucket: lists it, restores what is touched, flushes what changes. Knows nothing of the
 * kernel; the owner of the mount is told through `MountSide`.
 */

import type { Bucket } from '../bucket/bucket.ts';
import { reasonOf } from '../bucket/bucket-error.ts';
import type { Clock } from '../lib/clock.ts';
import { sessionOf } from '../naming/session-path.ts';
import type { Logger } from '../observe/log.ts';
import type { Cache } from '../store/cache/cache.ts';
import type { DatabaseImages } from './backup/database-images.ts';
import { Flusher, type Settled } from './backup/flusher.ts';
import { RequestPacer } from './backup/request-pacer.ts';
import type { SyncEvents } from './events.ts';
import { ForeignObjects } from './foreign-objects.ts';
import type { Ledger } from './ledger/ledger.ts';
import { LifecycleGuard } from './lifecycle-guard.ts';
import { Comparison } from './reconcile/comparison.ts';
import { Listing, listSession, type Pages } from './reconcile/listing.ts';
import { moveAside, tellOfStale } from './reconcile/quarantine-stale.ts';
import { isCurrent } from './reconcile/reconcile-session.ts';
import type { DownloadParts } from './restore/download.ts';
import type { RestoreParts } from './restore/restore-session.ts';
import { Restorer, type SessionContent } from './restore/restorer.ts';
import type { WriteGrant, WriteGrants } from './write-grant.ts';

export interface MountSide {
  /** Brings what is meant, as far as it was written before the call, into the cache and the ledger. Rejects when it cannot. */
  settle(what: Settled): Promise<void>;
  /** What these sessions hold is (partly) in the bucket: a call that touches them must wait, and `restore` be called. */
  absent(sessions: string[]): void;
  /** The root holds no names but those that are known now. */
  namesKnown(): void;
  restored(content: SessionContent): void;
}

export interface BucketSyncParts {
  bucket: Bucket;
  ledger: Ledger;
  cache: Cache;
  verify: DownloadParts['verify'];
  isShownNewer: RestoreParts['isShownNewer'];
  databases: DatabaseImages;
  isDatabase: RestoreParts['isDatabase'];
  /** What a sealed file may have at most. */
  maxBytes: number;
  grants: WriteGrants;
  /** The floor of a session's lease, as far as it is known. */
  floorOf: (session: string) => number;
  /** Learns which mounts have which sessions. Rejects with BucketError. */
  learnOwners: () => Promise<void>;
  /** See LifecycleParts. */
  rewriteOwners: (beforeMs: number) => Promise<number>;
  /** See ComparisonParts. */
  compared: (except: ReadonlySet<string>) => void;
  /** See ReconcileOptions. */
  wroteElsewhere: (session: string) => boolean;
  mount: MountSide;
  events: SyncEvents;
  log: Logger;
  /** Between backups; 0: none by itself. */
  intervalMs: number;
  /** Uploads at a time, and downloads at a time for each session. */
  concurrency: number;
  clock: Clock;
  /** How long the start waits for each page of the listing; then what is here is served without it. */
  listingPageMs: number;
}

export class BucketSync {
  readonly flusher: Flusher;
  readonly restorer: Restorer;
  readonly #parts: BucketSyncParts;
  readonly #guard: LifecycleGuard;
  readonly #listing: Listing;
  readonly #comparison: Comparison;
  readonly #foreign: ForeignObjects;
  readonly #ended = new AbortController();
  /** The cache and the ledger have what earlier daemons left in the journal. */
  #isSettled = false;

  constructor(parts: BucketSyncParts) {
    const {
      bucket,
      ledger,
      cache,
      mount,
      clock,
      intervalMs,
      concurrency,
      grants,
      verify,
      isShownNewer,
      maxBytes,
    } = parts;
    const { events, log, floorOf, wroteElsewhere, compared, learnOwners, listingPageMs } = parts;
    this.#parts = parts;
    const nowMs = () => clock.wallMs();
    const foreign = new ForeignObjects(log);
    this.#foreign = foreign;
    this.#comparison = new Comparison({
      ...{ bucket, ledger, cache, foreign, floorOf, wroteElsewhere, compared, events, log, nowMs, maxBytes },
      settle: () => this.settle(),
      absent: (sessions) => mount.absent(sessions),
    });
    this.#listing = new Listing({
      bucket,
      learnOwners,
      known: ledger.known,
      begins: () => this.#comparison.listingBegins((session) => this.flusher.isFlushing(session)),
      pageMs: listingPageMs,
      nowMs,
    });
    const pacer = new RequestPacer(concurrency, clock);
    this.flusher = new Flusher({
      ...{ bucket, ledger, grants, intervalMs, events, log, databases: parts.databases },
      locate: (name) => cache.files.locate(name),
      setAside: async (stale, deadlineMs) => {
        const moved = await moveAside(bucket, stale, { nowMs: nowMs(), deadlineMs, maxBytes });
        tellOfStale(log, sessionOf(stale.name) ?? '', 1, [moved]);
      },
      inTurn: (name, request) => pacer.inTurn(name, request),
      settle: (what) => mount.settle(what),
      reconcile: (session, grant) => this.#reconcile(session, grant, () => ledger.isServing(session)),
    });
    const restored = (content: SessionContent) => mount.restored(content);
    this.restorer = new Restorer({
      ...{
        bucket,
        ledger,
        cache,
        foreign,
        verify,
        isShownNewer,
        isDatabase: parts.isDatabase,
        maxBytes,
        restored,
        events,
        log,
        concurrency,
        nowMs,
      },
    });
    this.#guard = new LifecycleGuard({
      ...{ bucket, ledger, events, log, nowMs },
      rewriteOwners: parts.rewriteOwners,
      refreshed: () => void this.flusher.flushAll().catch(() => {}),
    });
  }

  /** Why the bucket could not be listed yet. */
  get listingError(): string | undefined {
    return this.#listing.error;
  }

  /** Asks for the listing; `prepare` will wait for it. */
  begin(): void {
    this.#listing.begin();
  }

  /**
   * Before anything of a new mount is served: compares what is here with the bucket, as far as it answers in time. What is
   * here is served in any case.
   */
  async prepare(): Promise<void> {
    try {
      await this.#compare(this.#listing.inTime(), () => false);
    } catch (error) {
      const { log, bucket } = this.#parts;
      this.#listing.failed(error);
      log.error(
        { bucket: bucket.address, ...reasonOf(error) },
        'The bucket cannot be used; cached sessions are served, callers of others wait, and the bucket is retried',
      );
    }
  }

  /**
   * This mount has got the lease of the session: compares it with the bucket where another mount may have had it since. Rejects
   * with BucketError, or a system error of the cache. `served`: an application may have seen what is here.
   */
  reconcileSession(session: string, grant: WriteGrant, served: boolean): Promise<void> {
    return this.#reconcile(session, grant, () => served);
  }

  /** Brings all that was committed so far into the cache and the ledger. Rejects when it cannot. */
  async settle(): Promise<void> {
    await this.#parts.mount.settle('committed');
    this.#isSettled = true;
  }

  /** See Comparison. */
  fetchMissing(session: string): Promise<void> {
    return this.#comparison.fetchMissing(session);
  }

  /** Whether the bucket has anything of the session. Rejects with BucketError. */
  async hasObjects(session: string): Promise<boolean> {
    return (await listSession(this.#parts.bucket, session, this.#foreign)).size > 0;
  }

  /** The mount is served from now on. */
  start(): void {
    const { ledger } = this.#parts;
    this.flusher.start();
    this.#guard.start();
    if (!ledger.listed) void this.#listUntilKnown();
    else if (ledger.absentSessions.includes('')) this.#knowNames();
  }

  /** Nothing begins by itself any more; what is under way ends soon. */
  async end(): Promise<void> {
    this.#ended.abort();
    this.#guard.end();
    this.flusher.end();
    await this.restorer.end();
  }

  async #reconcile(session: string, grant: WriteGrant, served: () => boolean): Promise<void> {
    if (!served()) {
      if (!this.#isSettled && this.#isReplaced(session, grant)) await this.settle();
      await this.#comparison.fetchMissing(session);
    }
    await this.#comparison.session(session, grant, served);
  }

  /**
   * The bucket has, or may have, newer versions than those here. What is in the journal only, after a start on a full disk, would be
   * no conflict, and go over what is restored.
   */
  #isReplaced(session: string, grant: WriteGrant): boolean {
    const { ledger } = this.#parts;
    return ledger.countsOf(session).absent > 0 || !isCurrent(ledger, session, grant);
  }

  async #listUntilKnown(): Promise<void> {
    const { ledger, log, bucket } = this.#parts;
    const served = (session: string) => session === '' || ledger.isServing(session);
    const use = (pages: Pages) => this.#compare(pages, served);
    if (await this.#listing.untilKnown(use, this.#ended.signal))
      log.info({ bucket: bucket.address }, 'The bucket answers');
  }

  async #compare(pages: Pages, served: (session: string) => boolean): Promise<void> {
    const { ledger, mount } = this.#parts;
    await this.#comparison.whole(pages, served);
    mount.absent(ledger.absentSessions.filter((session) => session !== ''));
    this.#knowNames();
  }

  /** Files in the root come before their names are known to be all. */
  #knowNames(): void {
    const { ledger, mount } = this.#parts;
    if (ledger.absentSessions.includes('')) {
      void this.restorer.restore('').then(() => mount.namesKnown());
    } else {
      mount.namesKnown();
    }
  }
}
