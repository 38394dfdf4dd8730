/** Cloud mode: keeps what lies in memory below a limit. The least recently used sessions go first; the bucket has them. */
import type { Cache } from '../store/cache/cache.ts';
import { removeImage } from './backup/database-images.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { RemoteVersion } from './ledger/object-entry.ts';

export interface MemoryLimitParts {
  ledger: Ledger;
  cache: Cache;
  limitBytes: number;
  /** Makes a session absent that is not in `except` and at rest, if there is one: `evicted` follows. */
  evict: (except: string[]) => void;
  /** It is not given up after all: what the cache holds of it is all there is. */
  announce: (session: string) => void;
  /** Brings all that was committed so far into the cache and the ledger. Rejects when it cannot. */
  settle: () => Promise<void>;
}

const LOOK_EVERY_MS = 1_000;

export class MemoryLimit {
  readonly #parts: MemoryLimitParts;
  /** Of sessions that were given up: the versions that the kernel may know. */
  readonly #versions = new Map<string, Map<string, string>>();
  #timer: NodeJS.Timeout | undefined;
  #isAsked = false;

  constructor(parts: MemoryLimitParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  end(): void {
    clearInterval(this.#timer);
  }

  /** What the kernel thread answered; undefined: no session can go. Rejects with system errors of the cache. */
  async evicted(session: string | undefined): Promise<void> {
    this.#isAsked = false;
    if (session === undefined) return;
    await this.#drop(session);
    this.#look();
  }

  /** Whether a session that was restored is as it was when it was given up. Forgets it. */
  isUnchanged(session: string): boolean {
    const versions = this.#versions.get(session);
    this.#versions.delete(session);
    const entries = this.#parts.ledger.entriesOf(session);
    if (versions?.size !== entries.length) return false;
    return entries.every(({ name, remote }) => remote?.generation === versions.get(name));
  }

  #look(): void {
    const { ledger, limitBytes, evict } = this.#parts;
    if (this.#isAsked || ledger.bytesHere <= limitBytes) return;
    this.#isAsked = true;
    evict(ledger.dirtySessions);
  }

  /** The ledger first: a daemon that takes over in between restores what is still there. */
  async #drop(session: string): Promise<void> {
    const { ledger, cache, announce, settle } = this.#parts;
    // A deletion may be in the journal alone, of which the tree shows nothing.
    await settle();
    const all = ledger.entriesOf(session);
    // A backup that no object holds goes: the file that it is of does not.
    const backups = all.filter(({ shadowed, remote }) => shadowed && remote === undefined);
    const entries = all.filter((entry) => !backups.includes(entry));
    const stored = entries.filter(hasRemote);
    // Something was noted since it was chosen.
    if (stored.length < entries.length || ledger.dirtyOf(session).length > 0) return announce(session);
    // Nor does one that was written since it was stored come back as it is.
    if (all.every(({ local }) => local === 'same'))
      this.#versions.set(session, new Map(stored.map(({ name, remote }) => [name, remote.generation])));
    for (const { name, remote } of stored) ledger.absent(name, remote);
    for (const backup of backups) ledger.forget(backup);
    const touched = new Set<string>();
    for (const { name } of all) {
      await cache.files.removeFile(name, touched);
      await removeImage((each) => cache.files.locate(each), name);
    }
  }
}

function hasRemote<T extends { remote: RemoteVersion | undefined }>(
  entry: T,
): entry is T & { remote: RemoteVersion } {
  return entry.remote !== undefined;
}
