/** What a first start makes: the cache and, in local mode, its key. A start that fails leaves neither behind. */
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { generatedKeyPath } from '../lib/generated-key-path.ts';
import { Cache } from '../store/cache/cache.ts';

/** A fresh ext4 volume has it; everything else in a directory that became a cache was made by this start. */
const NOT_OURS = 'lost+found';
/** Under this identity the bucket knows the mount: it stays, and its cache with it. */
const IDENTITY = 'mount-id';

function removeIfThere(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  rmSync(path);
  return path;
}

export class NewFiles {
  readonly #cachePath: string;
  readonly #wasDirectory: boolean;
  readonly #wasKey: boolean;
  /** Undefined: not known yet. */
  #wasCache: boolean | undefined;

  /** Made before the start touches anything. */
  constructor(cachePath: string) {
    this.#cachePath = cachePath;
    this.#wasDirectory = existsSync(cachePath);
    this.#wasKey = existsSync(generatedKeyPath(cachePath));
  }

  /** The lock is held: from here on only this process changes the cache. */
  locked(): void {
    this.#wasCache = existsSync(this.#cachePath) && Cache.readKeyId(this.#cachePath) !== undefined;
  }

  /**
   * Removes what was not there before; the lock must be held. What cannot be removed stays. Returns the path of the key that is
   * gone, if one was made.
   */
  remove(): string | undefined {
    if (this.#wasCache !== false || existsSync(join(this.#cachePath, IDENTITY))) return undefined;
    try {
      this.#removeCache();
      return this.#wasKey ? undefined : removeIfThere(generatedKeyPath(this.#cachePath));
    } catch {
      // A disk that refuses this has made the start fail, and its error is told.
      return undefined;
    }
  }

  #removeCache(): void {
    const becameCache = Cache.readKeyId(this.#cachePath) !== undefined;
    const made = readdirSync(this.#cachePath).filter((name) => name !== NOT_OURS);
    // A directory that was refused keeps what is in it.
    const ours = becameCache ? made : made.filter((name) => name === 'lock');
    for (const name of ours) rmSync(join(this.#cachePath, name), { recursive: true, force: true });
    if (!this.#wasDirectory) rmdirSync(this.#cachePath);
  }
}
