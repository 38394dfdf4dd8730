/** Compares the ledger with the bucket, as a whole or a session at a time, and carries out for the cache what follows. */
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { Bucket, ObjectVersion } from '../../bucket/bucket.ts';
import { crc32c } from '../../lib/crc32c.ts';
import { Limiter } from '../../lib/limiter.ts';
import { NamedLocks } from '../../lib/named-locks.ts';
import { ifMissing } from '../../lib/system-error.ts';
import { fromObjectName, toObjectName } from '../../naming/object-name.ts';
import { completesSession } from '../../naming/session-path.ts';
import type { Logger } from '../../observe/log.ts';
import type { Cache } from '../../store/cache/cache.ts';
import { quarantineAll } from '../../store/set-aside/quarantine.ts';
import type { SyncEvents } from '../events.ts';
import type { ForeignObjects } from '../foreign-objects.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { ObjectEntry } from '../ledger/object-entry.ts';
import { hasCompanions, setKnownCompanionsAside } from '../restore/companions.ts';
import type { WriteGrant } from '../write-grant.ts';
import { yieldSession } from './conflict.ts';
import { type Listed, listSession, type Pages } from './listing.ts';
import { quarantineStale, tellOfStale } from './quarantine-stale.ts';
import { type Reconciled, Reconciliation, takeStale } from './reconcile.ts';
import { reconcileSession } from './reconcile-session.ts';

export interface ComparisonParts {
  bucket: Bucket;
  ledger: Ledger;
  cache: Cache;
  /** The floor of a session's lease, as far as it is known. */
  floorOf: (session: string) => number;
  /** See ReconcileOptions. */
  wroteElsewhere: (session: string) => boolean;
  /** The ledger was compared with the whole bucket, except for these sessions: they are compared by themselves. */
  compared: (except: ReadonlySet<string>) => void;
  /** Brings all that was committed so far into the cache and the ledger. Rejects when it cannot. */
  settle: () => Promise<void>;
  /** See MountSide. */
  absent: (sessions: string[]) => void;
  events: SyncEvents;
  foreign: ForeignObjects;
  log: Logger;
  /** ms since the epoch. */
  nowMs: () => number;
  /** Of an object of this mount. */
  maxBytes: number;
}

/** After a restart every session that is in use asks at the same time. */
const LISTS_AT_A_TIME = 16;
const NAMES_IN_LINE = 100;
/** Of as many sessions at a time late writes are moved aside: each takes the memory of one object. */
const ASIDES_AT_A_TIME = 4;

export class Comparison {
  readonly #parts: ComparisonParts;
  /** One at a time for each session. */
  readonly #locks = new NamedLocks();
  readonly #lists = new Limiter(LISTS_AT_A_TIME);
  readonly #asides = new Limiter(ASIDES_AT_A_TIME);
  /** Sessions that were compared since the newest listing began, or are written since before it did. */
  readonly #newer = new Set<string>();
  /** Sessions that were compared by themselves since this daemon began, and are in no conflict. */
  readonly #compared = new Set<string>();

  constructor(parts: ComparisonParts) {
    this.#parts = parts;
  }

