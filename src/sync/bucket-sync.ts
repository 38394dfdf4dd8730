/**
 * A mount's whole traffic with its bucket: lists it, restores what is touched, flushes what changes. Knows nothing of the
 * kernel; whoever owns the mount is told through `MountSide`.
 */

import type { Bucket, ObjectVersion } from '../bucket/bucket.ts';
import { reasonOf } from '../bucket/bucket-error.ts';
import { backOff } from '../lib/backoff.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { inTime } from '../lib/in-time.ts';
import { SessionLocks } from '../lib/session-locks.ts';
import type { Logger } from '../observe/log.ts';
import type { Cache } from '../store/cache/cache.ts';
import { Flusher } from './backup/flusher.ts';
import { RequestPacer } from './backup/request-pacer.ts';
import type { SyncEvents } from './events.ts';
import type { Ledger } from './ledger/ledger.ts';
import { LifecycleGuard } from './lifecycle-guard.ts';
import { yieldSession } from './reconcile/conflict.ts';
import { listObjects } from './reconcile/listing.ts';
import { reconcile, withoutStale } from './reconcile/reconcile.ts';
import {
  deleteStale,
  listSession,
  type ReconcileSessionParts,
  reconcileSession,
} from './reconcile/reconcile-session.ts';
import type { DownloadParts } from './restore/download.ts';
import { Restorer, type SessionContent } from './restore/restorer.ts';
import type { WriteGrant, WriteGrants } from './write-grant.ts';

export interface MountSide {
  /**
   * Brings all that was committed so far into the cache and the ledger; with `everything` plain files too that are still being
   * written, as they are. Rejects when it cannot.
   */
  settle(everything: boolean): Promise<void>;
  /** What these sessions hold is (partly) in the bucket: whoever touches them must wait, and `restore` be called. */
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
  grants: WriteGrants;
  /** The floor of a session's lease, as far as it is known. */
  floorOf?: (session: string) => number;
  /** Learns which mounts have which sessions. Rejects with BucketError. */
  learnOwners?: () => Promise<void>;
  /** See LifecycleParts. */
  rewriteOwners?: (beforeMs: number) => Promise<number>;
  /** The ledger was compared with the whole bucket, except for these sessions: they are compared by themselves. */
  compared?: (except: ReadonlySet<string>) => void;
  /** See ReconcileOptions. */
  wroteElsewhere?: (session: string) => boolean;
  mount: MountSide;
  events: SyncEvents;
  log: Logger;
  /** Between backups; 0: none by itself. */
  intervalMs: number;
  /** Uploads at a time, and downloads at a time for each session. */
  concurrency: number;
  clock?: Clock;
  /** How long the start waits for each page of the listing; then what is here is served without it. */
  listingPageMs?: number;
}

const LISTING_PAGE_MS = 10_000;
const RETRY = { minMs: 500, maxMs: 15_000 };

export class BucketSync {
  readonly flusher: Flusher;
  readonly restorer: Restorer;
  readonly #parts: BucketSyncParts;
  readonly #guard: LifecycleGuard;
  /** One comparison at a time for each session. */
  readonly #locks = new SessionLocks();
  readonly #ended = new AbortController();
  #listing: Promise<Map<string, ObjectVersion>> | undefined;
  #lastListingError: string | undefined;
  /** Sessions that were brought in step, or are written, since the newest listing began. */
  readonly #newer = new Set<string>();
  /** When the last page of the first listing came. */
  #pageMs = 0;

