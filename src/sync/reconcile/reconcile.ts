/**
 * Compares the ledger with the bucket's listing, a page at a time. Unchanged here and newer there: the bucket's version is the
 * one that counts. Changed here and unchanged there: it will be uploaded. Changed on both sides: a conflict of the whole
 * session, since half of one version and half of another are no session. Missing there: uploaded again, unless another mount
 * had the session. The same bytes on both sides are no change, no matter which mount stored them.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ObjectVersion } from '../../bucket/bucket.ts';
import { isBelow, isSignedBy } from '../../bucket/object-metadata.ts';
import { sessionOf } from '../../naming/session-path.ts';
import { ancestors, type ForeignObjects } from '../foreign-objects.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { isDirty, type ObjectEntry } from '../ledger/object-entry.ts';
import { ListedNames } from './listed-names.ts';

export interface Reconciled {
  /** Sessions that changed here and there. */
  conflicts: Set<string>;
  /** Objects that were replaced under this cache's signature, but not by an upload that it knows of: what is here is older, or was better. */
  replaced: string[];
  /** Objects that the bucket had and has no more. */
  lost: number;
}

export interface ReconcileOptions {
  /** Whether an application may have seen a session already; what is here then stays, and a newer version in the bucket is a conflict. */
  served: (session: string) => boolean;
  /** The listing is of this session alone. */
  only?: string;
  /** Sessions that were compared after the listing had begun: it may be older than what is known of them. */
  except?: ReadonlySet<string>;
  /** Whether another mount may have written the session since the cache was last compared with it. */
  wroteElsewhere?: (session: string) => boolean;
  /** Whether the cache holds the very bytes of this version. */
  holds: (version: ObjectVersion) => Promise<boolean>;
  /**
   * Takes out of the cache what another mount has deleted in the bucket; durable when it resolves. Only then the ledger forgets it: a
   * file that it does not know would be served, and never be compared again.
   */
  remove: (objectNames: readonly string[]) => Promise<void>;
  foreign: ForeignObjects;
  /** The floor of a session's lease, as far as it is known: objects below it do not count. */
  floorOf?: (session: string) => number;
}

/** Between two turns of the event loop: a few milliseconds' work. */
const OBJECTS_AT_A_TIME = 200;
const ENTRIES_AT_A_TIME = 2_000;

export class Reconciliation {
  readonly result: Reconciled = { conflicts: new Set(), replaced: [], lost: 0 };
  readonly #ledger: Ledger;
  readonly #options: ReconcileOptions;
  /** Sessions that something else than this cache has written. */
  readonly #newer = new Set<string>();
  readonly #listed = new ListedNames();
  /** Objects that are compared once all of the listing is known. */
  #postponed: ObjectVersion[] = [];

  constructor(ledger: Ledger, options: ReconcileOptions) {
    this.#ledger = ledger;
    this.#options = options;
  }

