/** Failed backups in the log: at most one line for each session and interval, however often it was tried. */
import { reasonOf } from '../../bucket/bucket-error.ts';
import type { Logger } from '../../observe/log.ts';
import { ForeignWrite } from './upload.ts';

export class FailureLog {
  readonly #log: Logger;
  readonly #told = new Set<string>();
  #toldUnsettled = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  nextInterval(): void {
    this.#told.clear();
    this.#toldUnsettled = false;
  }

  /** What was written could not be brought into the cache, from where backups are made. */
  unsettled(error: unknown): void {
    if (this.#toldUnsettled) return;
    this.#toldUnsettled = true;
    this.#log.warn(
      { error: String(error) },
      'Nothing could be backed up: the journal did not go into the cache; what was written is safe in the journal',
    );
  }

  /** `lost`: another mount has the session. */
  failed(session: string, error: unknown, dirty: number, lost?: { inUse: boolean }): void {
    if (this.#told.has(session)) return;
    this.#told.add(session);
    const fields = { session, files: dirty, ...reasonOf(error) };
    if (error instanceof ForeignWrite) {
      this.#log.error(
        { ...fields, object: error.object },
        'Another mount has written this session: nothing of it is backed up from here until the next start, which takes the version in the bucket and keeps this one aside',
      );
    } else if (lost !== undefined && !lost.inUse) {
      this.#log.warn(
        fields,
        'Another mount has this session, of which files changed here before; they are kept, and quarantined when the session is opened here and has changed there',
      );
    } else if (lost !== undefined) {
      this.#log.error(
        fields,
        'Another mount has taken this session over: nothing of it is backed up from here until the next start, which takes the version in the bucket and keeps this one aside',
      );
    } else {
      this.#log.warn(fields, 'Failed to backup to Cloud Storage, continuing with local storage');
    }
  }
}
