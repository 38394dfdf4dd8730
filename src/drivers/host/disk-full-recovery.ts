/**
 * What happens on a full disk. Most of a journal is versions that later ones replaced: moving it into the cache frees room,
 * and whoever changes something meanwhile waits. A change that does not fit even then is refused.
 */
import type { OpenedFileSystem } from '../../fs/startup/open.ts';
import { releaseBallast, restoreBallast } from '../../store/cache/ballast.ts';
import type { FromCore } from './messages.ts';

export class Room {
  readonly #opened: OpenedFileSystem;
  readonly #post: (message: FromCore) => void;
  #state: 'enough' | 'wanted' | 'made' = 'enough';
  #fullDiskLogged = false;

  constructor(opened: OpenedFileSystem, post: (message: FromCore) => void) {
    this.#opened = opened;
    this.#post = post;
  }

  /** A change did not fit. True: it may be tried again in `retryInIt`; false: it has been. */
  make(): boolean {
    if (this.#state === 'made') return this.#refuse();
    if (this.#state === 'wanted') return true;
    const { cache, filesystem } = this.#opened;
    this.#state = 'wanted';
    releaseBallast(cache.path);
    filesystem.rollJournal();
    const closed = filesystem.takeClosedSegment();
    filesystem.suspend(true);
    this.#post({ type: 'disk-full', closed });
    return true;
  }

  /** The checkpoint is through. */
  retryInIt(retryParked: () => void): void {
    const { cache, filesystem, journal } = this.#opened;
    journal.closeRetired();
    restoreBallast(cache.path);
    filesystem.suspend(false);
    this.#state = 'made';
    retryParked();
    this.#state = 'enough';
  }

  #refuse(): false {
    const message = 'The disk of the cache is full: a change was refused, the version before it stays';
    if (!this.#fullDiskLogged) this.#post({ type: 'log', record: { level: 'warn', message, fields: {} } });
    this.#fullDiskLogged = true;
    return false;
  }
}
