/**
 * Plain sessions that lie in the mount point before it is mounted: found here, imported by import-plain.ts, then moved to an
 * import backup. Nothing is ever deleted.
 */
import { lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { SessionfsError } from '../../lib/errors.ts';

/** What keeps an empty directory in git or is made by a file manager: it stays where it is, below the mount. */
const LEFT_ALONE = new Set(['.gitkeep', '.keep', '.gitignore', '.DS_Store', 'Thumbs.db', 'lost+found']);

/** What Baileys writes, and what its tmp + rename pattern may leave. */
const SESSION_FILE = /\.json(\.tmp|\.bak)?$/;
const DEPTH_MAX = 4;

export interface PlainContent {
  /** Names in the mount point that hold plain sessions: folders, or (when creds.json lies at the top) files. */
  sessions: string[];
  /** Names that are neither sessions nor known to be harmless. */
  foreign: string[];
}

export function findPlainSessions(mountPoint: string): PlainContent {
  const found: PlainContent = { sessions: [], foreign: [] };
  const entries = readdirSync(mountPoint, { withFileTypes: true }).filter(
    (entry) => !LEFT_ALONE.has(entry.name),
  );
  const rootIsSession = entries.some((entry) => entry.isFile() && entry.name === 'creds.json');
  for (const entry of entries) {
    const isSession = entry.isDirectory()
      ? isSessionTree(join(mountPoint, entry.name))
      : entry.isFile() && rootIsSession && SESSION_FILE.test(entry.name);
    (isSession ? found.sessions : found.foreign).push(entry.name);
  }
  return found;
}

/** A folder with nothing in it but what Baileys writes; an empty one is a session that was never begun. */
function isSessionTree(directory: string, depth = 1): boolean {
  if (depth > DEPTH_MAX) return false;
  return readdirSync(directory, { withFileTypes: true }).every((entry) => {
    if (entry.isDirectory()) return isSessionTree(join(directory, entry.name), depth + 1);
    return entry.isFile() && (SESSION_FILE.test(entry.name) || LEFT_ALONE.has(entry.name));
  });
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
  source: string,
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
  attempt(() => mkdirSync(directory, { mode: 0o700 }));
  for (const name of names) {
    const moved = attempt(() => renameSync(join(source, name), join(directory, name)));
    (moved ? result.moved : result.left).push(name);
  }
  if (result.moved.length === 0) attempt(() => rmdirSync(directory));
  return result;
}

function attempt(step: () => void): boolean {
  try {
    step();
    return true;
  } catch {
    return false;
  }
}

/** The regular files and folders below a plain session, folders before what is in them; paths relative to the mount point. */
export function* walkPlain(
  mountPoint: string,
  name: string,
): Generator<{ path: string; isDirectory: boolean }> {
  const stats = lstatSync(join(mountPoint, name));
  yield { path: name, isDirectory: stats.isDirectory() };
  if (!stats.isDirectory()) return;
  for (const entry of readdirSync(join(mountPoint, name))) {
    if (!LEFT_ALONE.has(entry)) yield* walkPlain(mountPoint, `${name}/${entry}`);
  }
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
