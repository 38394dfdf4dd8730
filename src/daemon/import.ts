/** Takes plain sessions, whose copies are in the store, out of the mount point's folder once a mount covers it. */
import type { ImportReport } from '../fs/startup/import-plain.ts';
import { moveToImportBackup } from '../fs/startup/plain-sessions.ts';
import { OpenDirectory } from '../lib/open-directory.ts';
import { pathOfDescriptor } from '../mount/memory-directory.ts';
import type { Logger } from '../observe/log.ts';

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

  /** The imported copies must be on stable storage. */
  moveToBackup({ imported, skipped, files, refused }: ImportReport, log: Logger): void {
    if (this.#folder === undefined) return;
    const { directory, moved, left } = moveToImportBackup(
      this.#folder,
      this.#mountPoint,
      this.#names,
      new Date(),
    );
    const report = { imported, skipped, files, refused, moved, movedTo: directory, left };
    log.warn(report, `${left.length === 0 ? ALL_MOVED : SOME_LEFT}${skipped.length > 0 ? SKIPPED : ''}`);
  }

  close(): void {
    this.#folder?.close();
  }
}

const ALL_MOVED =
  'Plain sessions in the mount point were imported and moved to an import backup. It is not encrypted: delete it once all is well';
const SOME_LEFT =
  'Plain sessions in the mount point were imported, but not all could be moved away: those left lie, not encrypted, below the mount';
const SKIPPED =
  '. Those under "skipped" were not imported, because the mount has a session of that name: compare the times of both, and look at them before you delete anything';
