/** A session that changed here and in the bucket: the version in the bucket counts, the one here is kept. */
import type { ObjectVersion } from '../../bucket/bucket.ts';
import { fromObjectName } from '../../naming/object-name.ts';
import type { Cache } from '../../store/cache/cache.ts';
import { quarantineAll } from '../../store/set-aside/quarantine.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { setKnownCompanionsAside, withDatabases } from '../restore/companions.ts';

/**
 * Moves every file that changed here to `<cache>/set-aside/` and makes the session absent, so that it is restored whole. Call
 * it before an application sees the session. Durable on return; returns the objects of which a version was kept.
 * `listing`: the bucket's objects by name.
 */
export async function yieldSession(
  ledger: Ledger,
  cache: Cache,
  session: string,
  listing: ReadonlyMap<string, ObjectVersion>,
  nowMs: number,
): Promise<string[]> {
  // Also backups that are not to be uploaded: without their files they would be. A database that lies here without its log is none.
  const changed = ledger.entriesOf(session).filter(({ local }) => local === 'changed' || local === 'deleted');
  const dirty = withDatabases(ledger, changed);
  const kept: string[] = [];
  const paths: string[] = [];
  for (const { name, local } of dirty) {
    const identity = fromObjectName(name);
    if (local === 'deleted' || local === 'absent' || identity?.directoryMeta !== false) continue;
    kept.push(name);
    paths.push(identity.path);
  }
  await quarantineAll(cache.files, paths, nowMs);
  const touched = new Set<string>();
  for (const name of [...kept])
    kept.push(...(await setKnownCompanionsAside({ cache, ledger }, name, nowMs, touched)));
  for (const entry of dirty) {
    const remote = listing.get(entry.name);
    if (remote !== undefined) {
      ledger.absent(entry.name, remote);
      continue;
    }
    await cache.files.removeFile(entry.name, touched);
    ledger.forget(entry);
  }
  await cache.files.syncDirectories(touched, 1);
  noteNewer(ledger, session, listing);
  return kept;
}

/** What changed in the bucket only. */
function noteNewer(ledger: Ledger, session: string, listing: ReadonlyMap<string, ObjectVersion>): void {
  for (const entry of ledger.entriesOf(session)) {
    const remote = listing.get(entry.name);
    if (remote !== undefined && remote.generation !== entry.remote?.generation)
      ledger.absent(entry.name, remote);
  }
}
