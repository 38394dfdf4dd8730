/** A session that changed here and in the bucket: the version in the bucket counts, the one here is kept. */
import type { ObjectVersion } from '../../bucket/bucket.ts';
import { fromObjectName } from '../../naming/object-name.ts';
import type { Cache } from '../../store/cache/cache.ts';
import { quarantineAll } from '../../store/set-aside/quarantine.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { ObjectEntry } from '../ledger/object-entry.ts';
import { setKnownCompanionsAside, withDatabases } from '../restore/companions.ts';

/**
 * Moves every file that changed here, or that another mount deleted, to `<cache>/set-aside/` and makes the session absent, so that
 * it is restored whole. Call it before an application sees the session. Durable on return; returns the objects of which a version
 * was kept. A daemon that dies in the middle of it leaves a session that is in conflict still, or one of which nothing is left that
 * changed here. `listing`: the bucket's objects by name.
 */
export async function yieldSession(
  ledger: Ledger,
  cache: Cache,
  session: string,
  listing: ReadonlyMap<string, ObjectVersion>,
  nowMs: number,
): Promise<string[]> {
  const entries = ledger.entriesOf(session);
  // Also backups that are not to be uploaded: without their files they would be. A database that lies here without its log is none.
  const changed = entries.filter(({ local }) => local === 'changed' || local === 'deleted');
  const dirty = withDatabases(ledger, changed);
  const isDirty = new Set(dirty);
  const deleted = entries.filter((entry) => !isDirty.has(entry) && !listing.has(entry.name));
  const touched = new Set<string>();
  const kept = await setAside({ ledger, cache }, dirty, deleted, nowMs, touched);
  for (const { name } of [...dirty, ...deleted])
    if (!listing.has(name)) await cache.files.removeFile(name, touched);
  await cache.files.syncDirectories(touched, 1);
  await ledger.together(async () => {
    for (const entry of [...tellingLast(dirty, listing), ...deleted]) {
      const remote = listing.get(entry.name);
      if (remote === undefined) ledger.forget(entry);
      else ledger.absent(entry.name, remote);
    }
    noteNewer(ledger, listing);
  });
  return kept;
}

async function setAside(
  parts: { ledger: Ledger; cache: Cache },
  dirty: readonly ObjectEntry[],
  deleted: readonly ObjectEntry[],
  nowMs: number,
  touched: Set<string>,
): Promise<string[]> {
  const { files } = parts.cache;
  const changed = dirty.filter(({ local }) => local !== 'deleted' && local !== 'absent').filter(isFile);
  // Of one that was to be restored the cache may hold an older copy.
  const others = deleted.filter(isFile);
  const found = new Set(await quarantineAll(files, [...changed, ...others].map(pathOf), nowMs));
  const kept = [...changed, ...others.filter((entry) => found.has(pathOf(entry)))].map(({ name }) => name);
  // Also of what a run that was cut short has set aside already.
  for (const { name } of [...changed, ...others])
    kept.push(...(await setKnownCompanionsAside(parts, name, nowMs, touched)));
  return kept;
}

function isFile({ name }: ObjectEntry): boolean {
  return fromObjectName(name)?.directoryMeta === false;
}

function pathOf({ name }: ObjectEntry): string {
  return fromObjectName(name)?.path ?? '';
}

/** As long as one of those is left that changed there too, it tells of the conflict. */
function tellingLast(
  dirty: readonly ObjectEntry[],
  listing: ReadonlyMap<string, ObjectVersion>,
): ObjectEntry[] {
  const tells = ({ name, remote }: ObjectEntry) => listing.get(name)?.generation !== remote?.generation;
  return [...dirty.filter((entry) => !tells(entry)), ...dirty.filter(tells)];
}

/** What changed in the bucket only, or is new there. */
function noteNewer(ledger: Ledger, listing: ReadonlyMap<string, ObjectVersion>): void {
  for (const [name, remote] of listing)
    if (ledger.get(name)?.remote?.generation !== remote.generation) ledger.absent(name, remote);
}
