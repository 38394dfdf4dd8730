/** The folder that plaintext goes to: made for it, readable by its owner only, and nothing in it is ever overwritten. */
import {
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { relative, sep } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { SessionfsError } from '../../lib/errors.ts';
import { OpenDirectory, within } from '../../lib/open-directory.ts';
import { codeOf } from '../../lib/system-error.ts';
import type { OpenedFile } from './versions.ts';

/** Files that are written before a signal is let in. */
const AT_A_TIME = 32;
const WRITE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Before anything is read. Throws EXPORT_TARGET unless `folder` (absolute) is free, or an empty directory, outside of the cache. */
export function checkFolder(folder: string, cachePath: string): void {
  const between = relative(cachePath, folder);
  if (between !== '..' && !between.startsWith(`..${sep}`))
    throw refused(folder, 'it lies in the cache', 'Name a folder beside it.');
  try {
    if (!lstatSync(folder).isDirectory()) throw notEmpty(folder);
    if (readdirSync(folder).length > 0) throw notEmpty(folder);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error instanceof SessionfsError ? error : unusable(folder, error);
  }
}

/**
 * Makes the folder and writes all of it: directories 0700, files 0600. No step follows a link that another user may put there
 * meanwhile. Throws EXPORT_TARGET; what was written until then stays, unless `stop` has ended it: then nothing does.
 */
export async function writeFolder(
  folder: string,
  files: readonly OpenedFile[],
  stop: AbortSignal,
): Promise<void> {
  try {
    const isMade = mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined;
    const directory = OpenDirectory.open(folder);
    try {
      fchmodSync(directory.fd, 0o700);
      for (const [count, file] of files.entries()) {
        if (count % AT_A_TIME === 0) await setImmediate();
        if (stop.aborted) throw takenBack(directory, isMade ? folder : undefined);
        writeOne(directory, file.name.split('/'), file);
      }
    } finally {
      directory.close();
    }
  } catch (error) {
    throw unusable(folder, error);
  }
}

/** The folder was empty, so all that is in it was written here. `folder`: where it was not there either. */
function takenBack(directory: OpenDirectory, folder: string | undefined): Error {
  for (const { name } of directory.entries()) rmSync(directory.at(name), { recursive: true, force: true });
  if (folder !== undefined) rmdirSync(folder);
  return new Error('it was stopped, and what was written is deleted again');
}

function writeOne(directory: OpenDirectory, [part = '', ...rest]: readonly string[], file: OpenedFile): void {
  if (part === '' || part === '.' || part === '..') throw new Error(`${file.name} would lie elsewhere`);
  if (rest.length > 0) {
    within(made(directory, part), (below) => writeOne(below, rest, file));
    return;
  }
  const fd = openSync(directory.at(part), WRITE_FLAGS, 0o600);
  try {
    writeFileSync(fd, file.plain);
    futimesSync(fd, file.mtimeSec, file.mtimeSec);
  } finally {
    closeSync(fd);
  }
}

function made(parent: OpenDirectory, name: string): OpenDirectory {
  try {
    return parent.makeDirectory(name);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return parent.directory(name);
  }
}

function notEmpty(folder: string): SessionfsError {
  return refused(
    folder,
    'it is there already',
    'Nothing is overwritten: name a folder that does not exist yet.',
  );
}

function unusable(folder: string, cause: unknown): SessionfsError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return refused(folder, reason, 'Name a folder on a disk with room for it, which you may write.', cause);
}

function refused(folder: string, reason: string, hint: string, cause?: unknown): SessionfsError {
  return new SessionfsError('EXPORT_TARGET', `cannot export to ${folder}: ${reason}`, { hint, cause });
}