  /**
   * Notes in the ledger what follows from a part of the listing. That is true by itself, also where the rest of the listing
   * never comes: what may be half of a conflict is left for the end.
   */
  async add(objects: Iterable<ObjectVersion>): Promise<void> {
    for (const some of inParts(objects, OBJECTS_AT_A_TIME)) {
      await this.#ledger.together(async () => {
        for (const object of some) await this.#add(object);
      });
      if (some.length === OBJECTS_AT_A_TIME) await nextTurn();
    }
  }

  async #add(object: ObjectVersion): Promise<void> {
    const { foreign, floorOf } = this.#options;
    const session = foreign.sessionOf(object.name);
    if (session === undefined || (floorOf && isBelow(floorOf(session), object.metadata))) return;
    const entry = this.#ledger.get(object.name);
    this.#listed.add(object.name, session);
    if (entry?.remote?.generation === object.generation) return;
    if (this.#isPostponed(object.name, session, entry)) this.#postponed.push(object);
    else await this.#compare(object, session);
  }

  /**
   * The listing was complete. Of a session in conflict nothing is noted that tells of it: that is done once all that
   * changed here is set aside, and a daemon that dies before finds the conflict again.
   */
  async end(): Promise<Reconciled> {
    const deleted = await this.#lookForLost();
    const goes = new Set(deleted.map(({ name }) => name));
    const news: ObjectVersion[] = [];
    await this.#ledger.together(async () => {
      for (const object of this.#postponed) if (await this.#isPostponedNews(object, goes)) news.push(object);
    });
    this.#postponed = [];
    const { conflicts } = this.result;
    // Also where the files that changed here are others than those that changed there. Files in the root are no session.
    for (const session of this.#newer)
      if (session !== '' && this.#ledger.dirtyOf(session).length > 0) conflicts.add(session);
    await this.#remove(deleted.filter(({ session }) => !conflicts.has(session)));
    await this.#ledger.together(async () => {
      for (const object of news) this.#noteNews(object);
    });
    return this.result;
  }

  /** It may be in conflict with what changed here, or lie below a file that may be no more. */
  #isPostponed(name: string, session: string, entry: ObjectEntry | undefined): boolean {
    return this.#ledger.isDirty(session) || (entry === undefined && this.#liesBelowFile(name));
  }

  /** Most sessions are flat: nothing is looked up for them. `goes`: files that another mount deleted. */
  #liesBelowFile(name: string, goes?: ReadonlySet<string>): boolean {
    const folders = ancestors(name);
    return folders.slice(folders[2]?.includes('/+') ? 3 : 2).some((ancestor) => {
      const local = this.#ledger.get(ancestor)?.local;
      return local !== undefined && local !== 'deleted' && !goes?.has(ancestor);
    });
  }

  async #isPostponedNews(object: ObjectVersion, goes: ReadonlySet<string>): Promise<boolean> {
    const isNew = this.#ledger.get(object.name) === undefined;
    if (!isNew || !this.#liesBelowFile(object.name, goes))
      return this.#isNews(object, sessionOf(object.name) ?? '');
    this.#options.foreign.note(object.name);
    return false;
  }

  /** Notes what the bucket lost. Returns what another mount deleted there, and this one neither changed nor shows. */
  async #lookForLost(): Promise<ObjectEntry[]> {
    const { only } = this.#options;
    const entries = only === undefined ? this.#ledger.entries() : this.#ledger.entriesOf(only);
    const deleted: ObjectEntry[] = [];
    for (const some of inParts(entries, ENTRIES_AT_A_TIME)) {
      await this.#ledger.together(async () => {
        for (const entry of some) if (this.#isLost(entry) && this.#isDeletion(entry)) deleted.push(entry);
      });
      if (some.length === ENTRIES_AT_A_TIME) await nextTurn();
    }
    return deleted;
  }

  /** The bucket had it, and has it no more. */
  #isLost({ name, remote, session }: ObjectEntry): boolean {
    return (
      remote !== undefined && !this.#listed.has(name, session) && this.#options.except?.has(session) !== true
    );
  }

  /** Of an entry that is lost: another mount deleted it, on purpose, and nothing here speaks against it. */
  #isDeletion(entry: ObjectEntry): boolean {
    const { wroteElsewhere, served } = this.#options;
    const { session } = entry;
    if (!wroteElsewhere?.(session)) {
      this.#ledger.lost(entry);
      this.result.lost++;
      return false;
    }
    this.#newer.add(session);
    const isWanted = isNeeded(entry, served(session));
    if (isWanted || this.#leavesBackup(entry)) this.result.conflicts.add(session);
    return !isWanted;
  }

  /** Takes out of the cache, and then of the ledger, what another mount deleted. */
  async #remove(deleted: readonly ObjectEntry[]): Promise<void> {
    const names = deleted.flatMap((entry) => this.#removedWith(entry));
    if (names.length > 0) await this.#options.remove([...new Set(names)]);
    for (const some of inParts(deleted, ENTRIES_AT_A_TIME)) {
      await this.#ledger.together(async () => {
        for (const entry of some) this.#forget(entry);
      });
      if (some.length === ENTRIES_AT_A_TIME) await nextTurn();
    }
  }

  #forget(entry: ObjectEntry): void {
    // It may have changed since, or be another file's.
    if (this.#ledger.get(entry.name) !== entry || !this.#isLost(entry)) return;
    if (isNeeded(entry, this.#options.served(entry.session))) {
      this.result.conflicts.add(entry.session);
      return;
    }
    const backup = this.#backupWithout(entry);
    if (backup !== undefined) this.#ledger.forget(backup);
    this.#ledger.forget(entry);
  }

  #removedWith(entry: ObjectEntry): string[] {
    const backup = this.#backupWithout(entry);
    const removed = backup === undefined ? [] : [backup.name];
    // Of one that was to be restored the cache may hold an older copy, which nothing would ever replace.
    if (isHere(entry) || (entry.local === 'absent' && !this.#options.served(entry.session)))
      removed.push(entry.name);
    return removed;
  }

  /** Without the file its backup would be one that changed here, and is in the bucket. */
  #leavesBackup(entry: ObjectEntry): boolean {
    const backup = this.#ledger.backupOf(entry.name);
    return (
      backup?.shadowed === true && backup.local === 'changed' && this.#backupWithout(entry) === undefined
    );
  }

  /** Of a file that was deleted: it would be read, and stored, in place of the file. */
  #backupWithout({ name }: ObjectEntry): ObjectEntry | undefined {
    const backup = this.#ledger.backupOf(name);
    if (!backup?.shadowed || backup.local === 'absent') return undefined;
    return backup.remote === undefined || !this.#listed.has(backup.name, backup.session) ? backup : undefined;
  }

  async #compare(object: ObjectVersion, session: string): Promise<void> {
    if (await this.#isNews(object, session)) this.#noteNews(object);
  }

  /** Whether something else than this cache has written the object; notes what is none of that. */
  async #isNews(object: ObjectVersion, session: string): Promise<boolean> {
    const { except, holds, served } = this.#options;
    const ledger = this.#ledger;
    const entry = ledger.get(object.name);
    if (except?.has(session) || entry?.remote?.generation === object.generation) return false;
    if (entry !== undefined && (await isSame(entry, object, holds))) {
      ledger.same(object.name, object);
      return false;
    }
    const isSigned = isSignedBy(ledger.id, object.metadata);
    if (isSigned && ledger.isAttempt(object.name, object.uploadId)) {
      if (entry === undefined) ledger.late(object.name, object);
      else adopt(ledger, entry, object);
      return false;
    }
    const live = served(session);
    // Signed, but by no upload that this ledger knows of: the cache is an older copy, put back since.
    if (entry !== undefined || !isSigned) this.#newer.add(session);
    const isConflict = isChangedHere(entry, live, isSigned);
    if (isConflict) this.result.conflicts.add(session);
    return !isConflict;
  }

  #noteNews(object: ObjectVersion): void {
    const session = sessionOf(object.name) ?? '';
    const entry = this.#ledger.get(object.name);
    const live = this.#options.served(session);
    const isSigned = isSignedBy(this.#ledger.id, object.metadata);
    // It may have changed since it was compared.
    if (isChangedHere(entry, live, isSigned)) {
      this.result.conflicts.add(session);
      return;
    }
    if (entry === undefined && live) return;
    if (entry?.local === 'same' && isSigned) this.result.replaced.push(object.name);
    if (!this.result.conflicts.has(session)) this.#ledger.absent(object.name, object);
  }
}

