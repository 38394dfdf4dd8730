/** One session, from the bucket to the cache, whole. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { ByteBudget } from '../../lib/byte-budget.ts';
import { mapLimit } from '../../lib/map-limit.ts';
import { codeOf, ifMissing } from '../../lib/system-error.ts';
import { fromObjectName } from '../../naming/object-name.ts';
import { completesSession } from '../../naming/session-path.ts';
import type { Logger } from '../../observe/log.ts';
import type { StagedFile } from '../../store/cache/files.ts';
import { quarantineAll } from '../../store/set-aside/quarantine.ts';
import { ancestors, type ForeignObjects } from '../foreign-objects.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { ObjectEntry } from '../ledger/object-entry.ts';
import { hasCompanions, setCompanionsAside } from './companions.ts';
import { type Downloaded, type DownloadParts, download, stage } from './download.ts';

export interface RestoreParts extends DownloadParts {
  ledger: Ledger;
  foreign: ForeignObjects;
  /** Whether what the bucket has (it opens) is shown to be newer than the version here, or to have the same content. */
  isShownNewer: (path: string, there: Buffer, here: Buffer) => boolean;
  /** Whether a sealed file that opens is an SQLite database. */
  isDatabase: (path: string, sealed: Buffer) => boolean;
  log: Logger;
  /** ms since the epoch. */
  nowMs: () => number;
  /** For large objects under way, of all sessions. */
  memory: ByteBudget;
}

export interface Restored {
  files: number;
  bytes: number;
  /** Objects that do not open. */
  corrupt: number;
  /** Objects of which the version that was here is kept in quarantine: nothing showed that it was older. */
  kept: string[];
  /** The bucket has other versions than the listed ones: the session has to be compared again before it is served. */
  moved: boolean;
}

interface Progress {
  readonly total: Restored;
  /** See CacheFiles. */
  readonly touched: Set<string>;
  /** What the ledger is to hear once what was touched is durable. */
  readonly notes: (() => void)[];
}

/** Objects under way in the bucket and on the disk together; of the former, as many at a time as have a turn. */
const FILES_AT_A_TIME = 64;
/** Hardly any file of a session has as much: what is smaller waits for no other session. */
const LARGE_BYTES = 1024 * 1024;
const NAMES_IN_LINE = 100;

/**
 * Brings everything that the session lacks into the cache: its credentials first, the rest in parallel. What was fetched
 * stays fetched when something fails. All of it is on stable storage when it resolves. Rejects as `download` does.
 */
export async function restoreSession(parts: RestoreParts, session: string): Promise<Restored> {
  const { ledger, cache, foreign } = parts;
  const total: Restored = { files: 0, bytes: 0, corrupt: 0, kept: [], moved: false };
  for (const entry of inTheWay(ledger, session)) skip(parts, entry);
  const progress: Progress = { total, touched: new Set(), notes: [] };
  const absent = ledger.absentOf(session).sort((a, b) => rank(a) - rank(b));
  // Beside the first downloads.
  const noted = absent.length > 0 ? ledger.settle() : undefined;
  try {
    await mapLimit(absent, FILES_AT_A_TIME, async (entry) => {
      const fetch = async () => {
        const downloaded = await download(parts, entry);
        await noted;
        await keep(parts, entry, downloaded, progress);
      };
      const size = entry.remote?.size ?? 0;
      // All of it is in memory until it is on the disk; whether it is sealed shows then.
      await (size > LARGE_BYTES ? parts.memory.run(size, fetch) : fetch());
    });
  } finally {
    foreign.tell();
    tellKept(parts, session, total.kept);
    await cache.files.syncDirectories(progress.touched, 1);
    for (const note of progress.notes) note();
  }
  return total;
}

/** What is in the bucket only and cannot be a file: it lies below one, or files that are here lie below it. */
function inTheWay(ledger: Ledger, session: string): ObjectEntry[] {
  const isFile = (name: string) => {
    const local = ledger.get(name)?.local;
    return local !== undefined && local !== 'deleted';
  };
  const here = ledger.entriesOf(session).filter(({ local }) => local === 'same' || local === 'changed');
  const folders = new Set(here.flatMap(({ name }) => ancestors(name)));
  return ledger.absentOf(session).filter(({ name }) => folders.has(name) || ancestors(name).some(isFile));
}

function skip({ ledger, foreign }: RestoreParts, entry: ObjectEntry): void {
  foreign.note(entry.name);
  ledger.forget(entry);
}

function rank({ name }: ObjectEntry): number {
  return completesSession(name) ? 0 : 1;
}

