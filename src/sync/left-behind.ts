/** A cache is given another bucket: what it has of sessions that are whole only in the one before. */
import { existsSync } from 'node:fs';
import { toObjectName } from '../naming/object-name.ts';
import type { Cache } from '../store/cache/cache.ts';
import { quarantineAll } from '../store/set-aside/quarantine.ts';
import { removeImage } from './backup/database-images.ts';
import type { ReadLedger } from './ledger/reading.ts';

export interface LeftBehind {
  /** Sessions of which the cache had something. */
  sessions: string[];
  files: number;
}

/**
 * Takes out of the cache what it has of sessions of which the rest, or a newer version, is in the bucket before: in the new one
 * that would be half a session. It is kept in quarantine. A session that changed here, in local mode say, stays as it is. Call
 * it before the ledger goes over to the new bucket. Durable on return; rejects with system errors.
 */
export async function leaveBehind(cache: Cache, ledger: ReadLedger, nowMs: number): Promise<LeftBehind> {
  const left: LeftBehind = { sessions: [], files: 0 };
  // Half a ledger does not tell what is whole.
  if (ledger.damaged) return left;
  const touched = new Set<string>();
  for (const [session, { absent, dirty }] of ledger.state.sessions) {
    if (session === '' || absent === 0 || dirty.size > 0) continue;
    const files = await setAside(cache, session, nowMs, touched);
    if (files > 0) left.sessions.push(session);
    left.files += files;
  }
  await cache.files.syncDirectories(touched, 1);
  return left;
}

async function setAside(cache: Cache, session: string, nowMs: number, touched: Set<string>): Promise<number> {
  if (!existsSync(cache.files.locate(toObjectName(session, 'directory')))) return 0;
  const { files, directories } = cache.contentOfSync(session);
  await quarantineAll(cache.files, files, nowMs);
  for (const name of files.map((path) => toObjectName(path, 'file'))) {
    // First: a start that is repeated finds no file whose image it could remove.
    await removeImage((each) => cache.files.locate(each), name);
    await cache.files.removeFile(name, touched);
  }
  for (const path of [session, ...directories].reverse()) await cache.files.removeDirectory(path, touched);
  return files.length;
}
