/** The folder that plaintext goes to: made for it, readable by its owner only, and nothing in it is ever overwritten. */
import fs, {
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs';
import { relative, sep } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { SessionfsError } from '../../lib/errors.ts';
import { inFolderOf, OpenDirectory } from '../../lib/open-directory.ts';
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
 * meanwhile. Throws EXPORT_TARGET: then what was written is deleted again, and nothing else, so that half a session passes for none
 * and the same folder can be named again.
 */
export async function writeFolder(
  folder: string,
  files: readonly OpenedFile[],
  stop: AbortSignal,
): Promise<void> {
  try {
    const isMade = mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined;
    const directory = OpenDirectory.open(folder);
    const written = new Written(directory);
    try {
      fchmodSync(directory.fd, 0o700);
      for (const [count, file] of files.entries()) {
        if (count % AT_A_TIME === 0) await setImmediate();
        if (stop.aborted) throw new Error('it was stopped, and what was written is deleted again');
        written.add(file);
      }
    } catch (error) {
      written.takeBack();
      if (isMade) attempt(() => rmdirSync(folder));
      throw error;
    } finally {
      directory.close();
    }
  } catch (error) {
    throw unusable(folder, error);
  }
}

interface Made {
  /** Below the folder. */
  readonly name: string;
  readonly isFolder: boolean;
}

/** What one run has written into the folder: another one may write into it, too. */
class Written {
  readonly #folder: OpenDirectory;
  readonly #made: Made[] = [];

  constructor(folder: OpenDirectory) {
    this.#folder = folder;
  }

  add(file: OpenedFile): void {
    const above: string[] = [];
    const enter = (parent: OpenDirectory, name: string) => {
      above.push(name);
      return this.#folderIn(parent, name, above.join('/'));
    };
    inFolderOf(this.#folder, file.name, enter, (below, name) => this.#write(below, name, file));
  }

  takeBack(): void {
    const enter = (parent: OpenDirectory, name: string) => parent.directory(name);
    for (const { name, isFolder } of this.#made.toReversed()) {
      const remove = isFolder ? rmdirSync : unlinkSync;
      attempt(() => inFolderOf(this.#folder, name, enter, (below, last) => remove(below.at(last))));
    }
  }

  #write(directory: OpenDirectory, last: string, file: OpenedFile): void {
    const fd = openSync(directory.at(last), WRITE_FLAGS, 0o600);
    try {
      this.#made.push({ name: file.name, isFolder: false });
      fs.writeFileSync(fd, file.plain);
      futimesSync(fd, file.mtimeSec, file.mtimeSec);
    } finally {
      closeSync(fd);
    }
  }

  #folderIn(parent: OpenDirectory, last: string, name: string): OpenDirectory {
    try {
      const made = parent.makeDirectory(last);
      this.#made.push({ name, isFolder: true });
      return made;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      return parent.directory(last);
    }
  }
}

/** What cannot be removed stays. */
function attempt(step: () => void): void {
  try {
    step();
  } catch {}
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
