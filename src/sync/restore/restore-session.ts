/** One session, from the bucket to the cache, whole. */
import { existsSync } from 'node:fs';
import { mapLimit } from '../../lib/map-limit.ts';
import { isCredentials } from '../../naming/session-path.ts';
import type { Logger } from '../../observe/log.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { ObjectEntry } from '../ledger/object-entry.ts';
import { type Downloaded, type DownloadParts, download, stage } from './download.ts';

export interface RestoreParts extends DownloadParts {
  ledger: Ledger;
  log: Logger;
}

export interface Restored {
  files: number;
  bytes: number;
  /** Objects that do not open. */
  corrupt: number;
  /** The bucket has other versions than the listed ones: the session has to be compared again before it is served. */
  moved: boolean;
}

/** Objects under way in the bucket and on the disk together; of the former, as many at a time as have a turn. */
const FILES_AT_A_TIME = 64;

/**
 * Brings everything that the session lacks into the cache: its credentials first, the rest in parallel. What was fetched
 * stays fetched when something fails. All of it is on stable storage when it resolves. Rejects as `download` does.
 */
export async function restoreSession(parts: RestoreParts, session: string): Promise<Restored> {
  const { ledger, cache } = parts;
  const total: Restored = { files: 0, bytes: 0, corrupt: 0, moved: false };
  const touched = new Set<string>();
  const absent = ledger.absentOf(session).sort((a, b) => rank(a) - rank(b));
  try {
    await mapLimit(absent, FILES_AT_A_TIME, async (entry) => {
      const downloaded = await download(parts, entry);
      await keep(parts, entry, downloaded, touched, total);
    });
  } finally {
    await cache.files.syncDirectories(touched, 1);
  }
  return total;
}

function rank({ name }: ObjectEntry): number {
  return isCredentials(name) ? 0 : 1;
}

async function keep(
  parts: RestoreParts,
  entry: ObjectEntry,
  downloaded: Downloaded,
  touched: Set<string>,
  total: Restored,
): Promise<void> {
  const { ledger, cache } = parts;
  if (downloaded.kind === 'gone') {
    ledger.lost(entry);
    return;
  }
  if (downloaded.kind === 'moved') {
    total.moved = true;
    ledger.noteOutdated(entry.session);
    return;
  }
  const { object } = downloaded;
  if (downloaded.kind === 'staged') {
    await cache.files.publish(downloaded.staged, entry.name, touched);
    total.files++;
    total.bytes += object.size;
  } else {
    total.corrupt++;
    await keepCorrupt(parts, entry, downloaded, touched);
  }
  ledger.same(entry.name, object);
}

/**
 * What does not open is never served. Where the cache has a version, that stays; where it has none the bytes go there as they
 * are: their reader gets EIO, which tells a damaged file from one that was never there.
 */
async function keepCorrupt(
  { cache, log }: RestoreParts,
  { name, session }: ObjectEntry,
  { object, bytes, reason }: Extract<Downloaded, { kind: 'corrupt' }>,
  touched: Set<string>,
): Promise<void> {
  const hasOlder = existsSync(cache.files.locate(name));
  log.error(
    {
      session,
      object: name,
      generation: object.generation,
      reason,
      served: hasOlder ? 'the version here' : 'EIO',
    },
    'An object in the bucket does not open; it is not served',
  );
  if (!hasOlder) await cache.files.publish(await stage(cache, bytes), name, touched);
}
