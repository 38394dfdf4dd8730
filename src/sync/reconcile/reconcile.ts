/**
 * Compares the ledger with the bucket's listing. Unchanged here and newer there: the bucket's version is the one that counts.
 * Changed here and unchanged there: it will be uploaded. Changed on both sides: a conflict of the whole session, since half
 * of one version and half of another are no session. Missing there: uploaded again, unless another mount had the session. The
 * same bytes on both sides are no change, no matter which mount stored them.
 */
import type { ObjectVersion } from '../../bucket/bucket.ts';
import { sessionOf } from '../../naming/session-path.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { isDirty, type ObjectEntry } from '../ledger/object-entry.ts';
import { isBelow, isSignedBy } from '../object-metadata.ts';

export interface Reconciled {
  /** Sessions that changed here and there. */
  conflicts: Set<string>;
  /** Objects that were deleted in the bucket by another mount: the cache's files are to go as well. */
  removed: string[];
  /** Objects that were replaced under this cache's signature, but not by an upload that it knows of: what is here is older, or was better. */
  replaced: string[];
  /** Objects that the bucket had and has no more. */
  lost: number;
  /** Names that are none of ours. */
  foreign: number;
}

export interface ReconcileOptions {
  /** The listing is of this session alone. */
  only?: string;
  /** Sessions that were compared after the listing had begun: it may be older than what is known of them. */
  except?: ReadonlySet<string>;
  /** Whether another mount may have written the session since the cache was last compared with it. */
  wroteElsewhere?: (session: string) => boolean;
  /** Whether the cache holds the very bytes of this version. */
  holds: (version: ObjectVersion) => Promise<boolean>;
}

interface Comparing {
  readonly ledger: Ledger;
  readonly result: Reconciled;
  readonly holds: ReconcileOptions['holds'];
  /** Sessions that something else than this cache has written. */
  readonly newer: Set<string>;
}

/**
 * Notes in the ledger what follows from the listing. `served`: whether an application may have seen a session already; what
 * is here then stays, and a newer version in the bucket is a conflict.
 */
export async function reconcile(
  ledger: Ledger,
  listing: Iterable<ObjectVersion>,
  served: (session: string) => boolean,
  { only, except, wroteElsewhere = () => false, holds }: ReconcileOptions,
): Promise<Reconciled> {
  const result: Reconciled = { conflicts: new Set(), removed: [], replaced: [], lost: 0, foreign: 0 };
  const comparing: Comparing = { ledger, result, holds, newer: new Set() };
  const listed = new Set<string>();
  for (const object of listing) {
    const session = sessionOf(object.name);
    if (session === undefined) {
      result.foreign++;
      continue;
    }
    listed.add(object.name);
    if (!except?.has(session)) await compare(comparing, object, session, served);
  }
  for (const entry of only === undefined ? [...ledger.entries()] : ledger.entriesOf(only)) {
    if (entry.remote === undefined || listed.has(entry.name) || except?.has(entry.session)) continue;
    if (wroteElsewhere(entry.session)) {
      comparing.newer.add(entry.session);
      deletedElsewhere(ledger, entry, served(entry.session), result);
    } else {
      ledger.lost(entry);
      result.lost++;
    }
  }
  // Also where the files that changed here are others than those that changed there. Files in the root are no session.
  for (const session of comparing.newer)
    if (session !== '' && ledger.dirtyOf(session).length > 0) result.conflicts.add(session);
  return result;
}

/** Another mount had the session meanwhile: what it lacks there was deleted on purpose. */
function deletedElsewhere(ledger: Ledger, entry: ObjectEntry, live: boolean, result: Reconciled): void {
  if (entry.local === 'changed' || (live && entry.local === 'same')) {
    result.conflicts.add(entry.session);
    return;
  }
  if (entry.local === 'same') result.removed.push(entry.name);
  ledger.forget(entry);
}

async function compare(
  { ledger, result, holds, newer }: Comparing,
  object: ObjectVersion,
  session: string,
  served: (session: string) => boolean,
): Promise<void> {
  const entry = ledger.get(object.name);
  if (entry?.remote?.generation === object.generation) return;
  if (entry !== undefined && (await isSame(entry, object, holds))) {
    ledger.same(object.name, object);
    return;
  }
  const live = served(session);
  const isSigned = isSignedBy(ledger.id, object.metadata);
  const isAttempt = isSigned && ledger.isAttempt(object.name, object.uploadId);
  if (entry === undefined && isAttempt) {
    ledger.late(object.name, object);
    return;
  }
  if (entry === undefined) {
    if (!isSigned) newer.add(session);
    if (!live) ledger.absent(object.name, object);
    else if (!isSigned) result.conflicts.add(session);
    return;
  }
  if (isAttempt) {
    adopt(ledger, entry, object);
    return;
  }
  // Signed, but by no upload that this ledger knows of: the cache is an older copy, put back since.
  newer.add(session);
  if (isDirty(entry) || (live && entry.local === 'same')) result.conflicts.add(session);
  else {
    if (isSigned && entry.local === 'same') result.replaced.push(object.name);
    ledger.absent(object.name, object);
  }
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