function isHere({ local }: ObjectEntry): boolean {
  return local === 'same' || local === 'changed';
}

/** A change that is to be stored, or what an application has seen. */
function isNeeded(entry: ObjectEntry, live: boolean): boolean {
  return (entry.local === 'changed' && !entry.shadowed) || (live && isHere(entry));
}

/** What is new in the bucket changed here, too, or an application has seen what is here. */
function isChangedHere(entry: ObjectEntry | undefined, live: boolean, isSigned: boolean): boolean {
  return entry === undefined ? live && !isSigned : isDirty(entry) || (live && entry.local !== 'absent');
}

/** The cache holds the same content as the object, no matter which mount stored it. */
async function isSame(
  entry: ObjectEntry,
  object: ObjectVersion,
  holds: ReconcileOptions['holds'],
): Promise<boolean> {
  const { local, remote, change } = entry;
  if (local === 'same') return remote?.crc32c === object.crc32c && remote.size === object.size;
  return local === 'changed' && (await holds(object)) && entry.local === 'changed' && entry.change === change;
}

/** An upload of ours whose outcome was not noted. */
function adopt(ledger: Ledger, entry: ObjectEntry, object: ObjectVersion): void {
  if (entry.local === 'absent' || entry.local === 'same') ledger.absent(entry.name, object);
  else ledger.ours(entry.name, object);
}

function* inParts<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let part: T[] = [];
  for (const item of items) {
    if (part.push(item) < size) continue;
    yield part;
    part = [];
  }
  yield part;
}

/** Takes out what was written by mounts that had lost the session, and returns it. */
export function takeStale(
  listing: Map<string, ObjectVersion>,
  floorOf: (session: string) => number,
): ObjectVersion[] {
  const stale: ObjectVersion[] = [];
  for (const object of listing.values()) {
    const session = sessionOf(object.name);
    if (session === undefined || !isBelow(floorOf(session), object.metadata)) continue;
    stale.push(object);
    listing.delete(object.name);
  }
  return stale;
}