  /** `isWritten`: a flush of the session is under way. What it stores may be newer than the listing. */
  listingBegins(isWritten: (session: string) => boolean): void {
    for (const session of this.#newer) if (!isWritten(session)) this.#newer.delete(session);
  }

  /** With all that the bucket has, page by page. Rejects as the pages do, or with BucketError. */
  async whole(pages: Pages, served: (session: string) => boolean): Promise<void> {
    const { bucket, ledger, log, floorOf, wroteElsewhere, compared, foreign } = this.#parts;
    const except = this.#newer;
    const holds = (version: ObjectVersion) => this.#holds(version);
    const remove = (names: readonly string[]) => this.#remove(names);
    const comparing = new Reconciliation(ledger, {
      ...{ served, except, wroteElsewhere, holds, remove, foreign, floorOf },
    });
    try {
      for await (const objects of pages) await comparing.add(objects);
    } catch (error) {
      await this.#apply(comparing.result);
      throw error;
    }
    const reconciled = await comparing.end();
    foreign.tell();
    await this.#apply(reconciled);
    for (const session of reconciled.conflicts) {
      const listed = await listSession(bucket, session, foreign, ledger.known);
      takeStale(listed, floorOf);
      await this.#resolve(session, listed, served(session));
    }
    const { lost } = reconciled;
    if (lost > 0)
      log.warn({ objects: lost }, 'The bucket has lost objects that are here; they are stored again');
    ledger.setListed(true);
    compared(except);
  }

  /**
   * This mount has got the lease of the session: compares it where another mount may have had it since. Rejects with
   * BucketError. `served`: an application may have seen what is here.
   */
  async session(session: string, grant: WriteGrant, served: () => boolean): Promise<void> {
    const { bucket, ledger, foreign, log, nowMs, maxBytes } = this.#parts;
    if (grant.epoch > 0) this.#newer.add(session);
    const parts = {
      bucket,
      ledger,
      compared: this.#compared,
      foreign,
      holds: (version: ObjectVersion) => this.#holds(version),
      remove: (names: readonly string[]) => this.#remove(names),
      resolve: (name: string, listed: Listed, isServed: boolean) => this.#resolve(name, listed, isServed),
      apply: (reconciled: Reconciled) => this.#apply(reconciled),
    };
    const stale = await this.#locks.run(session, () =>
      this.#lists.run(() => reconcileSession(parts, session, grant, served)),
    );
    // No application has seen what was found before.
    if (!served()) ledger.conflicts.delete(session);
    if (stale.length === 0) return;
    const { deadlineMs } = grant;
    const moved = await this.#asides.run(() =>
      quarantineStale(bucket, stale, { nowMs: nowMs(), deadlineMs, maxBytes }),
    );
    tellOfStale(log, session, stale.length, moved);
  }

  /**
   * What the ledger takes for cached and the cache lacks (after a repair of the disk, say) is fetched again. Call it before an
   * application sees the session. Rejects where the journal does not go into the cache.
   */
  async fetchMissing(session: string): Promise<void> {
    const { ledger, cache, log, settle } = this.#parts;
    const missing = () =>
      ledger
        .entriesOf(session)
        .filter((entry) => (entry.local === 'same' || entry.local === 'changed') && !isInCache(cache, entry));
    if (missing().length === 0) return;
    // A checkpoint may have removed files that the ledger has not heard of yet.
    await settle();
    const lost = missing();
    if (lost.length === 0) return;
    const kept = this.#leaveSources(session, lost);
    for (const entry of lost) {
      if (entry.remote !== undefined) ledger.absent(entry.name, entry.remote);
      else ledger.forget(entry);
    }
    log.warn(
      { session, files: lost.length, changed: lost.filter(({ remote }) => remote === undefined).length },
      'Files of a session are gone from the cache directory; they are restored from the bucket',
    );
    tellOfSources(log, session, kept);
  }

  /** See movedFrom: what the bucket has of it is restored under the names from before. Returns those objects. */
  #leaveSources(session: string, moved: readonly ObjectEntry[]): string[] {
    const { ledger, absent } = this.#parts;
    const kept = movedFrom(ledger, session, moved);
    for (const { name, remote } of kept) if (remote !== undefined) ledger.absent(name, remote);
    if (kept.size > 0) absent(sessionsNotHere(ledger, kept));
    return [...kept].map(({ name }) => name);
  }

  /** Whether the cache holds the very bytes of a version. */
  async #holds({ name, size, crc32c: sum }: ObjectVersion): Promise<boolean> {
    // A database is more than its own file here, and its image says only what it was.
    if (hasCompanions(this.#parts.cache, name)) return false;
    const path = this.#parts.cache.files.locate(name);
    if ((await stat(path).catch(ifMissing))?.size !== size) return false;
    const bytes = await readFile(path).catch(ifMissing);
    return bytes !== undefined && bytes.length === size && crc32c(bytes) === sum;
  }

  async #apply({ replaced }: Reconciled): Promise<void> {
    const { cache, log } = this.#parts;
    await this.#keep(replaced);
    if (replaced.length > 0)
      log.warn(
        { ...named(replaced), keptIn: cache.files.locate('set-aside') },
        'Objects in the bucket were replaced behind this cache, or the cache is an older copy: the version in the bucket is taken, the one here is kept in quarantine',
      );
  }

  /** See ReconcileOptions. */
  async #remove(names: readonly string[]): Promise<void> {
    const { cache, ledger, nowMs, log } = this.#parts;
    const { files } = cache;
    const deleted = await this.#keep(names);
    if (deleted > 0)
      log.warn(
        { ...named(names), keptIn: files.locate('set-aside') },
        'Another mount has had the session and deleted files of it, by what the bucket says: they are deleted here too, and their versions are kept in quarantine',
      );
    const touched = new Set<string>();
    for (const name of names) {
      await files.removeFile(name, touched);
      await setKnownCompanionsAside({ cache, ledger }, name, nowMs(), touched);
    }
    await files.syncDirectories(touched, 1);
  }

  /** Nothing in the bucket proves that a version may be dropped. Returns how many files were kept. */
  async #keep(objectNames: readonly string[]): Promise<number> {
    const identities = objectNames.map((name) => fromObjectName(name));
    const paths = identities.flatMap((identity) => (identity?.directoryMeta === false ? identity.path : []));
    return (await quarantineAll(this.#parts.cache.files, paths, this.#parts.nowMs())).length;
  }

  async #resolve(session: string, listed: Listed, served: boolean): Promise<void> {
    const { ledger, cache, events, log, nowMs } = this.#parts;
    if (served) {
      await ledger.together(async () => doubtUntaken(ledger, session, listed));
      ledger.conflicts.add(session);
      events.conflict(0);
      log.error(
        { session },
        'A session changed here and in the bucket, and is in use: it is not backed up until the next start, which takes the version in the bucket and keeps this one aside',
      );
      return;
    }
    // What was moved here was never stored under this name, and will not be. What is here is kept aside.
    const lost = ledger
      .entriesOf(session)
      .filter((entry) => entry.movedBy.length > 0 && !isInCache(cache, entry));
    const sources = this.#leaveSources(session, lost);
    const kept = await yieldSession(ledger, cache, session, listed, nowMs());
    events.conflict(kept.length);
    log.error(
      { session, ...named(kept), keptIn: cache.files.locate('set-aside') },
      'A session changed here and in the bucket: the version in the bucket is taken, the files that changed here are kept aside',
    );
    tellOfSources(log, session, sources);
  }
}

