/**
 * One session as cache and journal have it at one moment, while a daemon may be at work on both. Reads only, takes no lock.
 *
 * What the journal says wins over the cache, whatever part of it a checkpoint has carried out (checkpoint/plan.ts). So the
 * cache as it is read in between, and the journal after it, come to the journal's end, provided that no segment was deleted
 * meanwhile: then it is tried again.
 */
import { closeSync, constants, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SessionfsError } from '../../lib/errors.ts';
import { codeOf } from '../../lib/system-error.ts';
import { fromObjectName, toObjectName } from '../../naming/object-name.ts';
import { sessionOfPath } from '../../naming/session-path.ts';
import { walkCache } from '../../store/cache/walk.ts';
import { OpType, segmentNumbers, segmentPath } from '../../store/journal/format.ts';
import { JournalChain, type OpVisitor } from '../../store/journal/reader.ts';

/** Sealed files by path in the mount. */
export type SealedFiles = Map<string, Buffer>;

/** A daemon checkpoints every few seconds. */
const ATTEMPTS = 20;
const RETRY_MS = 100;

/**
 * The committed files of a top-level directory; empty: nothing is known of it. What is still being written is left out.
 * Throws JOURNAL_CORRUPT, CACHE_FORMAT, CACHE_LOCKED (it changes too fast) and system errors.
 */
export async function readSealedSession(cachePath: string, session: string): Promise<SealedFiles> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const files = readOnce(cachePath, session);
    if (files !== undefined) return files;
    await sleep(RETRY_MS);
  }
  throw changesTooFast(cachePath);
}

export function changesTooFast(cachePath: string): SessionfsError {
  return new SessionfsError('CACHE_LOCKED', `the cache ${cachePath} changes faster than it can be read`, {
    hint: 'Stop the mount, and try again.',
  });
}

/** What cache and journal have of a session. */
export interface CachedSession {
  readonly files: number;
  readonly sealedBytes: number;
  /** When the last of it came into the cache, in ms since the epoch. */
  readonly changedMs: number;
}

/**
 * The sessions of a cache and its journal; '' stands for files in the root. A daemon
 * may be at work on it: a session that comes or goes meanwhile is among them or not. Throws JOURNAL_CORRUPT and system errors.
 */
export async function sessionsOfCache(cachePath: string): Promise<Map<string, CachedSession>> {
  for (let attempt = 1; ; attempt++) {
    try {
      return sessionsOnce(cachePath);
    } catch (error) {
      // A segment went into the cache.
      if (codeOf(error) !== 'ENOENT' || attempt === ATTEMPTS) throw error;
      await sleep(RETRY_MS);
    }
  }
}

interface Sealed {
  readonly bytes: number;
  readonly ms: number;
}

function sessionsOnce(cachePath: string): Map<string, CachedSession> {
  const files = new Map<string, Sealed>();
  walkCache(cachePath, (path, kind) => {
    if (kind !== 'file') return;
    const found = statSync(join(cachePath, toObjectName(path, 'file')), { throwIfNoEntry: false });
    files.set(path, { bytes: found?.size ?? 0, ms: found?.mtimeMs ?? 0 });
  });
  const directory = join(cachePath, 'journal');
  const chain = new JournalChain();
  for (const number of lookAt(directory).numbers) {
    const segment = segmentPath(directory, number);
    const ms = statSync(segment).mtimeMs;
    chain.scan(number, readFileSync(segment), ({ type, path, data }) => {
      if (type === OpType.PUT) files.set(path, { bytes: data.length, ms });
      else if (type === OpType.DELETE) files.delete(path);
    });
  }
  return summed(files);
}

function summed(files: ReadonlyMap<string, Sealed>): Map<string, CachedSession> {
  const sessions = new Map<string, CachedSession>();
  for (const [path, { bytes, ms }] of files) {
    const session = sessionOfPath(path, 'file');
    const sum = sessions.get(session) ?? { files: 0, sealedBytes: 0, changedMs: 0 };
    sessions.set(session, {
      files: sum.files + 1,
      sealedBytes: sum.sealedBytes + bytes,
      changedMs: Math.max(sum.changedMs, ms),
    });
  }
  return sessions;
}

