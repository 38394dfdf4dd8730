/** One session's changes, from the cache to the bucket: keys first, its credentials after them, deletions last. */
import { mapLimit } from '../../lib/map-limit.ts';
import { isCredentials } from '../../naming/session-path.ts';
import type { Backup } from '../events.ts';
import type { ObjectEntry } from '../ledger/object-entry.ts';
import { remove, type UploadParts, upload } from './upload.ts';

export interface FlushParts extends UploadParts {
  /** Runs a request to the bucket when it is its turn, and not sooner than the bucket takes one for this object. */
  inTurn: <T>(objectName: string, request: () => Promise<T>) => Promise<T>;
}

const FILES_AT_A_TIME = 64;

/**
 * Rejects with the first failure, once nothing is under way any more. Then nothing that relies on what failed was touched:
 * the bucket holds a session that works, older or newer. `done` counts what went, also then.
 */
export async function flushSession(parts: FlushParts, session: string, done: Backup): Promise<void> {
  const dirty = parts.ledger.dirtyOf(session);
  const changed = dirty.filter(({ local }) => local === 'changed');
  const deleted = dirty.filter(({ local }) => local === 'deleted');
  const inTheWay = namesakes(deleted, changed);
  await removeAll(
    parts,
    deleted.filter((entry) => inTheWay.has(entry)),
    done,
  );
  const stages = [
    changed.filter(({ name }) => !isCredentials(name)),
    changed.filter(({ name }) => isCredentials(name)),
  ];
  for (const stage of stages)
    await mapLimit(stage, FILES_AT_A_TIME, (entry) => uploadOne(parts, entry, done));
  await removeAll(
    parts,
    deleted.filter((entry) => !inTheWay.has(entry)),
    done,
  );
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

function ancestors(name: string): string[] {
  const parts = name.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}

async function removeAll(parts: FlushParts, entries: readonly ObjectEntry[], done: Backup): Promise<void> {
  await mapLimit(entries, FILES_AT_A_TIME, async (entry) => {
    await parts.inTurn(entry.name, () => remove(parts, entry));
    done.deletes++;
  });
}

async function uploadOne(parts: FlushParts, entry: ObjectEntry, done: Backup): Promise<void> {
  const bytes = await parts.inTurn(entry.name, () => upload(parts, entry));
  if (bytes === 0) return;
  done.files++;
  done.bytes += bytes;
}