function isInCache(cache: Cache, { name }: ObjectEntry): boolean {
  return existsSync(cache.files.locate(name));
}

function tellOfSources(log: ComparisonParts['log'], session: string, sources: readonly string[]): void {
  if (sources.length === 0) return;
  log.warn(
    { session, ...named(sources) },
    'What was moved to this session was not stored since, and cannot be any more: the versions in the bucket stay where it was moved from',
  );
}

/**
 * What the bucket has of files that are lost here, or yield to others, and were not stored since they were moved: no other version of them
 * is left there. Credentials come with all that was moved from their session, without which they are of no use.
 */
function movedFrom(ledger: Ledger, session: string, lost: readonly ObjectEntry[]): Set<ObjectEntry> {
  const kept = new Set<ObjectEntry>();
  const gone = new Set(lost.map(({ name }) => name));
  const byMove = ledger.moveSourcesOf(session, new Set(lost.flatMap(({ movedBy }) => movedBy)));
  for (const [first, ...others] of groupedBy(lost, ({ movedBy }) => movedBy.join()).values()) {
    const sources = first.movedBy.flatMap((move) => byMove.get(move) ?? []);
    const placed = groupedBy(sources, (source) => placeIn(session, source.name, source.session));
    const isFree = (place: string) => gone.has(place) || !ledger.get(place);
    const at = (places: readonly string[]) => places.flatMap((place) => placed.get(place) ?? []);
    const names = [first, ...others].map(({ name }) => name);
    // A file that got another name is one of those whose place is free.
    const isRenamed = names.some((name) => !placed.has(name));
    const complete = new Set<string>();
    for (const source of at(isRenamed ? [...names, ...[...placed.keys()].filter(isFree)] : names)) {
      kept.add(source);
      if (completesSession(source.name)) complete.add(source.session);
    }
    for (const source of sources) if (complete.has(source.session)) kept.add(source);
  }
  return kept;
}

/** Of these files, those of which no other file is here: what an application has made anew under the name goes on. */
function sessionsNotHere(ledger: Ledger, kept: ReadonlySet<ObjectEntry>): string[] {
  const isHere = ({ local }: ObjectEntry) => local === 'same' || local === 'changed';
  const sessions = new Set([...kept].map(({ session }) => session));
  return [...sessions].filter((session) => session !== '' && !ledger.entriesOf(session).some(isHere));
}

function groupedBy<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, [T, ...T[]]> {
  const groups = new Map<string, [T, ...T[]]>();
  for (const one of all) {
    const key = keyOf(one);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  return groups;
}

/** Where a whole session that is renamed has the object. */
function placeIn(session: string, name: string, from: string): string {
  const identity = fromObjectName(name);
  if (identity === undefined) return name;
  const path = session + identity.path.slice(from.length);
  return toObjectName(path, identity.directoryMeta ? 'directory' : 'file');
}

/** Until the next start no flush may say of a file that was deleted here that the bucket has it no more. */
function doubtUntaken(ledger: Ledger, session: string, listed: Listed): void {
  const isGone = ledger.entriesOf(session).every(({ local }) => local === 'deleted');
  for (const name of listed.keys()) if (ledger.get(name)?.remote === undefined) ledger.doubt(name, isGone);
}

/** For a log line: not more than anyone reads. */
function named(names: readonly string[]): { objects: string[]; files: number } {
  return { objects: names.slice(0, NAMES_IN_LINE), files: names.length };
}
