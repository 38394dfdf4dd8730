/** Takes plain sessions, whose copies are in the store, out of the mount point's folder once a mount covers it. */
import type { ImportReport } from '../fs/startup/import-plain.ts';
import { moveToImportBackup } from '../fs/startup/plain-sessions.ts';
import { OpenDirectory } from '../lib/open-directory.ts';
import { pathOfDescriptor } from '../mount/memory-directory.ts';
import type { Logger } from '../observe/log.ts';
import { importNotices } from './import-notices.ts';

/** The path of the mount point's folder that leads nowhere else; the supervisor holds it where there is something to import. */
export function plainFolderOf(mountPoint: string, folderFd: number): string {
  return process.platform === 'linux' ? pathOfDescriptor(folderFd) : mountPoint;
}

/**
 * Made before the mount, which hides the folder; used once the mount answers, so that a start that fails leaves every plain
 * file where its application looks for it.
 */
export class PlainFiles {
  readonly #mountPoint: string;
  readonly #names: readonly string[];
  readonly #folder: OpenDirectory | undefined;

  /** `folder`: see plainFolderOf. */
  constructor(mountPoint: string, folder: string, names: readonly string[]) {
    this.#mountPoint = mountPoint;
    this.#names = names;
    if (names.length > 0) this.#folder = OpenDirectory.open(folder);
  }

  /** The imported copies must be on stable storage. Returns what the terminal of the start is to say. */
  moveToBackup(report: ImportReport, log: Logger): string[] {
    if (this.#folder === undefined) return [];
    const backup = moveToImportBackup(this.#folder, this.#mountPoint, this.#names, new Date());
    const { directory: movedTo, moved, left } = backup;
    const { imported, skipped, files, refused } = report;
    if (imported.length > 0)
      log.warn({ imported, files, refused, moved, movedTo, left }, importedMessage(report, left));
    if (skipped.length > 0) log.warn({ skipped, moved, movedTo, left }, SKIPPED);
    return importNotices(report, backup, this.#mountPoint);
  }

  close(): void {
    this.#folder?.close();
  }
}

function importedMessage({ skipped }: ImportReport, left: readonly string[]): string {
  if (left.length > 0) return SOME_LEFT;
  return skipped.length > 0 ? SOME_IMPORTED : ALL_IMPORTED;
}

const ALL_IMPORTED =
  'Plain sessions in the mount point were imported and moved to an import backup. It is not encrypted: delete it once all is well';
const SOME_IMPORTED =
  'Plain sessions in the mount point were imported and moved to an import backup. It is not encrypted: delete those under "imported" once all is well; it holds others that were skipped';
const SOME_LEFT =
  'Plain sessions in the mount point were imported, but not all could be moved away: those left lie, not encrypted, below the mount';
const SKIPPED =
  'Skipped plain sessions: the mount has a session of each name, which goes on. Compare the times of both; to use a plain one, stop its application and copy its files into the mount, otherwise delete it';
