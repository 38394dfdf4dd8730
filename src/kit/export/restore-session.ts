/**
 * Brings back a session that was removed, or the credentials that one lost. All is written through the mount, as an application
 * writes. No step follows a link: the folder is another user's, who may have put any into it, and root may be at work here.
 */
import fs, { constants } from 'node:fs';
import { join } from 'node:path';
import type { Keyring } from '../../crypto/keyring.ts';
import { SessionfsError } from '../../lib/errors.ts';
import { listText, secondText } from '../../lib/human.ts';
import { inFolderOf, OpenDirectory, within } from '../../lib/open-directory.ts';
import { codeOf, ifMissing } from '../../lib/system-error.ts';
import { keptDatabaseOf } from '../../naming/kept-database.ts';
import { belongsToCredentials } from '../../naming/session-path.ts';
import { companionName, companionsOf } from '../../sqlite/companions.ts';
import { savedCredentials } from '../../sqlite/credentials.ts';
import { fold } from '../../sqlite/fold.ts';
import { SqliteError } from '../../sqlite/format.ts';
import { logsIn, stateOfSession } from '../baileys.ts';
import { type ExportRequest, findVersions, keyringOf, requireComplete, sourcesOf } from './export-session.ts';
import { checkFolder, writeFolder } from './folder.ts';
import { readMoment, type Shield } from './moment.ts';
import { KEPT_SOON, type RestorableSource, readTrash } from './restorable.ts';
import { type OpenedFile, type OpenedVersions, openVersions, type SealedVersions } from './versions.ts';

interface Wanted extends Pick<ExportRequest, 'session' | 'config'> {
  /** That moment, or nothing newer, in ms since the epoch; undefined: the newest that was kept. */
  atMs: number | undefined;
  shield: Shield;
}

export interface RestoreRequest extends Wanted {
  /** Of a mount that answers. */
  mountPoint: string;
}

export interface RestoreToRequest extends Wanted {
  /** Absolute. Must not exist yet, or be empty. */
  folder: string;
}

export interface RestoredSession {
  session: string;
  folder: string;
  what: 'credentials' | 'session';
  files: number;
  /** When this was kept, removed or last stored, in ms since the epoch. */
  keptMs: number;
  source: RestorableSource;
}

interface Kept {
  what: RestoredSession['what'];
  files: SealedVersions['files'];
  ms: number;
  source: RestorableSource;
}

interface Found extends Omit<Kept, 'files'> {
  /** With the files that do not open. */
  opened: OpenedVersions;
}

const CREDS = 'creds.json';
/** What a file is called until it is whole. An application's name for the same: what it left of a write goes. */
const TEMPORARY = `${CREDS}.tmp`;
/**
 * The credentials of a session until all its other files are there: in a folder that has it a restore was cut short. A name that
 * goes to no bucket.
 */
const UNFINISHED = `${CREDS}.restored.tmp`;
const SHOWN = 3;
const NO_BYTES = Buffer.alloc(0);
/** No mount has a larger file. */
const DATABASE_BYTES_MAX = 2 ** 30;

/**
 * A session that has other files than its credentials gets the newest credentials that were kept; one that has none, the newest
 * archive of all its files. Credentials that log in are not replaced, and no other file is, but the database of which the
 * credentials were kept. With a moment, what the bucket's versions had then comes first. Throws SESSION_NOT_FOUND, RESTORE_REFUSED,
 * EXPORT_INCOMPLETE (before anything is written), KEY_WRONG, KEY_MISSING, BUCKET_UNAVAILABLE, CONFIG_INVALID and system errors.
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
    const begun = fileIn(mountPoint, session, UNFINISHED);
    const what = begun === undefined && hasKeys(mountPoint, session) ? 'credentials' : 'session';
    const [first, second] = what === 'credentials' ? [credentials, removed] : [removed, credentials];
    const found =
      (await findMoment(request, what, keyring, warn)) ??
      open(keyring, request, (await first()) ?? (await second()));
    requireComplete(found.opened);
    const opened = found.opened.files.filter((file) => file.name !== UNFINISHED);
    if (begun !== undefined) requireBegun(mountPoint, session, opened, begun);
    const [{ name, plain } = { name: '', plain: NO_BYTES }] = opened;
    const database = found.what === 'credentials' && name !== CREDS ? databaseNamed(name) : undefined;
    const files =
      database === undefined
        ? write(mountPoint, session, opened, found.what)
        : writeDatabase(mountPoint, session, { name: database, plain });
    return { session, folder, what: found.what, files, keptMs: found.ms, source: found.source };
  } finally {
    keyring.destroy();
  }
}

/**
 * Writes what was kept last, a removed session or credentials, or the session as the bucket had it at a moment, as plain files into
 * a folder of its own: no mount is needed, and nothing else is changed. Not synced to the disk on return. Throws EXPORT_TARGET, and
 * what restoreSession throws.
 */
