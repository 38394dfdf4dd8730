/**
 * What happens on a full disk. Most of a journal is versions that later ones replaced: a checkpoint moves the rest into the
 * cache and frees room. Changes wait meanwhile; one that does not fit even then is refused.
 */
import type { OpenedFileSystem } from '../../fs/startup/open.ts';
import { releaseBallast, restoreBallast } from '../../store/cache/ballast.ts';
import { emptyTrash } from '../../store/checkpoint/trash.ts';
import type { FromCore } from './messages.ts';

export class DiskFullRecovery {
  readonly #opened: OpenedFileSystem;
  readonly #post: (message: FromCore) => void;
  #state: 'enough' | 'wanted' | 'made' = 'enough';
  #fullDiskLogged = false;

  constructor(opened: OpenedFileSystem, post: (message: FromCore) => void) {
    this.#opened = opened;
    this.#post = post;
  }

  /** A change did not fit. True: it waits for `roomMade`; false: it has waited already, and is refused. */
  makeRoom(): boolean {
    if (this.#state === 'made') return this.#refuse();
    if (this.#state === 'wanted') return true;
    const { cache, filesystem } = this.#opened;
    this.#state = 'wanted';
    emptyTrash(cache.path);
    releaseBallast(cache.path);
    filesystem.rollJournal();
    const closed = filesystem.takeClosedSegment();
    filesystem.suspend(true);
    this.#post({ to: 'journal', type: 'disk-full', closed });
    return true;
  }

  /** The checkpoint is through. */
  roomMade(retryParked: () => void): void {
    const { cache, filesystem, journal } = this.#opened;
    journal.closeRetired();
    restoreBallast(cache.path);
    filesystem.suspend(false);
    this.#state = 'made';
    filesystem.lastTry(retryParked);
    this.#state = 'enough';
  }

  #refuse(): false {
    const message = 'The disk of the cache is full: a change was refused, the version before it stays';
    if (!this.#fullDiskLogged)
      this.#post({ to: 'daemon', type: 'log', record: { level: 'warn', message, fields: {} } });
    this.#fullDiskLogged = true;
    return false;
  }
}
