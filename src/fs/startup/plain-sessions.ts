/**
 * Plain sessions that lie in the mount point before it is mounted: found here, imported by import-plain.ts, then moved to an
 * import backup. Nothing is ever deleted.
 */
import { type Dirent, lstatSync, readSync, renameSync, rmdirSync, type Stats } from 'node:fs';
import { basename } from 'node:path';
import { SessionfsError } from '../../lib/errors.ts';
import { OpenDirectory, within } from '../../lib/open-directory.ts';
import { codeOf } from '../../lib/system-error.ts';
import { asCompanion } from '../../sqlite/companions.ts';
import { isDatabase } from '../../sqlite/format.ts';

/** What keeps an empty directory in git or is made by a file manager: it stays where it is, below the mount. */
const LEFT_ALONE = new Set(['.gitkeep', '.keep', '.gitignore', '.DS_Store', 'Thumbs.db', 'lost+found']);

/** What Baileys writes, and what its tmp + rename pattern may leave. */
const SESSION_FILE = /\.json(\.tmp|\.bak)?$/;
/** What tells a database, see `isDatabase`. */
const MAGIC_BYTES = 16;
const DEPTH_MAX = 4;

export interface PlainContent {
  /** Names in the mount point that hold plain sessions: folders, or (when creds.json lies at the top) files. */
  sessions: string[];
  /** Names that are neither sessions nor known to be harmless. */
  foreign: string[];
}

/** `folder`: a path of the mount point's folder that leads through no link of another user. */
export function findPlainSessions(folder: string): PlainContent {
  return within(OpenDirectory.open(folder), (directory) => {
    const found: PlainContent = { sessions: [], foreign: [] };
    const entries = directory.entries().filter((entry) => !LEFT_ALONE.has(entry.name));
    const rootIsSession = entries.some((entry) => entry.isFile() && entry.name === 'creds.json');
    for (const entry of entries) {
      const isSession = entry.isDirectory()
        ? isSessionTree(directory, entry.name)
        : entry.isFile() &&
          ((rootIsSession && SESSION_FILE.test(entry.name)) || isOfDatabase(directory, entry.name));
      (isSession ? found.sessions : found.foreign).push(entry.name);
    }
    return found;
  });
}

/** A folder with nothing in it but what Baileys writes; an empty one is a session that was never begun. */
function isSessionTree(parent: OpenDirectory, name: string, depth = 1): boolean {
  if (depth > DEPTH_MAX) return false;
  return within(parent.directory(name), (directory) =>
    directory.entries().every((entry) => {
      if (entry.isDirectory()) return isSessionTree(directory, entry.name, depth + 1);
      if (!entry.isFile()) return false;
      return (
        SESSION_FILE.test(entry.name) || LEFT_ALONE.has(entry.name) || isOfDatabase(directory, entry.name)
      );
    }),
  );
}

/** An SQLite database, or what SQLite keeps beside one. A file that cannot be read is none. */
function isOfDatabase(directory: OpenDirectory, name: string): boolean {
  const database = asCompanion(name)?.database ?? name;
  try {
    return directory.withFile(database, (fd) => {
      const start = Buffer.alloc(MAGIC_BYTES);
      return isDatabase(start.subarray(0, readSync(fd, start, 0, start.length, 0)));
    });
  } catch {
    return false;
  }
}

export interface ImportBackup {
  /** Where the plain files are now. */
  directory: string;
  moved: string[];
  /** They could not be moved (another filesystem, a read-only one): they stay below the mount, out of sight. */
  left: string[];
}

/**
 * Moves the named entries of `source`, the mount point's folder below the mount, to a new directory beside the mount point.
 * Never throws.
 */
export function moveToImportBackup(
  source: OpenDirectory,
  mountPoint: string,
  names: readonly string[],
  now: Date,
): ImportBackup {
  const stamp = now
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(':', '');
  const directory = `${mountPoint}.plain-${stamp}`;
  const result: ImportBackup = { directory, moved: [], left: [] };
  const backup = makeBackup(source, basename(directory));
  for (const name of names) {
    const moved = backup !== undefined && attempt(() => renameSync(source.at(name), backup.at(name)));
    (moved ? result.moved : result.left).push(name);
  }
  backup?.close();
  if (backup !== undefined && result.moved.length === 0) attempt(() => rmdirSync(directory));
  return result;
}

