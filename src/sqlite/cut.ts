/** Finds the databases among files, with what lies beside them. */
import { asCompanion, type CompanionKind, companionsOf } from './companions.ts';
import type { DatabaseFiles } from './fold.ts';
import { isDatabase, PAGE_BYTES_MIN } from './format.ts';
import { isJournal, superJournalOf } from './rollback-journal.ts';

/** Files at one instant. */
export interface FileSource<Meta> {
  /** Undefined: there is none. Throws where it cannot be read. Nothing changes what it returns. */
  open(path: string): OpenedFile<Meta> | undefined;
  /** As `open`, of the content's size alone, which costs less. */
  sizeOf(path: string): number | undefined;
}

export interface OpenedFile<Meta> {
  readonly content: Uint8Array;
  readonly meta: Meta;
}

export interface CutDatabase<Meta> {
  readonly path: string;
  readonly files: DatabaseFiles;
  readonly meta: Meta;
  /** Of the write-ahead log, where there is one: transactions change nothing else. */
  readonly logMeta: Meta | undefined;
  /** Why the files do not make a database: one of them cannot be read. */
  readonly unreadable: string | undefined;
}

export interface Cut<Meta> {
  readonly databases: CutDatabase<Meta>[];
  /** Those of the paths that are what SQLite keeps beside a database. */
  readonly companions: string[];
}

/** The writer of the journal decides how often is looked. */
const DEPTH_MAX = 32;

const NOTHING = new Uint8Array(0);

/** The databases that are, or lie beside, one of these files. */
export function cutDatabases<Meta>(source: FileSource<Meta>, paths: readonly string[]): Cut<Meta> {
  const databases = new Map<string, CutDatabase<Meta> | undefined>();
  const databaseAt = (path: string) => {
    if (!databases.has(path)) databases.set(path, cutDatabase(source, path));
    return databases.get(path);
  };
  const companions: string[] = [];
  for (const path of paths) {
    const companion = asCompanion(path);
    const isBeside =
      companion !== undefined &&
      (databaseAt(companion.database) !== undefined || isOfFirstTransaction(source, path, companion));
    if (isBeside) companions.push(path);
    else if (mayBeDatabase(source, path)) databaseAt(path);
  }
  return { databases: [...databases.values()].flatMap((each) => each ?? []), companions };
}

/** Most files of a session are none, by their size: they need not be opened. */
function mayBeDatabase<Meta>(source: FileSource<Meta>, path: string): boolean {
  const size = sizeOf(source, path);
  if (size === undefined) return false;
  return (
    (size > 0 && size % PAGE_BYTES_MIN === 0) ||
    companionsOf(path).some((companion) => sizeOf(source, companion.path) !== undefined)
  );
}

function sizeOf<Meta>(source: FileSource<Meta>, path: string): number | undefined {
  try {
    return source.sizeOf(path);
  } catch {
    return undefined;
  }
}

/** Undefined: it is none. */
function cutDatabase<Meta>(source: FileSource<Meta>, path: string): CutDatabase<Meta> | undefined {
  const main = ifReadable(source, path);
  if (main === undefined || !isDatabase(main.content)) return undefined;
  const beside = new Map<CompanionKind, OpenedFile<Meta>>();
  let unreadable: string | undefined;
  for (const { path: companion, kind } of companionsOf(path)) {
    if (kind === 'index') continue;
    try {
      const opened = source.open(companion);
      if (opened !== undefined) beside.set(kind, opened);
    } catch (error) {
      unreadable = `${companion} cannot be read: ${String(error)}`;
    }
  }
  const log = beside.get('wal');
  const journal = beside.get('journal')?.content;
  return {
    path,
    files: {
      database: main.content,
      log: log?.content,
      journal: journal && isOver(source, path, journal) ? undefined : journal,
    },
    meta: main.meta,
    logMeta: log?.meta,
    unreadable,
  };
}

/** The journal belongs to a transaction over several databases that was committed. */
function isOver<Meta>(source: FileSource<Meta>, path: string, journal: Uint8Array): boolean {
  const deciding = superJournalOf(journal);
  if (deciding === undefined) return false;
  return !placesOf(deciding, path).some((place) => mayBeThere(source, place));
}

/** The name is the application's, from its root on: an end of it is the mount's, or below a folder of the database. */
function placesOf(deciding: string, path: string): string[] {
  const parts = deciding.split('/').slice(-DEPTH_MAX);
  const folders = path.split('/').slice(0, -1);
  const ends = parts.map((_, at) => parts.slice(at).join('/'));
  const depths = [...folders.keys(), folders.length].slice(-DEPTH_MAX);
  const bases = depths.map((depth) => folders.slice(0, depth));
  return ends.flatMap((end) => bases.map((base) => [...base, end].join('/')));
}

/** What cannot be read is there. */
function mayBeThere<Meta>(source: FileSource<Meta>, path: string): boolean {
  try {
    return source.sizeOf(path) !== undefined;
  } catch {
    return true;
  }
}

/** The journal of the transaction that makes a database out of an empty file. */
function isOfFirstTransaction<Meta>(
  source: FileSource<Meta>,
  path: string,
  { database, kind }: { database: string; kind: CompanionKind },
): boolean {
  if (kind !== 'journal' || ifReadable(source, database)?.content.length !== 0) return false;
  return isJournal(ifReadable(source, path)?.content ?? NOTHING);
}

/** What cannot be read is not known to be part of a database. */
function ifReadable<Meta>(source: FileSource<Meta>, path: string): OpenedFile<Meta> | undefined {
  try {
    return source.open(path);
  } catch {
    return undefined;
  }
}