export async function restoreTo(
  request: RestoreToRequest,
  env: NodeJS.ProcessEnv,
  warn: (text: string) => void,
): Promise<RestoredSession> {
  const { session, config, folder } = request;
  checkFolder(folder, config.cachePath);
  const sources = sourcesOf(config, undefined);
  const keyring = await keyringOf({ config, ...sources }, env);
  try {
    const kept = async () =>
      [await findRemoved(request), await findCredentials(request, sources, warn)]
        .filter((each) => each !== undefined)
        .sort((a, b) => b.ms - a.ms)[0];
    const found =
      (await findMoment(request, 'session', keyring, warn)) ?? open(keyring, request, await kept());
    const { what, ms: keptMs, source, opened } = found;
    requireComplete(opened);
    const { files } = opened;
    const named = (file: OpenedFile) =>
      source === 'kept version' ? { ...file, name: databaseNamed(file.name) } : file;
    await request.shield((stop) => writeFolder(folder, files.map(named), stop));
    return { session, folder, what, files: files.length, keptMs, source };
  } finally {
    keyring.destroy();
  }
}

/** An image that was kept has another name than its database. */
function databaseNamed(name: string): string {
  return keptDatabaseOf(name) ?? name;
}

/** Of a session that could log in then; undefined also without a moment. */
async function findMoment(
  { session, config, atMs, shield }: Wanted,
  what: Kept['what'],
  keyring: Keyring,
  warn: (text: string) => void,
): Promise<Found | undefined> {
  if (atMs === undefined) return undefined;
  const onlyCredentials = what === 'credentials';
  const moment = await readMoment({ session, config, atMs, onlyCredentials, shield }, warn);
  if (moment === undefined) return undefined;
  const { ms, source } = moment;
  const opened = openVersions(keyring, session, { files: moment.files, keptVersions: [] });
  const credentials = nameOfCredentials(opened);
  if (credentials === undefined) return undefined;
  if (onlyCredentials) return { what, ms, source, opened: only(credentials, opened) };
  warnOfMissing(session, opened.files, warn);
  return { what, ms, source, opened };
}

/** The file that logs in; undefined: none does. One that does not open is among them: what requires all to be whole names it. */
function nameOfCredentials({ files, refused }: OpenedVersions): string | undefined {
  if (refused.some(({ name }) => name === CREDS)) return CREDS;
  const creds = files.find(({ name }) => name === CREDS);
  if (creds !== undefined) return logsIn(creds.plain) ? CREDS : undefined;
  return files.find(({ plain }) => {
    const saved = credentialsOf({ database: plain, log: undefined, journal: undefined });
    return saved !== undefined && logsIn(Buffer.from(saved));
  })?.name;
}

function only(wanted: string, opened: OpenedVersions): OpenedVersions {
  const isWanted = ({ name }: { name: string }) => name === wanted;
  return { ...opened, files: opened.files.filter(isWanted), refused: opened.refused.filter(isWanted) };
}

/** A rule may have deleted older versions of some files, and left those of others. */
function warnOfMissing(session: string, opened: readonly OpenedFile[], warn: (text: string) => void): void {
  const creds = opened.find(({ name }) => name === CREDS)?.plain;
  const { state, missing } = stateOfSession(creds, new Set(opened.map(({ name }) => name)));
  if (state !== 'incomplete') return;
  warn(`${session} may not log in: the bucket has no version of that moment of ${listText(missing, SHOWN)}`);
}