/** Undefined: a part of the journal went into the cache meanwhile. */
function readOnce(cachePath: string, session: string): SealedFiles | undefined {
  const directory = join(cachePath, 'journal');
  const before = lookAt(directory);
  const files = readCached(cachePath, session);
  try {
    const after = lookAt(directory);
    for (const [path, sealed] of readJournal(directory, after.numbers, session)) {
      if (sealed === undefined) files.delete(path);
      else files.set(path, sealed);
    }
    return isWhole(before, after) ? files : undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** A journal at one moment. */
interface Look {
  readonly numbers: readonly number[];
  /** Undefined: there is none. */
  readonly changed: bigint | undefined;
}

/** The journal of a cache. */
export function lookAtJournal(cachePath: string): Look {
  return lookAt(join(cachePath, 'journal'));
}

/**
 * Whether what was read of a cache between the two has all that its journal had before. Segments go in their order: the first one that
 * was there is there still. Of none, that none came and went.
 */
export function isWhole(before: Look, after: Look): boolean {
  return before.numbers.length > 0
    ? before.numbers.every((number) => after.numbers.includes(number))
    : before.changed === after.changed;
}

/** A copy of a cache may lack an empty journal. */
function lookAt(directory: string): Look {
  const changed = statSync(directory, { bigint: true, throwIfNoEntry: false })?.mtimeNs;
  return { numbers: segmentNumbers(entriesOf(directory).map(({ name }) => name)), changed };
}

function readCached(cachePath: string, session: string): SealedFiles {
  const files: SealedFiles = new Map();
  const visit = (objectName: string) => {
    for (const entry of entriesOf(join(cachePath, objectName))) {
      const name = `${objectName}/${entry.name}`;
      if (entry.isDirectory()) {
        visit(name);
        continue;
      }
      const path = entry.isFile() ? pathIn(session, name) : undefined;
      if (path === undefined) continue;
      const sealed = readIfThere(join(cachePath, name));
      if (sealed !== undefined) files.set(path, sealed);
    }
  };
  visit(toObjectName(session, 'directory'));
  return files;
}

/** What the journal says of each path: its sealed file; undefined: it is gone. */
function readJournal(
  directory: string,
  numbers: readonly number[],
  session: string,
): Map<string, Buffer | undefined> {
  const said = new Map<string, Buffer | undefined>();
  const visit: OpVisitor = ({ type, path, data }) => {
    if (!isIn(session, path)) return;
    if (type === OpType.PUT) said.set(path, Buffer.from(data));
    else if (type === OpType.DELETE) said.set(path, undefined);
  };
  const chain = new JournalChain();
  for (const number of numbers) chain.scan(number, readFileSync(segmentPath(directory, number)), visit);
  return said;
}

export function isIn(session: string, path: string): boolean {
  return path.startsWith(`${session}/`);
}

/** Which file of the session an object is; undefined: none, also where it is the attributes of a folder. */
export function pathIn(session: string, objectName: string): string | undefined {
  const identity = fromObjectName(objectName);
  const isFile = identity !== undefined && !identity.directoryMeta && isIn(session, identity.path);
  return isFile ? identity.path : undefined;
}

function entriesOf(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    // No folder has a name that is too long.
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(codeOf(error) ?? '')) return [];
    throw error;
  }
}

function readIfThere(path: string): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** How many bytes of changes the journal of a cache holds; 0 where there is no journal, or where it may not be read. */
export function journalBytes(cachePath: string): number {
  const directory = join(cachePath, 'journal');
  try {
    const { numbers } = lookAt(directory);
    return numbers.reduce((sum, number) => sum + statSync(segmentPath(directory, number)).size, 0);
  } catch {
    return 0;
  }
}