async function keep(
  parts: RestoreParts,
  entry: ObjectEntry,
  downloaded: Downloaded,
  { total, touched, notes }: Progress,
): Promise<void> {
  const { ledger } = parts;
  const { files } = parts.cache;
  // A power cut may bring an older version back, but not make it pass for the bucket's. One that is missing is fetched again.
  const isReplaced = existsSync(files.locate(entry.name));
  const note = (work: () => void) => {
    if (isReplaced) notes.push(unlessRenewed(ledger, entry, work));
    else work();
  };
  if (downloaded.kind === 'gone') {
    // The cache may hold a version from before the one that was listed.
    await files.removeFile(entry.name, touched);
    note(() => ledger.lost(entry));
    return;
  }
  if (downloaded.kind === 'moved') {
    total.moved = true;
    ledger.noteOutdated(entry.session);
    return;
  }
  const { object } = downloaded;
  if (downloaded.kind === 'staged') {
    const { bytes } = downloaded.object;
    if (await keepUnlessOlder(parts, entry, bytes)) total.kept.push(entry.name);
    total.kept.push(...(await setAsideBeside(parts, entry, bytes, touched)));
    if (!(await publish(parts, downloaded.staged, entry, touched))) return;
    total.files++;
    total.bytes += object.size;
  } else {
    total.corrupt++;
    if (!(await keepCorrupt(parts, entry, downloaded, touched))) return;
  }
  note(() => ledger.same(entry.name, object));
}

/** A listing may name a newer version meanwhile: then that is still to be fetched. */
function unlessRenewed(ledger: Ledger, entry: ObjectEntry, work: () => void): () => void {
  const { remote } = entry;
  return () => {
    if (ledger.get(entry.name) === entry && entry.local === 'absent' && entry.remote === remote) work();
  };
}

/** Returns whether there was a version here that nothing shows to be older: it is in quarantine then. */
async function keepUnlessOlder(
  { cache, isShownNewer, nowMs }: RestoreParts,
  { name }: ObjectEntry,
  there: Buffer,
): Promise<boolean> {
  const identity = fromObjectName(name);
  if (identity === undefined || identity.directoryMeta) return false;
  const here = await readFile(cache.files.locate(name)).catch(ifNone);
  if (here === undefined || isShownNewer(identity.path, there, here)) return false;
  // Nothing where it is kept already.
  return (await quarantineAll(cache.files, [identity.path], nowMs())).length > 0;
}

/** What lies beside a database is of the version that was here. Returns the objects of which a version is kept in quarantine. */
async function setAsideBeside(
  parts: RestoreParts,
  { name }: ObjectEntry,
  there: Buffer,
  touched: Set<string>,
): Promise<string[]> {
  const identity = fromObjectName(name);
  if (identity === undefined || !hasCompanions(parts.cache, name)) return [];
  if (!parts.isDatabase(identity.path, there)) return [];
  return setCompanionsAside(parts, name, parts.nowMs(), touched);
}

function ifNone(error: unknown): undefined {
  if (NO_PLACE.has(codeOf(error) ?? '')) return undefined;
  return ifMissing(error);
}

function tellKept({ cache, log }: RestoreParts, session: string, kept: readonly string[]): void {
  if (kept.length === 0) return;
  log.warn(
    {
      ...{ session, objects: kept.slice(0, NAMES_IN_LINE), files: kept.length },
      keptIn: cache.files.locate('set-aside'),
    },
    'The versions in the bucket are taken, but nothing shows that they are newer than those that were here, which are kept in quarantine',
  );
}

/** The cache cannot hold a file of that name: it is too long, or something else has the place. */
const NO_PLACE = new Set(['ENAMETOOLONG', 'ENOTDIR', 'EISDIR', 'EEXIST', 'ENOTEMPTY', 'EILSEQ']);

/** Returns false where the cache cannot hold the file: it is skipped. */
async function publish(
  parts: RestoreParts,
  staged: StagedFile,
  entry: ObjectEntry,
  touched: Set<string>,
): Promise<boolean> {
  const { files } = parts.cache;
  try {
    await files.publish(staged, entry.name, touched);
    return true;
  } catch (error) {
    await files.discard(staged);
    if (!NO_PLACE.has(codeOf(error) ?? '')) throw error;
    skip(parts, entry);
    return false;
  }
}

/**
 * What does not open is never served. Where the cache has a version, that stays; where it has none the bytes go there as they
 * are: their reader gets EIO, which tells a damaged file from one that was never there. Returns as `publish` does.
 */
async function keepCorrupt(
  parts: RestoreParts,
  entry: ObjectEntry,
  { object, bytes, reason }: Extract<Downloaded, { kind: 'corrupt' }>,
  touched: Set<string>,
): Promise<boolean> {
  const { cache, log } = parts;
  const { name, session } = entry;
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
  return hasOlder || publish(parts, await stage(cache, bytes), entry, touched);
}
