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
  writeFileSync,
} from 'node:fs';
import { relative, sep } from 'node:path';
import { SessionfsError } from '../../lib/errors.ts';
import { OpenDirectory, within } from '../../lib/open-directory.ts';
import { codeOf } from '../../lib/system-error.ts';
import type { OpenedFile } from './versions.ts';

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
 * meanwhile. Throws EXPORT_TARGET; what was written until then stays.
 */
export function writeFolder(folder: string, files: readonly OpenedFile[]): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    within(OpenDirectory.open(folder), (directory) => {
      fchmodSync(directory.fd, 0o700);
      for (const file of files) writeOne(directory, file.name.split('/'), file);
    });
  } catch (error) {
    throw unusable(folder, error);
  }
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