/** Beside the folder, wherever that is by now. Undefined: it cannot be made, or another process has put something into its place. */
function makeBackup(source: OpenDirectory, name: string): OpenDirectory | undefined {
  let made: OpenDirectory | undefined;
  try {
    made = within(OpenDirectory.open(source.at('..')), (parent) => parent.makeDirectory(name));
    if (made.stat().uid === (process.geteuid?.() ?? made.stat().uid)) return made;
  } catch {
    // There is no backup then, and the plain files stay where they are.
  }
  made?.close();
  return undefined;
}

function attempt(step: () => void): boolean {
  try {
    step();
    return true;
  } catch {
    return false;
  }
}

/** A regular file or a folder of a plain session, by its path relative to the mount point. */
export interface PlainEntry {
  path: string;
  stats: Stats;
  /** Of a file, open until the visit returns; undefined: a folder. */
  fd: number | undefined;
}

/**
 * Visits what lies below `name` in `parent`, folders before what is in them. Each is opened once, by its name below the descriptor of
 * its folder, and what is told of it is of this descriptor: the session's user may swap and link everything meanwhile. Throws
 * IMPORT_REFUSED for a link, and for what is neither a file nor a folder.
 */
export function walkPlain(parent: OpenDirectory, name: string, visit: (entry: PlainEntry) => void): void {
  const kind = lstatSync(parent.at(name), { throwIfNoEntry: false });
  if (kind !== undefined) walkEntry(parent, name, kind, name, visit, 1);
}

/** As the listing has it: what is opened then must be the same. */
type Kind = Pick<Dirent, 'isFile' | 'isDirectory' | 'isSymbolicLink'>;

function walkEntry(
  parent: OpenDirectory,
  name: string,
  kind: Kind,
  path: string,
  visit: (entry: PlainEntry) => void,
  depth: number,
): void {
  try {
    if (kind.isFile()) parent.withFile(name, (fd, stats) => visit({ path, stats, fd }));
    else if (kind.isDirectory() && depth <= DEPTH_MAX) walkFolder(parent, name, path, visit, depth);
    else if (kind.isSymbolicLink()) throw importRefused(path, 'is a symbolic link');
    else throw importRefused(path, 'is neither a file nor a folder');
  } catch (error) {
    // What the listing called a file or a folder is another thing by now.
    if (CHANGED.includes(codeOf(error) ?? ''))
      throw importRefused(path, 'was replaced while it was imported');
    throw error;
  }
}

const CHANGED = ['ELOOP', 'ENOTDIR', 'EINVAL', 'ENOENT', 'ENXIO'];

function walkFolder(
  parent: OpenDirectory,
  name: string,
  path: string,
  visit: (entry: PlainEntry) => void,
  depth: number,
): void {
  within(parent.directory(name), (directory) => {
    visit({ path, stats: directory.stat(), fd: undefined });
    for (const entry of directory.entries()) {
      if (!LEFT_ALONE.has(entry.name))
        walkEntry(directory, entry.name, entry, `${path}/${entry.name}`, visit, depth + 1);
    }
  });
}

export function importRefused(path: string, what: string): SessionfsError {
  return new SessionfsError('IMPORT_REFUSED', `the plain session cannot be imported: ${path} ${what}`, {
    hint: 'Stop the application, look at that path in the mount point, and move it away or give it to the owner of the mount point. Nothing was moved.',
  });
}

const NAMES_SHOWN = 5;

/** The plain sessions in `folder`, the mount point's. Throws MOUNT_POINT_NOT_EMPTY when anything else lies there. */
export function requirePlainSessions(folder: string, mountPoint: string): string[] {
  const { sessions, foreign } = findPlainSessions(folder);
  if (foreign.length === 0) return sessions;
  const shown = foreign.slice(0, NAMES_SHOWN).join(', ') + (foreign.length > NAMES_SHOWN ? ', …' : '');
  throw new SessionfsError(
    'MOUNT_POINT_NOT_EMPTY',
    `${mountPoint} holds ${foreign.length === 1 ? '1 entry that is no session' : `${foreign.length} entries that are no sessions`} and would be hidden: ${shown}`,
    {
      hint: 'Move them away, or mount on an empty directory. Plain Baileys sessions may stay: they are imported.',
    },
  );
}
