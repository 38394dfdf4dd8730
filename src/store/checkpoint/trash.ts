/**
 * What was in a session's folder that an application removed, in `<cachePath>/trash/`: one archive of its sealed files, made by
 * the checkpoint before it removes them. It is deleted after some days, and first of all on a full disk.
 */
import { rmSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { DAY_MS } from '../../lib/clock.ts';
import { renameDurably, syncDirectory, writeDurably } from '../../lib/durable-files.ts';
import { codeOf, ifMissing, messageOf } from '../../lib/system-error.ts';
import { fromObjectName, isSessionFolder, toObjectName } from '../../naming/object-name.ts';
import { isCredentials, sessionOfCreds, sessionOfPath } from '../../naming/session-path.ts';
import { parseTrashName, trashDirectory, trashName } from '../../naming/trash-name.ts';
import type { Cache } from '../cache/cache.ts';
import type { TrashUsage } from '../cache/usage.ts';
import { packArchive, unpackArchive } from '../set-aside/archive.ts';
import { listByTime } from '../set-aside/kept-versions.ts';
import type { StoreLog } from './log.ts';
import {
  type CheckpointPlan,
  type DirectoryPlan,
  type FilePlan,
  type RemadeFolder,
  type StoredBytes,
  wasMoved,
} from './plan.ts';

export interface TrashParts {
  cache: Cache;
  days: number;
  nowMs: () => number;
  log: StoreLog;
  /** An archive was made, durably; `replaced`: it takes the place of this one. */
  kept: (name: string, replaced: string | undefined) => void;
}

/** A session is small; what is larger is no session's. */
export const ARCHIVE_BYTES_MAX = 64 * 1024 * 1024;
/** One removal may take several checkpoints. */
const SAME_REMOVAL_MS = 600_000;
/** It may begin in an earlier one than the one in which the credentials go. */
const RECENT_MS = 60_000;
/** Of files that were removed lately so much is kept in memory; a session has up to 1,000. */
const RECENT_BYTES_MAX = 8 * 1024 * 1024;
const RECENT_FILES_MAX = 2_000;
const RECENT_FILE_BYTES_MAX = 256 * 1024;
const SECOND_MS = 1_000;
const PRUNE_EVERY_MS = 3_600_000;

const NOT_KEPT = 'A removed session could not be kept in the trash of the cache; it is removed all the same';
const NOT_PRUNED =
  'Old archives of removed sessions could not be deleted from the cache; they take room until the next try';

interface Found {
  readonly size: number;
  readonly read: () => Promise<Buffer | undefined>;
}

/** A file that was removed lately. */
interface Recent {
  readonly sealed: Buffer;
  readonly ms: number;
}

/** What is known of the files of a session that goes, by path. */
interface Removal {
  readonly session: string;
  readonly planned: ReadonlyMap<string, FilePlan>;
  readonly recent: ReadonlyMap<string, Recent>;
  /** What has the names of its files after it was made anew; undefined: it was not. */
  readonly successors: ReadonlyMap<string, FilePlan> | undefined;
  /** Only if it was all that was in the folder, which stayed. */
  readonly isIfEmptied: boolean;
  /** The first one of this session in a plan. What later ones take was made since: the cache has nothing of it, nor an archive. */
  readonly isFirst: boolean;
}

type Archive = NonNullable<ReturnType<typeof parseTrashName>>;

type ReadJournal = (bytes: StoredBytes) => Promise<Buffer>;

export class Trash {
  readonly #parts: TrashParts;
  #prunedMs = Number.NEGATIVE_INFINITY;
  /** By path, the earliest first. */
  readonly #recent = new Map<string, Recent>();
  #recentBytes = 0;
  /** Removals of which there is an archive. One that the cache cannot carry out is in each plan until it can. */
  readonly #kept = new WeakSet<FilePlan | DirectoryPlan>();

  constructor(parts: TrashParts) {
    this.#parts = parts;
  }

  /** Before the plan is carried out. Never rejects: a removal does not wait for it. */
  async collect(plan: CheckpointPlan, read: ReadJournal): Promise<void> {
    const { nowMs, log } = this.#parts;
    try {
      if (nowMs() - this.#prunedMs >= PRUNE_EVERY_MS) await this.#prune();
    } catch (error) {
      log.warn({ error: messageOf(error) }, NOT_PRUNED);
    }
    const sessions = removedSessions(plan);
    const removals = this.#removalsIn(plan, sessions);
    let archives: Map<string, Archive> | undefined;
    const newest = () => {
      archives ??= new Map(listTrash(this.#parts.cache.path).map((each) => [each.session, each]));
      return archives;
    };
    for (const removal of removals) {
      const { session } = removal;
      const parts = removalsOf(removal, plan);
      if (parts.length > 0 && parts.every((part) => this.#kept.has(part))) continue;
      try {
        const made = await this.#keep(removal, newest, read);
        if (made !== undefined) newest().set(session, made);
        if (made !== undefined || !removal.isIfEmptied) sessions.add(session);
        for (const part of parts) this.#kept.add(part);
      } catch (error) {
        log.warn({ session, error: messageOf(error) }, NOT_KEPT);
      }
    }
    await this.#remember(plan, sessions, read);
  }

  /** Of one session in the order in which they were made: it may have been made anew, and removed again. */
  #removalsIn(plan: CheckpointPlan, sessions: ReadonlySet<string>): Removal[] {
    const remade = plan.remade.filter(isOfSession);
    const all = new Set([...sessions, ...remade.map(({ path }) => path)]);
    const planned = bySession(sessions, plan.files);
    const recent = bySession(all, this.#recent);
    const removals: Removal[] = [];
    const begun = new Set<string>();
    const add = (
      session: string,
      files: Removal['planned'],
      successors: Removal['successors'],
      isIfEmptied: boolean,
    ) => {
      const isFirst = !begun.has(session);
      begun.add(session);
      removals.push({
        session,
        planned: files,
        recent: (isFirst && recent.get(session)) || new Map(),
        successors,
        isIfEmptied,
        isFirst,
      });
    };
    for (const { path, files, stayed } of remade) {
      add(path, files, plan.files, stayed);
      for (const [file, gone] of files)
        if (planned.get(path)?.get(file) === gone) planned.get(path)?.delete(file);
    }
    for (const session of sessions) add(session, planned.get(session) ?? new Map(), undefined, false);
    return removals;
  }

  /** Files that go while the credentials of their session stay, for now. */
  async #remember(plan: CheckpointPlan, removed: ReadonlySet<string>, read: ReadJournal): Promise<void> {
    const ms = this.#parts.nowMs();
    this.#forget((path, each) => ms - each.ms >= RECENT_MS || removed.has(sessionOfPath(path, 'file')));
    const gone = [...plan.files].filter(([path, file]) => {
      const session = sessionOfPath(path, 'file');
      return file.put === undefined && session !== '' && !wasMoved(file) && !removed.has(session);
    });
    for (const [path, { before }] of gone.slice(-RECENT_FILES_MAX)) {
      const found = before ? { size: before.length, read: () => read(before) } : await this.#cached(path);
      if (found === undefined || found.size > RECENT_FILE_BYTES_MAX) continue;
      const sealed = await found.read().catch(() => undefined);
      if (sealed === undefined) continue;
      this.#recentBytes += sealed.length - (this.#recent.get(path)?.sealed.length ?? 0);
      this.#recent.delete(path);
      // It may be a part of a whole segment.
      this.#recent.set(path, { sealed: Buffer.from(sealed), ms });
    }
    this.#forget(() => this.#recentBytes > RECENT_BYTES_MAX || this.#recent.size > RECENT_FILES_MAX);
  }

  #forget(isOver: (path: string, recent: Recent) => boolean): void {
    for (const [path, recent] of this.#recent) {
      if (!isOver(path, recent)) continue;
      this.#recent.delete(path);
      this.#recentBytes -= recent.sealed.length;
    }
  }

  /** Undefined: the cache has no such file, or it cannot be looked at. */
  async #cached(path: string): Promise<Found | undefined> {
    const file = this.#parts.cache.files.locate(toObjectName(path, 'file'));
    const size = (await stat(file).catch(() => undefined))?.size;
    return size === undefined ? undefined : { size, read: () => readFile(file).catch(ifMissing) };
  }

  /** Returns the archive that was made; undefined: there is nothing to keep. */
  async #keep(
    { session, planned, recent, successors, isIfEmptied, isFirst }: Removal,
    newest: () => ReadonlyMap<string, Archive>,
    read: ReadJournal,
  ): Promise<Archive | undefined> {
    const { cache, nowMs } = this.#parts;
    const found = new Map<string, Found>();
    const cachedFiles = isFirst ? await cachedPaths(cache, session) : [];
    if (isIfEmptied && cachedFiles.some((path) => !planned.has(path))) return undefined;
    for (const path of cachedFiles) {
      if (wasMoved(planned.get(path)) || planned.get(path)?.put !== undefined) continue;
      if (successors !== undefined && !planned.has(path)) continue;
      const cached = await this.#cached(path);
      const put = successors?.get(path)?.put;
      if (cached !== undefined) found.set(path, put === undefined ? cached : unlessItIs(cached, put, read));
    }
    for (const [path, file] of planned) {
      const { put, before } = file;
      if (!put && before && !wasMoved(file))
        found.set(path, { size: before.length, read: () => read(before) });
    }
    // Of a folder that was renamed nothing is left here.
    if (found.size === 0) return undefined;
    for (const [path, { sealed, ms }] of recent)
      if (nowMs() - ms < RECENT_MS && !found.has(path) && !planned.get(path)?.put)
        found.set(path, { size: sealed.length, read: async () => sealed });
    const bytes = [...found.values()].reduce((sum, { size }) => sum + size, 0);
    if (bytes > ARCHIVE_BYTES_MAX) return this.#warnOfSize(session, bytes);
    const files = new Map<string, Buffer>();
    for (const [path, each] of found) {
      const sealed = await each.read();
      if (sealed !== undefined) files.set(path, sealed);
    }
    if (files.size === 0) return undefined;
    const last = newest().get(session);
    const earlier = isFirst && last && nowMs() - last.ms < SAME_REMOVAL_MS ? last : undefined;
    const first = earlier && (await this.#firstPart(earlier.name, files));
    if (first !== undefined)
      return this.#write(session, Math.floor(nowMs()), new Map([...first, ...files]), earlier?.name);
    return this.#write(session, timeAfter(last, nowMs()), files, undefined);
  }

  #warnOfSize(session: string, bytes: number): undefined {
    this.#parts.log.warn({ session, bytes }, 'A removed session is too large for the trash');
  }

  /** Undefined: the credentials were made anew since, so what was kept is another session; or it is damaged. */
  async #firstPart(
    name: string,
    files: ReadonlyMap<string, Buffer>,
  ): Promise<Map<string, Buffer> | undefined> {
    const first = await this.#filesOf(name).catch(() => undefined);
    for (const [path, sealed] of files)
      if (isCredentials(path) && first?.get(path)?.equals(sealed) === false) return undefined;
    return first;
  }

  async #filesOf(name: string): Promise<Map<string, Buffer>> {
    return unpackArchive(await readFile(join(trashDirectory(this.#parts.cache.path), name)));
  }

  async #write(
    session: string,
    ms: number,
    files: Map<string, Buffer>,
    earlier: string | undefined,
  ): Promise<Archive | undefined> {
    const { cache, kept } = this.#parts;
    const archive = packArchive(files);
    if (archive.length > ARCHIVE_BYTES_MAX) return this.#warnOfSize(session, archive.length);
    const directory = trashDirectory(cache.path);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await syncDirectory(cache.path);
    const name = trashName(session, ms);
    const temporary = join(cache.path, 'tmp', 'trash');
    try {
      await writeDurably(temporary, archive);
      await renameDurably(temporary, join(directory, name));
    } catch (error) {
      await unlink(temporary).catch(() => {});
      throw error;
    }
    if (earlier !== undefined && earlier !== name) await unlink(join(directory, earlier)).catch(ifMissing);
    kept(name, earlier);
    return { name, session, ms };
  }

  async #prune(): Promise<void> {
    const { cache, nowMs, days } = this.#parts;
    this.#prunedMs = nowMs();
    for (const { name, ms } of listTrash(cache.path))
      if (nowMs() - ms > days * DAY_MS) await unlink(join(trashDirectory(cache.path), name)).catch(ifMissing);
  }
}

/** No archive takes the place of another one, nor has its second: `restore --list` shows no more of the time, and `--at` needs no more. */
function timeAfter(last: Archive | undefined, nowMs: number): number {
  const ms = Math.floor(nowMs);
  const isJustMade =
    last !== undefined && secondOf(last.ms) >= secondOf(ms) && last.ms - ms < SAME_REMOVAL_MS;
  return isJustMade ? last.ms + SECOND_MS : ms;
}

function secondOf(ms: number): number {
  return Math.floor(ms / SECOND_MS);
}

/** Makes room on a full disk. Never throws. */
export function emptyTrash(cachePath: string): void {
  try {
    rmSync(trashDirectory(cachePath), { recursive: true, force: true });
  } catch {
    // What cannot be removed only takes room.
  }
}

/** The oldest first. Throws system errors. */
export function listTrash(cachePath: string): Archive[] {
  return listByTime(trashDirectory(cachePath), parseTrashName);
}

/** Rejects with system errors. */
export async function trashUsage(cachePath: string): Promise<TrashUsage> {
  const archives = listTrash(cachePath);
  let bytes = 0;
  // One that is gone meanwhile takes no room.
  for (const { name } of archives)
    bytes += (await stat(join(trashDirectory(cachePath), name)).catch(() => undefined))?.size ?? 0;
  const sessions = new Set(archives.map(({ session }) => session)).size;
  return { archives: archives.length, sessions, bytes };
}

/**
 * Sessions whose folder goes, or whose credentials do: the first removal of all as a rule, and the rest may take until the next
 * checkpoint.
 */
function removedSessions(plan: CheckpointPlan): Set<string> {
  const sessions = new Set<string>();
  for (const [path, { exists }] of plan.directories)
    if (!exists && !path.includes('/') && isSessionFolder(path)) sessions.add(path);
  for (const [path, file] of plan.files) {
    const session = file.put === undefined && !wasMoved(file) ? sessionOfCreds(path) : undefined;
    if (session !== undefined) sessions.add(session);
  }
  return sessions;
}

/** What the plan removes of it. */
function removalsOf(
  { session, planned }: Removal,
  { directories }: CheckpointPlan,
): (FilePlan | DirectoryPlan)[] {
  const directory = directories.get(session);
  const files = [...planned.values()].filter(({ put }) => put === undefined);
  return directory?.exists === false ? [directory, ...files] : files;
}

function isOfSession({ path, files }: RemadeFolder): boolean {
  return isSessionFolder(path) || [...files.keys()].some((file) => sessionOfCreds(file) !== undefined);
}

/** In one pass, however many sessions there are. */
function bySession<T>(
  sessions: ReadonlySet<string>,
  files: ReadonlyMap<string, T>,
): Map<string, Map<string, T>> {
  const found = new Map([...sessions].map((session) => [session, new Map<string, T>()]));
  // Nearly every checkpoint removes none.
  if (sessions.size === 0) return found;
  for (const [path, each] of files) found.get(sessionOfPath(path, 'file'))?.set(path, each);
  return found;
}

/** A checkpoint that did not end is carried out again: the file may be the one that took the place of what was removed. */
function unlessItIs({ size, read }: Found, put: StoredBytes, readJournal: ReadJournal): Found {
  const isIt = async (sealed: Buffer) => size === put.length && sealed.equals(await readJournal(put));
  return {
    size,
    read: async () => {
      const sealed = await read();
      return sealed === undefined || (await isIt(sealed)) ? undefined : sealed;
    },
  };
}

const isOf = (session: string, path: string) => path.startsWith(`${session}/`);

async function cachedPaths(cache: Cache, session: string): Promise<string[]> {
  const root = toObjectName(session, 'directory');
  const entries = await readdir(cache.files.locate(root), { recursive: true, withFileTypes: true }).catch(
    (error: unknown) => {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    },
  );
  return entries.flatMap((entry) => {
    if (!entry.isFile()) return [];
    const objectName = join(entry.parentPath ?? entry.path, entry.name).slice(cache.files.locate('').length);
    const identity = fromObjectName(objectName.replace(/^\//, ''));
    const isIn = identity?.directoryMeta === false && isOf(session, identity.path);
    return isIn ? [identity.path] : [];
  });
}