  constructor(parts: BucketSyncParts) {
    const { bucket, ledger, cache, mount, events, log, intervalMs, concurrency, verify, grants } = parts;
    const clock = parts.clock ?? systemClock;
    this.#parts = parts;
    const turns = new RequestPacer(concurrency, clock);
    this.flusher = new Flusher({
      bucket,
      ledger,
      locate: (name) => cache.files.locate(name),
      inTurn: (name, request) => turns.inTurn(name, request),
      settle: (everything) => mount.settle(everything),
      grants,
      reconcile: (session, grant) => this.#reconcileSession(session, grant, () => ledger.isServing(session)),
      intervalMs,
      events,
      log,
    });
    const restored = (content: SessionContent) => mount.restored(content);
    this.restorer = new Restorer({ bucket, ledger, cache, verify, restored, events, log, concurrency });
    this.#guard = new LifecycleGuard({
      bucket,
      ledger,
      events,
      log,
      refreshed: () => void this.flusher.flushAll().catch(() => {}),
      ...(parts.rewriteOwners === undefined ? {} : { rewriteOwners: parts.rewriteOwners }),
      nowMs: () => clock.wallMs(),
    });
  }

  /** Why the bucket could not be listed yet. */
  get listingError(): string | undefined {
    return this.#lastListingError;
  }

  /** Asks for the listing; `prepare` will wait for it. */
  begin(): void {
    this.#pageMs = performance.now();
    this.#listing = this.#list();
    this.#listing.catch(() => {});
  }

  /**
   * Before anything of a new mount is served: compares what is here with the bucket, as far as it answers in time. What is
   * here is served in any case.
   */
  async prepare(): Promise<void> {
    if (this.#listing === undefined) this.begin();
    try {
      const listing = await this.#listedInTime();
      await this.#compare(listing, () => false);
    } catch (error) {
      this.#unlisted(error);
    }
  }

  /**
   * This mount has got the right to the session: compares it with the bucket where somebody else may have had it since. Rejects
   * with BucketError. `served`: an application may have seen what is here.
   */
  reconcileSession(session: string, grant: WriteGrant, served: boolean): Promise<void> {
    return this.#reconcileSession(session, grant, () => served);
  }

  async #reconcileSession(session: string, grant: WriteGrant, served: () => boolean): Promise<void> {
    const { bucket, ledger, log } = this.#parts;
    const resolve: ReconcileSessionParts['resolve'] = (...conflict) => this.#resolve(...conflict);
    const remove: ReconcileSessionParts['remove'] = (names) => this.#removeFromCache(names);
    if (grant.epoch > 0) this.#newer.add(session);
    const stale = await this.#locks.run(session, () =>
      reconcileSession({ bucket, ledger, resolve, remove }, session, grant, served),
    );
    // What was found before nobody has seen.
    if (!served()) ledger.conflicts.delete(session);
    if (stale.length === 0) return;
    const deleted = await deleteStale(bucket, stale, grant.deadlineMs);
    log.warn(
      { session, objects: stale.length, deleted },
      'Late writes of a mount that had lost the session do not count, and are deleted',
    );
  }

  /** Whether the bucket has anything of the session. Rejects with BucketError. */
  async hasObjects(session: string): Promise<boolean> {
    return (await listSession(this.#parts.bucket, session)).size > 0;
  }

  /** The mount is served from now on. */
  start(): void {
    const { ledger } = this.#parts;
    this.flusher.start();
    this.#guard.start();
    if (!ledger.listed) void this.#listUntilKnown();
    else if (ledger.absentSessions.includes('')) void this.#knowNames();
  }

  /** Nothing begins by itself any more; what is under way ends soon. */
  async end(): Promise<void> {
    this.#ended.abort();
    this.#guard.end();
    this.flusher.end();
    await this.restorer.end();
  }

  async #listedInTime(): Promise<Map<string, ObjectVersion>> {
    const { listingPageMs = LISTING_PAGE_MS } = this.#parts;
    for (;;) {
      const leftMs = this.#pageMs + listingPageMs - performance.now();
      if (leftMs <= 0) throw new Error(`no answer within ${listingPageMs} ms`);
      const listing = await inTime(this.#listing ?? this.#list(), leftMs, undefined);
      if (listing !== undefined) return listing;
    }
  }

  async #listUntilKnown(): Promise<void> {
    const { ledger } = this.#parts;
    for (let attempt = 0; !this.#ended.signal.aborted; attempt++) {
      await backOff(attempt, RETRY, this.#ended.signal);
      if (this.#ended.signal.aborted) return;
      try {
        await this.#compare(await this.#list(), (session) => session === '' || ledger.isServing(session));
        this.#parts.log.info({ bucket: this.#parts.bucket.address }, 'The bucket answers');
        return;
      } catch (error) {
        this.#lastListingError = reasonOf(error).error;
      }
    }
  }

  /** Owners come first: what is listed after that may be newer, and is no worse for it. */
  async #list(): Promise<Map<string, ObjectVersion>> {
    const { bucket, learnOwners } = this.#parts;
    this.#newer.clear();
    await learnOwners?.();
    return listObjects(bucket, () => {
      this.#pageMs = performance.now();
    });
  }

  async #compare(
    listing: ReadonlyMap<string, ObjectVersion>,
    served: (session: string) => boolean,
  ): Promise<void> {
    const { ledger, log, mount } = this.#parts;
    const counted = withoutStale(listing, this.#parts.floorOf ?? (() => 0));
    const { conflicts, removed, lost, foreign } = reconcile(ledger, counted.values(), served, {
      except: this.#newer,
      ...(this.#parts.wroteElsewhere === undefined ? {} : { wroteElsewhere: this.#parts.wroteElsewhere }),
    });
    await this.#removeFromCache(removed);
    for (const session of conflicts) await this.#resolve(session, counted, served(session));
    if (lost > 0)
      log.warn({ objects: lost }, 'The bucket has lost objects that are here; they are stored again');
    if (foreign > 0) log.debug({ objects: foreign }, 'Objects with names of no session are left alone');
    ledger.setListed(true);
    this.#parts.compared?.(this.#newer);
    this.#lastListingError = undefined;
    mount.absent(ledger.absentSessions.filter((session) => session !== ''));
    await this.#knowNames();
  }

  async #removeFromCache(objectNames: readonly string[]): Promise<void> {
    const { files } = this.#parts.cache;
    const touched = new Set<string>();
    for (const name of objectNames) await files.removeFile(name, touched);
    await files.syncDirectories(touched, 1);
  }

  /** Files in the root come before their names are known to be all. */
  async #knowNames(): Promise<void> {
    const { ledger, mount } = this.#parts;
    if (ledger.absentSessions.includes('')) {
      void this.restorer.restore('').then(() => mount.namesKnown());
    } else {
      mount.namesKnown();
    }
  }

  async #resolve(
    session: string,
    listing: ReadonlyMap<string, ObjectVersion>,
    served: boolean,
  ): Promise<void> {
    const { ledger, cache, events, log } = this.#parts;
    if (served) {
      ledger.conflicts.add(session);
      events.conflict(0);
      log.error(
        { session },
        'A session changed here and in the bucket, and is in use: it is not backed up until the next start, which takes the version in the bucket and keeps this one aside',
      );
      return;
    }
    const nowMs = (this.#parts.clock ?? systemClock).wallMs();
    const files = await yieldSession(ledger, cache, session, listing, nowMs);
    events.conflict(files);
    log.error(
      { session, files, keptIn: cache.files.locate('set-aside') },
      'A session changed here and in the bucket: the version in the bucket is taken, the files that changed here are kept aside',
    );
  }

  #unlisted(error: unknown): void {
    const { log, bucket } = this.#parts;
    const fields = { bucket: bucket.address, ...reasonOf(error) };
    this.#lastListingError = fields.error;
    log.error(
      fields,
      'The bucket cannot be used: sessions that are here are served, others are waited for, and it is asked again',
    );
  }
}
