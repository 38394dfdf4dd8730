/**
 * Compares the ledger with the bucket's listing. Unchanged here and newer there: the bucket's version is the one that counts.
 * Changed here and unchanged there: it will be uploaded. Changed on both sides: a conflict of the whole session, since half
 * of one version and half of another are no session. Missing there: uploaded again, unless another mount had the session.
 */
import type { ObjectVersion } from '../../bucket/bucket.ts';
import { sessionOf } from '../../naming/session-path.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { isDirty, type ObjectEntry } from '../ledger/object-entry.ts';
import { isBelow, isSignedBy } from '../object-metadata.ts';

export interface Reconciled {
  /** Sessions that changed here and there. */
  conflicts: Set<string>;
  /** Sessions whose version here is older than the bucket's. */
  outdated: Set<string>;
  /** Objects that were deleted in the bucket by another mount: the cache's files are to go as well. */
  removed: string[];
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
  /** Whether another mount may have written the session since the cache was in step with it. */
  wroteElsewhere?: (session: string) => boolean;
}

/**
 * Notes in the ledger what follows from the listing. `served`: whether an application may have seen a session already; what
 * is here then stays, and a newer version in the bucket is a conflict.
 */
export function reconcile(
  ledger: Ledger,
  listing: Iterable<ObjectVersion>,
  served: (session: string) => boolean,
  { only, except, wroteElsewhere = () => false }: ReconcileOptions = {},
): Reconciled {
  const result: Reconciled = { conflicts: new Set(), outdated: new Set(), removed: [], lost: 0, foreign: 0 };
  const listed = new Set<string>();
  const newer = new Set<string>();
  const live = new Set(ledger.sessionNames.filter(served));
  for (const object of listing) {
    const session = sessionOf(object.name);
    if (session === undefined) {
      result.foreign++;
      continue;
    }
    listed.add(object.name);
    if (except?.has(session)) continue;
    compare(ledger, object, session, live.has(session), result, newer);
  }
  for (const entry of only === undefined ? [...ledger.entries()] : ledger.entriesOf(only)) {
    if (entry.remote === undefined || listed.has(entry.name) || except?.has(entry.session)) continue;
    if (wroteElsewhere(entry.session)) {
      newer.add(entry.session);
      deletedElsewhere(ledger, entry, live.has(entry.session), result);
    } else {
      ledger.lost(entry);
      result.lost++;
    }
  }
  // Also where the files that changed here are others than those that changed there. Files in the root are no session.
  for (const session of newer)
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

/** `live`: an application may have seen the session as it is here. `newer`: sessions that somebody else has written. */
function compare(
  ledger: Ledger,
  object: ObjectVersion,
  session: string,
  live: boolean,
  result: Reconciled,
  newer: Set<string>,
): void {
  const entry = ledger.get(object.name);
  if (entry?.remote?.generation === object.generation) return;
  const isOurs = isSignedBy(ledger.id, object.metadata);
  if (!isOurs) newer.add(session);
  if (entry === undefined) {
    if (!live) ledger.absent(object.name, object);
    else if (!isOurs) result.conflicts.add(session);
    return;
  }
  if (isOurs) adopt(ledger, entry, object);
  else if (isDirty(entry) || (live && entry.local === 'same')) result.conflicts.add(entry.session);
  else {
    if (entry.local === 'same') result.outdated.add(entry.session);
    ledger.absent(object.name, object);
  }
}

/** An upload of ours whose outcome nobody could note. */
function adopt(ledger: Ledger, entry: ObjectEntry, object: ObjectVersion): void {
  if (entry.local === 'absent') ledger.absent(entry.name, object);
  else if (entry.local === 'same' && entry.remote?.crc32c === object.crc32c) ledger.same(entry.name, object);
  else if (entry.local === 'deleted') {
    entry.remote = object;
  } else ledger.ours(entry.name, object);
}

/** Leaves out what was written by mounts that had lost the session. */
export function withoutStale(
  listing: ReadonlyMap<string, ObjectVersion>,
  floorOf: (session: string) => number,
): Map<string, ObjectVersion> {
  const counted = new Map(listing);
  for (const { name, metadata } of listing.values()) {
    const session = sessionOf(name);
    if (session !== undefined && isBelow(floorOf(session), metadata)) counted.delete(name);
  }
  return counted;
}
