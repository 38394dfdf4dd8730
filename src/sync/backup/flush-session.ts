/** One session's changes, from the cache to the bucket: keys first, its credentials after them, deletions last, of backups before their files. */
import { mapLimit } from '../../lib/map-limit.ts';
import { backedUpBy, completesSession } from '../../naming/session-path.ts';
import type { Backup } from '../events.ts';
import { ancestors } from '../foreign-objects.ts';
import type { ObjectEntry } from '../ledger/object-entry.ts';
import { type DatabaseImages, foldDatabases, removeImage } from './database-images.ts';
import { type CachedVersion, readCached, readImage, remove, type UploadParts, upload } from './upload.ts';

export interface FlushParts extends UploadParts {
  /** Runs a request to the bucket when it is its turn, and not sooner than the bucket takes one for this object. */
  inTurn: <T>(objectName: string, request: () => Promise<T>) => Promise<T>;
  /** Resolves when all that was committed before the call is in the cache and in the ledger. */
  settleCommitted: () => Promise<void>;
  databases: DatabaseImages;
}

interface Progress {
  readonly done: Backup;
  readonly failed: Error[];
  /** A file was gone when its turn came. It may have been renamed, and what it is now is not stored yet. */
  isGone: boolean;
}

const FILES_AT_A_TIME = 64;
/** Where files are gone when their turn comes: more than one that is renamed needs, and no endless chase after one that comes and goes. */
const PASSES_MAX = 5;

/**
 * Rejects with the first failure, once nothing is under way any more. Then nothing that relies on what failed was touched:
 * the bucket holds a session that works, older or newer. Deletions of what was moved to another session stay dirty until that
 * session has stored it; where its credentials were moved, what was made anew under its name waits, too. A database of which no image
 * can be made is told of at the end. `done` counts what went, also then.
 */
export async function flushSession(parts: FlushParts, session: string, done: Backup): Promise<void> {
  const { ledger } = parts;
  if (ledger.isHeldBack(session)) return;
  const progress: Progress = { done, failed: [], isGone: true };
  const dirty = ledger.dirtyOf(session);
  const deleted = dirty.filter(({ local }) => local === 'deleted');
  const inTheWay = namesakes(
    deleted,
    dirty.filter(({ local }) => local === 'changed'),
  );
  await removeAll(
    parts,
    deleted.filter((entry) => inTheWay.has(entry)),
    done,
    () => false,
  );
  for (let pass = 0; !ledger.isHeldBack(session) && progress.isGone && pass < PASSES_MAX; pass++) {
    progress.isGone = false;
    await uploadChanged(parts, session, progress);
  }
  const last = deleted.filter((entry) => !inTheWay.has(entry));
  const isBackup = ({ name }: ObjectEntry) => backedUpBy(name) !== undefined;
  const isAwaited = (entry: ObjectEntry) => ledger.isAwaited(entry);
  // A backup that outlives its file is read in its place.
  await removeAll(parts, last.filter(isBackup), done, isAwaited);
  await removeAll(
    parts,
    last.filter((entry) => !isBackup(entry)),
    done,
    isAwaited,
  );
  const [failure] = progress.failed;
  if (failure !== undefined) throw failure;
}

async function uploadChanged(parts: FlushParts, session: string, progress: Progress): Promise<void> {
  const { ledger } = parts;
  const credentials = changedOf(parts, session, true);
  await uploadKeys(parts, session, progress);
  const isThere = (entry: ObjectEntry) => ledger.get(entry.name) === entry && entry.local !== 'deleted';
  if (!credentials.every(isThere)) progress.isGone = true;
  await uploadCredentials(parts, session, progress);
}

/** False: one was gone when its turn came. */
async function uploadKeys(parts: FlushParts, session: string, progress: Progress): Promise<boolean> {
  const toUpload = await foldDatabases(parts, changedOf(parts, session, false), progress.failed);
  let isWhole = true;
  await mapLimit(toUpload, FILES_AT_A_TIME, async ({ entry, image }) => {
    const read = () => (image ? readImage(entry, image) : readCached(parts, entry));
    if (!(await uploadOne(parts, entry, read, progress))) isWhole = false;
  });
  return isWhole;
}

/**
 * A checkpoint may bring newer credentials into the cache while their keys are uploaded. So the credentials are read first, then
 * every key that was committed before them goes, and then what was read.
 */
async function uploadCredentials(parts: FlushParts, session: string, progress: Progress): Promise<void> {
  const read: CachedVersion[] = [];
  for (const entry of changedOf(parts, session, true)) {
    const version = await readCached(parts, entry);
    if (version !== undefined) read.push(version);
    else progress.isGone = true;
  }
  if (read.length === 0) return;
  await parts.settleCommitted();
  // One that was renamed meanwhile goes under its new name before them.
  for (let pass = 0; pass < PASSES_MAX; pass++) if (await uploadKeys(parts, session, progress)) break;
  for (const version of read) await uploadOne(parts, version.entry, async () => version, progress);
}

function changedOf({ ledger }: FlushParts, session: string, credentials: boolean): ObjectEntry[] {
  return ledger
    .dirtyOf(session)
    .filter(({ local, name }) => local === 'changed' && completesSession(name) === credentials);
}

/** Files whose place a folder has taken, and the other way round: a bucket that is a directory cannot hold both. */
function namesakes(deleted: readonly ObjectEntry[], changed: readonly ObjectEntry[]): Set<ObjectEntry> {
  const foldersOf = (entries: readonly ObjectEntry[]) =>
    new Set(entries.flatMap(({ name }) => ancestors(name)));
  const files = new Set(changed.map(({ name }) => name));
  const folders = foldersOf(changed);
  return new Set(
    deleted.filter(({ name }) => folders.has(name) || ancestors(name).some((folder) => files.has(folder))),
  );
}

/** `isKept`: an object that is to stay for the time being, asked when its turn comes: the file may have been made again, and moved. */
async function removeAll(
  parts: FlushParts,
  entries: readonly ObjectEntry[],
  done: Backup,
  isKept: (entry: ObjectEntry) => boolean,
): Promise<void> {
  await mapLimit(entries, FILES_AT_A_TIME, async (entry) => {
    const removeOne = async () => !isKept(entry) && (await remove(parts, entry));
    if (await parts.inTurn(entry.name, removeOne)) done.deletes++;
    if (parts.ledger.get(entry.name) === undefined) await removeImage(parts.locate, entry.name);
  });
}

/** False: the file was gone when its turn came. */
async function uploadOne(
  parts: FlushParts,
  entry: ObjectEntry,
  read: () => Promise<CachedVersion | undefined>,
  progress: Progress,
): Promise<boolean> {
  const bytes = await parts.inTurn(entry.name, async () => {
    const version = await read();
    return version && upload(parts, version);
  });
  if (bytes === undefined) {
    progress.isGone = true;
    return false;
  }
  progress.done.bytes += bytes;
  if (bytes > 0) progress.done.files++;
  return true;
}
