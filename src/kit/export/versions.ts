/** What `sessionfs export` finds, sealed, and how it is opened. */
import type { Keyring } from '../../crypto/keyring.ts';
import { SealError } from '../../crypto/seal-error.ts';
import { openSealed } from '../../crypto/sealed-file.ts';
import { S_IFLNK, S_IFMT } from '../../lib/file-type.ts';
import { listText } from '../../lib/human.ts';
import type { SealedFiles } from './sealed-session.ts';

/** A version that is not the file's present one. */
export interface KeptVersion {
  /** In the mount. */
  path: string;
  /** When the version was kept, in ms since the epoch. */
  ms: number;
  sealed: Buffer;
}

export interface SealedVersions {
  files: SealedFiles;
  keptVersions: KeptVersion[];
}

export interface OpenedFile {
  /** Below the folder that is exported to. */
  name: string;
  plain: Buffer;
  mtimeSec: number;
}

export interface RefusedFile {
  name: string;
  reason: string;
}

export interface OpenedVersions {
  files: OpenedFile[];
  keptVersions: OpenedFile[];
  /** They do not open, or cannot be written as files. */
  refused: RefusedFile[];
  refusedVersions: RefusedFile[];
}

/** A folder of its own: no file of a session is in its way unless it is called so. */
const KEPT_VERSIONS_FOLDER = 'set-aside';

/** Of one session. */
export function openVersions(keyring: Keyring, session: string, found: SealedVersions): OpenedVersions {
  const opened: OpenedVersions = { files: [], keptVersions: [], refused: [], refusedVersions: [] };
  const below = (path: string) => path.slice(session.length + 1);
  for (const [path, sealed] of found.files)
    open(keyring, path, sealed, below(path), opened.files, opened.refused);
  for (const { path, ms, sealed } of found.keptVersions) {
    const name = `${KEPT_VERSIONS_FOLDER}/${below(path)}.${timeIn(ms)}`;
    open(keyring, path, sealed, name, opened.keptVersions, opened.refusedVersions);
  }
  return opened;
}

function open(
  keyring: Keyring,
  path: string,
  sealed: Buffer,
  name: string,
  opened: OpenedFile[],
  refused: RefusedFile[],
): void {
  try {
    const { plain, meta } = openSealed(keyring, path, sealed);
    if ((meta.mode & S_IFMT) === S_IFLNK) refused.push({ name, reason: 'symbolic-link' });
    else opened.push({ name, plain, mtimeSec: meta.mtimeSec + meta.mtimeNsec / 1e9 });
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    refused.push({ name, reason: error.reason });
  }
}

/** ISO 8601, without the colons that other systems refuse in names. */
function timeIn(ms: number): string {
  return new Date(ms).toISOString().replaceAll(':', '-');
}

const SHOWN = 10;

/** For a message: at most ten names, each with its reason. */
export function listRefused(refused: readonly RefusedFile[]): string {
  return listText(
    refused.map(({ name, reason }) => `${name} (${reason})`),
    SHOWN,
  );
}
