/**
 * Brings back a session that was removed, or the credentials that one lost. All is written through the mount, as an application
 * writes. No step follows a link: the folder is another user's, who may have put any into it, and root may be at work here.
 */
import fs, { constants } from 'node:fs';
import { join } from 'node:path';
import type { Keyring } from '../crypto/keyring.ts';
import { SessionfsError } from '../lib/errors.ts';
import { OpenDirectory, within } from '../lib/open-directory.ts';
import { codeOf, ifMissing } from '../lib/system-error.ts';
import { belongsToCredentials } from '../naming/session-path.ts';
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
  refuseIfPaired(mountPoint, session);
  const sources = sourcesOf(config, undefined);
  const keyring = await keyringOf({ config, ...sources }, env);
  try {
    const credentials = () => findCredentials(request, sources, warn);
    const removed = () => findRemoved(request);
    const [first, second] = hasKeys(mountPoint, session) ? [credentials, removed] : [removed, credentials];
    const found = (await first()) ?? (await second());
    if (found === undefined) throw nothingKept(request);
    const { what, ms: keptMs } = found;
    const files = write(mountPoint, session, open(keyring, session, found));
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
function hasKeys(mountPoint: string, session: string): boolean {
  const entries = inFolder(mountPoint, session, (folder) => folder.entries()) ?? [];
  return entries.some(({ name }) => !belongsToCredentials(name));
}

/** Undefined: there is no such folder. Throws RESTORE_REFUSED. */
function inFolder<T>(mountPoint: string, session: string, use: (folder: OpenDirectory) => T): T | undefined {
  return refusingLinks(session, () =>
    within(OpenDirectory.open(mountPoint), (mount) => {
      let folder: OpenDirectory;
      try {
        folder = mount.directory(session);
      } catch (error) {
        return ifMissing(error);
      }
      return within(folder, use);
    }),
  );
}

const IN_THE_WAY = new Set(['ELOOP', 'ENOTDIR', 'EINVAL']);

/** What a link leads to may be another user's. */
function refusingLinks<T>(session: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!IN_THE_WAY.has(codeOf(error) ?? '')) throw error;
    throw new SessionfsError(
      'RESTORE_REFUSED',
      `something in ${session} is a link, or no folder, where a folder or file is to be`,
      { cause: error, hint: 'Stop the application, move it away, and try again.' },
    );
  }
}

function nothingKept({ session, atMs }: RestoreRequest): SessionfsError {
  const until = atMs === undefined ? '' : ` until ${new Date(atMs).toISOString()}`;
  return new SessionfsError('SESSION_NOT_FOUND', `nothing of ${session} was kept${until}`, {
    hint: 'sessionfs restore --list DIR lists what can be brought back.',
  });
}

/** What is there may be newer than what was kept, and the account goes on with it. */
function refuseIfPaired(mountPoint: string, session: string): void {
  const text = inFolder(mountPoint, session, (folder) => {
    try {
      return folder.withFile(CREDS, (fd) => fs.readFileSync(fd, 'utf8'));
    } catch (error) {
      return ifMissing(error);
    }
  });
  if (text === undefined || !isPaired(text)) return;
  throw new SessionfsError('RESTORE_REFUSED', `${session} has credentials that log in`, {
    hint: `Stop the application. If they are the wrong ones, move ${join(mountPoint, session, CREDS)} away, and try again.`,
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
function write(mountPoint: string, session: string, files: readonly OpenedFile[]): number {
  return refusingLinks(session, () =>
    within(OpenDirectory.open(mountPoint), (mount) =>
      within(folderIn(mount, session, mount.stat()), (folder) => writeAll(folder, files)),
    ),
  );
}

function writeAll(folder: OpenDirectory, files: readonly OpenedFile[]): number {
  const owner = folder.stat();
  const isCreds = ({ name }: OpenedFile) => name === CREDS;
  let written = 0;
  for (const { name, plain } of files.filter((each) => !isCreds(each)))
    if (writeBelow(folder, name.split('/'), plain, owner)) written++;
  for (const { plain } of files.filter(isCreds)) {
    const temporary = `${CREDS}.tmp`;
    try {
      remove(folder, temporary);
      writeFile(folder, temporary, plain, owner);
      fs.renameSync(folder.at(temporary), folder.at(CREDS));
      written++;
    } catch (error) {
      remove(folder, temporary);
      throw error;
    }
  }
  return written;
}

type Owner = Pick<fs.Stats, 'uid' | 'gid'>;

/** Made, for this owner, where it is missing. */
function folderIn(parent: OpenDirectory, name: string, { uid, gid }: Owner): OpenDirectory {
  try {
    return parent.directory(name);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  const made = parent.makeDirectory(name);
  fs.fchownSync(made.fd, uid, gid);
  return made;
}

/** False: there is a file of that name already. */
function writeBelow(
  folder: OpenDirectory,
  [part = '', ...rest]: readonly string[],
  plain: Buffer,
  owner: Owner,
): boolean {
  if (part === '' || part === '.' || part === '..') throw new Error('a file would lie elsewhere');
  if (rest.length > 0)
    return within(folderIn(folder, part, owner), (below) => writeBelow(below, rest, plain, owner));
  try {
    writeFile(folder, part, plain, owner);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

const WRITE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Throws EEXIST where anything has the name. */
function writeFile(folder: OpenDirectory, name: string, plain: Buffer, { uid, gid }: Owner): void {
  const fd = fs.openSync(folder.at(name), WRITE_FLAGS, 0o600);
  try {
    fs.writeFileSync(fd, plain);
    fs.fchownSync(fd, uid, gid);
  } finally {
    fs.closeSync(fd);
  }
}

function remove(folder: OpenDirectory, name: string): void {
  fs.rmSync(folder.at(name), { force: true });
}
