/**
 * What SQLite keeps beside a database is of one state of it. When another version takes its place, from the bucket, the log and the
 * journal that lie there would destroy it.
 */
import { existsSync } from 'node:fs';
import { fromObjectName, toObjectName } from '../../naming/object-name.ts';
import { asCompanion, companionsOf } from '../../sqlite/companions.ts';
import type { Cache } from '../../store/cache/cache.ts';
import { quarantineAll } from '../../store/set-aside/quarantine.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { ObjectEntry } from '../ledger/object-entry.ts';

/** Whether the cache has anything beside the file that SQLite would take for a part of it. */
export function hasCompanions(cache: Cache, objectName: string): boolean {
  return pathsBeside(objectName).some((path) => existsSync(cache.files.locate(nameOf(path))));
}

interface CompanionParts {
  cache: Cache;
  ledger: Ledger;
}

/**
 * Quarantines what lies beside the database in the cache, and takes it away. `touched`: see CacheFiles. Returns the objects of which
 * a version was kept.
 */
export function setCompanionsAside(
  parts: CompanionParts,
  objectName: string,
  nowMs: number,
  touched: Set<string>,
): Promise<string[]> {
  return setAside(parts, pathsBeside(objectName), nowMs, touched);
}

/** The same, of what the ledger does not know: a flush has found out that it belongs to a database. */
export function setKnownCompanionsAside(
  parts: CompanionParts,
  objectName: string,
  nowMs: number,
  touched: Set<string>,
): Promise<string[]> {
  const unlisted = pathsBeside(objectName).filter((path) => parts.ledger.get(nameOf(path)) === undefined);
  return setAside(parts, unlisted, nowMs, touched);
}

/** Entries, and those of the databases that some of them lie beside. */
export function withDatabases(ledger: Ledger, entries: readonly ObjectEntry[]): ObjectEntry[] {
  const databases = entries.flatMap(({ name }) => {
    const companion = asCompanion(fromObjectName(name)?.path ?? '');
    return companion === undefined ? [] : (ledger.get(nameOf(companion.database)) ?? []);
  });
  return [...new Set([...entries, ...databases])];
}

async function setAside(
  { cache, ledger }: CompanionParts,
  candidates: readonly string[],
  nowMs: number,
  touched: Set<string>,
): Promise<string[]> {
  const paths = candidates.filter((path) => existsSync(cache.files.locate(nameOf(path))));
  if (paths.length === 0) return [];
  const kept = await quarantineAll(cache.files, paths, nowMs);
  for (const name of paths.map(nameOf)) {
    await cache.files.removeFile(name, touched);
    const entry = ledger.get(name);
    if (entry !== undefined) ledger.noObject(entry);
  }
  return kept.map(nameOf);
}

function pathsBeside(objectName: string): string[] {
  const identity = fromObjectName(objectName);
  if (identity === undefined || identity.directoryMeta) return [];
  return companionsOf(identity.path).map(({ path }) => path);
}

function nameOf(path: string): string {
  return toObjectName(path, 'file');
}