async function findCredentials(
  { session, config, atMs = Number.POSITIVE_INFINITY }: Wanted,
  sources: ReturnType<typeof sourcesOf>,
  warn: (text: string) => void,
): Promise<Kept | undefined> {
  const asked = { session, folder: '', onlyKeptVersions: true, config, from: undefined, ...sources };
  const { keptVersions } = await findVersions(asked, warn);
  const isCredentials = (path: string) =>
    path === `${session}/${CREDS}` || keptDatabaseOf(path) !== undefined;
  const newest = keptVersions
    .filter(({ path, ms }) => isCredentials(path) && ms <= atMs)
    .sort((a, b) => a.ms - b.ms)
    .at(-1);
  if (newest === undefined) return undefined;
  const files = new Map([[newest.path, newest.sealed]]);
  return { what: 'credentials', files, ms: newest.ms, source: 'kept version' };
}

async function findRemoved({
  session,
  config,
  atMs = Number.POSITIVE_INFINITY,
}: Wanted): Promise<Kept | undefined> {
  const found = await readTrash(config, session, atMs);
  return found && { what: 'session', ...found, source: 'trash' };
}

/** Throws SESSION_NOT_FOUND without any. */
function open(keyring: Keyring, wanted: Wanted, kept: Kept | undefined): Found {
  if (kept === undefined) throw nothingKept(wanted);
  const { files, ...found } = kept;
  return { ...found, opened: openVersions(keyring, wanted.session, { files, keptVersions: [] }) };
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

function nothingKept({ session, atMs }: Wanted): SessionfsError {
  const until = atMs === undefined ? '' : ` until ${secondText(new Date(atMs).toISOString())}`;
  return new SessionfsError('SESSION_NOT_FOUND', `nothing of ${session} was kept${until}`, {
    hint: `sessionfs restore --list DIR lists what can be brought back. ${KEPT_SOON}`,
  });
}

/** What is there may be newer than what was kept, and the account goes on with it. */
function refuseIfPaired(mountPoint: string, session: string): void {
  const creds = fileIn(mountPoint, session, CREDS);
  if (creds !== undefined && isPaired(creds.toString()))
    throw alreadyPaired(session, join(mountPoint, session, CREDS));
}

function fileIn(mountPoint: string, session: string, name: string): Buffer | undefined {
  return inFolder(mountPoint, session, (folder) => contentIn(folder, name));
}

/** Undefined: there is no such file. */
function contentIn(folder: OpenDirectory, name: string): Buffer | undefined {
  try {
    return folder.withFile(name, (fd) => fs.readFileSync(fd));
  } catch (error) {
    return ifMissing(error);
  }
}

/** What a restore that was cut short left is a part of these files, and no application has written since. Throws RESTORE_REFUSED. */
function requireBegun(
  mountPoint: string,
  session: string,
  files: readonly OpenedFile[],
  begun: Buffer,
): void {
  const wanted = new Map(files.map(({ name, plain }) => [name, plain]));
  const isPart = (folder: OpenDirectory, prefix: string): boolean =>
    folder.entries().every((entry) => {
      const name = prefix + entry.name;
      if (belongsToCredentials(name) || entry.name === TEMPORARY) return true;
      if (entry.isDirectory())
        return within(folder.directory(entry.name), (below) => isPart(below, `${name}/`));
      const plain = wanted.get(name);
      return entry.isFile() && plain !== undefined && contentIn(folder, entry.name)?.equals(plain) === true;
    });
  const isSame = wanted.get(CREDS)?.equals(begun) === true;
  if (isSame && inFolder(mountPoint, session, (folder) => isPart(folder, ''))) return;
  throw new SessionfsError(
    'RESTORE_REFUSED',
    `a restore of ${session} was cut short, and what is in its folder now is no part of what would be restored`,
    {
      hint: `Move ${join(mountPoint, session)} out of the mount, and restore again, with --at for an earlier moment than now.`,
    },
  );
}

function alreadyPaired(session: string, file: string): SessionfsError {
  return new SessionfsError('RESTORE_REFUSED', `${session} has credentials that log in`, {
    hint: `Stop the application. If they are the wrong ones, move ${file} away, and try again.`,
  });
}

/** Or about to be: a pairing by code names the account before the phone has taken it. */
function isPaired(text: string): boolean {
  try {
    const creds = JSON.parse(text) as { me?: { id?: unknown } } | null;
    return typeof creds?.me?.id === 'string' && creds.me.id !== '';
  } catch {
    return false;
  }
}

/** Keys first, credentials last, owned as the folder is, or the mount. Returns how many files were written. */
function write(
  mountPoint: string,
  session: string,
  files: readonly OpenedFile[],
  what: Kept['what'],
): number {
  return refusingLinks(session, () =>
    within(OpenDirectory.open(mountPoint), (mount) =>
      within(folderIn(mount, session, mount.stat()), (folder) => writeAll(folder, files, what)),
    ),
  );
}

/** A database that was kept takes the place of the present one, whatever else that has. */
function writeDatabase(
  mountPoint: string,
  session: string,
  { name, plain }: Pick<OpenedFile, 'name' | 'plain'>,
): number {
  return refusingLinks(session, () =>
    within(OpenDirectory.open(mountPoint), (mount) =>
      within(folderIn(mount, session, mount.stat()), (folder) =>
        inFolderOf(folder, name, making(folder.stat()), (below, last) => {
          const creds = credentialsIn(below, last);
          if (creds !== undefined && isPaired(creds))
            throw alreadyPaired(session, join(mountPoint, session, name));
          replaceDatabase(below, last, plain, folder.stat());
          return 1;
        }),
      ),
    ),
  );
}

/** Folders are made where they are missing. */
const making = (owner: Owner) => (parent: OpenDirectory, name: string) => folderIn(parent, name, owner);

/** As SQLite would find them; undefined: there are none that can be found. */
function credentialsIn(folder: OpenDirectory, name: string): string | undefined {
  const database = contentIn(folder, name);
  if (database === undefined) return undefined;
  return credentialsOf({
    database,
    log: contentIn(folder, companionName(name, 'wal')),
    journal: contentIn(folder, companionName(name, 'journal')),
  });
}

function credentialsOf(files: Parameters<typeof fold>[0]): string | undefined {
  try {
    return savedCredentials(fold(files, DATABASE_BYTES_MAX))?.toString();
  } catch (error) {
    if (error instanceof SqliteError) return undefined;
    throw error;
  }
}

/** A log that belongs to another database must not lie beside this one at any moment. */
function replaceDatabase(folder: OpenDirectory, name: string, plain: Buffer, owner: Owner): void {
  const temporary = `${name}.tmp`;
  try {
    remove(folder, temporary);
    writeFile(folder, temporary, plain, owner);
    for (const { path } of companionsOf(name)) remove(folder, path);
    fs.renameSync(folder.at(temporary), folder.at(name));
  } catch (error) {
    remove(folder, temporary);
    throw error;
  }
}

/**
 * It can be cut short at any moment, and repeated: no file is there before it is whole, and of a session the credentials are
 * there from the beginning, under a name that says what is missing, and get their own one last.
 */
function writeAll(folder: OpenDirectory, files: readonly OpenedFile[], what: Kept['what']): number {
  const owner = folder.stat();
  const creds = files.find(({ name }) => name === CREDS);
  const early = what === 'session' ? creds : undefined;
  if (early !== undefined) publish(folder, UNFINISHED, early.plain, owner);
  let written = creds === undefined ? 0 : 1;
  for (const { name, plain } of files.filter((file) => file !== creds))
    if (writeBelow(folder, name, plain, owner)) written++;
  if (early !== undefined) fs.renameSync(folder.at(UNFINISHED), folder.at(CREDS));
  else if (creds !== undefined) publish(folder, CREDS, creds.plain, owner);
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
function writeBelow(folder: OpenDirectory, name: string, plain: Buffer, owner: Owner): boolean {
  return inFolderOf(folder, name, making(owner), (below, last) => {
    if (fs.lstatSync(below.at(last), { throwIfNoEntry: false }) !== undefined) return false;
    publish(below, last, plain, owner);
    return true;
  });
}

/** Whole at once, in the place of what has the name. */
function publish(folder: OpenDirectory, name: string, plain: Buffer, owner: Owner): void {
  try {
    remove(folder, TEMPORARY);
    writeFile(folder, TEMPORARY, plain, owner);
    fs.renameSync(folder.at(TEMPORARY), folder.at(name));
  } catch (error) {
    remove(folder, TEMPORARY);
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
