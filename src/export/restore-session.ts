/** Brings back a session that was removed, or the credentials that one lost. All is written through the mount, as an application writes. */
import {
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Keyring } from '../crypto/keyring.ts';
import { SessionfsError } from '../lib/errors.ts';
import { codeOf } from '../lib/system-error.ts';
import { type ExportRequest, findVersions, keyringOf, requireComplete, sourcesOf } from './export-session.ts';
import { readTrash } from './restorable.ts';
import { type OpenedFile, openVersions, type SealedVersions } from './versions.ts';

export interface RestoreRequest extends Pick<ExportRequest, 'session' | 'config'> {
  /** Of a mount that answers. */
  mountPoint: string;
  /** Nothing newer, in ms since the epoch; undefined: the newest there is. */
  atMs: number | undefined;
}

export interface RestoredSession {
  session: string;
  folder: string;
  what: 'credentials' | 'session';
  files: number;
  /** When this was kept or removed, in ms since the epoch. */
  keptMs: number;
}

interface Found {
  what: RestoredSession['what'];
  files: SealedVersions['files'];
  ms: number;
}

const CREDS = 'creds.json';

/**
 * A session that has other files than its credentials gets the newest credentials that were kept; one that has none, the newest
 * archive of all its files. Credentials that log in are not replaced, and no other file is. Throws SESSION_NOT_FOUND,
 * RESTORE_REFUSED, EXPORT_INCOMPLETE (before anything is written), KEY_WRONG, KEY_MISSING, BUCKET_UNAVAILABLE, CONFIG_INVALID and
 * system errors.
 */
export async function restoreSession(
  request: RestoreRequest,
  env: NodeJS.ProcessEnv,
  warn: (text: string) => void,
): Promise<RestoredSession> {
  const { session, mountPoint, config } = request;
  const folder = join(mountPoint, session);
  refuseIfPaired(session, folder);
  const sources = sourcesOf(config, undefined);
  const keyring = keyringOf({ config, ...sources }, env);
  try {
    const credentials = () => findCredentials(request, sources, warn);
    const removed = () => findRemoved(request);
    const [first, second] = hasKeys(folder) ? [credentials, removed] : [removed, credentials];
    const found = (await first()) ?? (await second());
    if (found === undefined) throw nothingKept(request);
    const { what, ms: keptMs } = found;
    const files = write(mountPoint, folder, open(keyring, session, found));
    return { session, folder, what, files, keptMs };
  } finally {
    keyring.destroy();
  }
}

async function findCredentials(
  { session, config, atMs = Number.POSITIVE_INFINITY }: RestoreRequest,
  sources: ReturnType<typeof sourcesOf>,
  warn: (text: string) => void,
): Promise<Found | undefined> {
  const asked = { session, folder: '', onlyKeptVersions: true, config, from: undefined, ...sources };
  const { keptVersions } = await findVersions(asked, warn);
  const newest = keptVersions.filter(({ path, ms }) => path === `${session}/${CREDS}` && ms <= atMs).at(-1);
  if (newest === undefined) return undefined;
  return { what: 'credentials', files: new Map([[newest.path, newest.sealed]]), ms: newest.ms };
}

async function findRemoved({
  session,
  config,
  atMs = Number.POSITIVE_INFINITY,
}: RestoreRequest): Promise<Found | undefined> {
  const found = await readTrash(config, session, atMs);
  return found && { what: 'session', ...found };
}

function open(keyring: Keyring, session: string, { files }: Found): OpenedFile[] {
  const opened = openVersions(keyring, session, { files, keptVersions: [] });
  requireComplete(opened);
  return opened.files;
}

/** Besides the credentials and what an application calls after them. */
function hasKeys(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => !name.startsWith(CREDS));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function nothingKept({ session, atMs }: RestoreRequest): SessionfsError {
  const until = atMs === undefined ? '' : ` until ${new Date(atMs).toISOString()}`;
  return new SessionfsError('SESSION_NOT_FOUND', `nothing of ${session} was kept${until}`, {
    hint: 'sessionfs restore --list DIR lists what can be brought back.',
  });
}

/** What is there may be newer than what was kept, and the account goes on with it. */
function refuseIfPaired(session: string, folder: string): void {
  let text: string;
  try {
    text = readFileSync(join(folder, CREDS), 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  if (!isPaired(text)) return;
  throw new SessionfsError('RESTORE_REFUSED', `${session} has credentials that log in`, {
    hint: `Stop the application. If they are the wrong ones, move ${join(folder, CREDS)} away, and try again.`,
  });
}

function isPaired(text: string): boolean {
  try {
    const creds = JSON.parse(text) as { me?: { id?: unknown } } | null;
    return typeof creds?.me?.id === 'string' && creds.me.id !== '';
  } catch {
    return false;
  }
}

/** Keys first, credentials last, owned as the folder is, or the mount. Returns how many files were written. */
function write(mountPoint: string, folder: string, files: readonly OpenedFile[]): number {
  const owner = statSync(folder, { throwIfNoEntry: false }) ?? statSync(mountPoint);
  makeFolder(folder, owner);
  const isCreds = ({ name }: OpenedFile) => name === CREDS;
  let written = 0;
  for (const file of files.filter((each) => !isCreds(each)))
    if (writeFile(join(folder, file.name), file.plain, owner, 'wx')) written++;
  for (const { plain } of files.filter(isCreds)) {
    const temporary = join(folder, `${CREDS}.tmp`);
    try {
      writeFile(temporary, plain, owner, 'w');
      renameSync(temporary, join(folder, CREDS));
      written++;
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }
  return written;
}

interface Owner {
  uid: number;
  gid: number;
}

function makeFolder(folder: string, { uid, gid }: Owner): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
    chownSync(folder, uid, gid);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

/** False: there is a file of that name already. */
function writeFile(path: string, plain: Buffer, owner: Owner, flag: 'w' | 'wx'): boolean {
  makeParents(dirname(path), owner);
  try {
    writeFileSync(path, plain, { mode: 0o600, flag });
  } catch (error) {
    if (flag === 'wx' && codeOf(error) === 'EEXIST') return false;
    throw error;
  }
  chownSync(path, owner.uid, owner.gid);
  return true;
}

function makeParents(folder: string, owner: Owner): void {
  if (statSync(folder, { throwIfNoEntry: false })) return;
  makeParents(dirname(folder), owner);
  makeFolder(folder, owner);
}
