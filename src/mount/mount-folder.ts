/**
 * The folder that a mount covers. While sessionfs owns its name it is shut: its mode is 0, so that no application writes beside
 * the mount when that is away for a moment, or for longer. What its mode was is kept in the folder itself, as the seconds of
 * its modification time: there it cannot be lost, and no second file has to agree with it.
 */
import { chmodSync, closeSync, constants, fstatSync, openSync, readlinkSync, utimesSync } from 'node:fs';
import { codeOf } from '../lib/system-error.ts';
import { pathOfDescriptor } from './memory-directory.ts';
import { openInNamespace } from './namespace-view.ts';

/** From <fcntl.h>, which Node does not name: a place in the tree, whatever its mode, and without a question to a dead mount. */
const O_PATH = 0o10000000;
const PLACE = constants.O_DIRECTORY | constants.O_NOFOLLOW;
const PERMISSIONS = 0o777;
const MODE_BITS = 0o7777;
/** Of a folder that is shut without saying what it was. */
const MODE_UNKNOWN = 0o700;
/** Its owner may list and read it; no process may write. */
const LISTED_MODE = 0o500;
const OWNER_ONLY = 0o700;

/** A descriptor of the directory at `path` itself, of its mount if one is there. Throws system errors; a link is refused. */
export function openPlace(path: string): number {
  return openSync(path, PLACE | (process.platform === 'linux' ? O_PATH : constants.O_RDONLY));
}

/** Whether the directory of the descriptor still has this path, which must be absolute and free of links. */
export function isPlaceAt(fd: number, path: string): boolean {
  return namePlace(fd, path) === path;
}

/** What the directory of the descriptor, which was at `path`, is called by now. */
export function namePlace(fd: number, path: string): string {
  return process.platform === 'linux' ? readlinkSync(pathOfDescriptor(fd)) : path;
}

/** 'no-need': it is not shut, or its disk takes no writes. */
export type Shutting = { kind: 'shut' } | { kind: 'no-need' } | { kind: 'refused'; reason: string };

export class MountFolder {
  readonly fd: number;
  /** By which its content is reached, shut or not. */
  readonly path: string;
  /** Owner and mode of the folder when it is not shut. */
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;

  /** The folder at `path`, which nothing of ours covers. Throws system errors. */
  static open(path: string): MountFolder {
    return new MountFolder(openPlace(path), path);
  }

  /** The one below `mounts` mounts that hide it from this process. Undefined where no namespace can be had to look from. */
  static async openBelow(path: string, mounts: number): Promise<MountFolder | undefined> {
    const fd = await openInNamespace({
      namespace: ['--mount', '--propagation', 'private'],
      script: 'for mount in $(seq "$2"); do umount -i -l "$1" 2>/dev/null || umount -l "$1" || exit 1; done',
      args: [path, String(mounts)],
      path,
      flags: PLACE | O_PATH,
    });
    return typeof fd === 'number' ? new MountFolder(fd, path) : undefined;
  }

  /** `fd` is its own from now on. `path` is used only where a descriptor has none. */
  constructor(fd: number, path: string) {
    const { uid, gid, mode, mtimeMs } = fstatSync(fd);
    this.fd = fd;
    this.path = process.platform === 'linux' ? pathOfDescriptor(fd) : path;
    this.uid = uid;
    this.gid = gid;
    this.mode = (mode & PERMISSIONS) === 0 ? keptMode(mtimeMs) : mode & MODE_BITS;
  }

  get isShut(): boolean {
    return (fstatSync(this.fd).mode & PERMISSIONS) === 0;
  }

  /** No process but root's reaches what is in it, or can put anything there. */
  shut(): Shutting {
    if (process.platform !== 'linux') return { kind: 'no-need' };
    try {
      // First: a folder that is shut says what it was.
      utimesSync(this.path, this.mode, this.mode);
      chmodSync(this.path, 0);
      return { kind: 'shut' };
    } catch (error) {
      const reason = codeOf(error) ?? String(error);
      return reason === 'EROFS' ? { kind: 'no-need' } : { kind: 'refused', reason };
    }
  }

  /** For what is to be moved out of one that is shut, until `shut`. */
  openForOwner(): void {
    if (this.isShut) chmodSync(this.path, OWNER_ONLY);
  }

  /** Gives it its mode back. Does nothing where it is not shut: another process has changed it since. Throws system errors. */
  giveBack(): void {
    if (process.platform !== 'linux' || !this.isShut) return;
    const now = new Date();
    chmodSync(this.path, this.mode);
    utimesSync(this.path, now, now);
  }

  /** Carries out `look`, for which its owner may read what is in it. */
  listed<T>(look: () => T): T {
    return this.#withMode(LISTED_MODE, look);
  }

  /** Carries out `mount`, for which its owner may write: fusermount asks that of the user for whom it mounts. */
  writable<T>(mount: () => T): T {
    return this.#withMode(OWNER_ONLY, mount);
  }

  release(): void {
    closeSync(this.fd);
  }

  #withMode<T>(mode: number, act: () => T): T {
    if (!this.isShut) return act();
    try {
      chmodSync(this.path, mode);
    } catch {
      // Not its owner: root may do what the mode forbids.
    }
    try {
      return act();
    } finally {
      this.shut();
    }
  }
}

function keptMode(mtimeMs: number): number {
  const seconds = mtimeMs / 1000;
  const isKept = Number.isInteger(seconds) && seconds > 0 && seconds <= MODE_BITS;
  return isKept && (seconds & PERMISSIONS) !== 0 ? seconds : MODE_UNKNOWN;
}
