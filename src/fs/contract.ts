/**
 * What a driver may ask of the filesystem core. Every call is synchronous and returns 0 (or a count) on success and a
 * negative Errno on failure; nothing is thrown for what an application can cause. Nodes are named by the number that
 * `lookup` handed out; 1 is the root. Output objects are filled in place, so that a driver can reuse them.
 */
import type { Errno } from '../lib/errno.ts';

export const ROOT_NODE = 1;

/**
 * Any call may return this instead of a result: not now, call again. Nothing has changed yet, since the whole call will be
 * repeated. Outside the range of every errno and every count.
 */
export const PARKED = -100_000;

export type Status = 0 | Errno | typeof PARKED;

export interface Unstored {
  /** That changed ('': files in the root), or all of them: only an earlier server knew which. */
  readonly sessions: readonly string[] | 'all';
  /** It may be a session's creds.json. */
  readonly credentials: boolean;
}

export interface Caller {
  uid: number;
  gid: number;
  pid: number;
}

/** stat(2) as the kernel caches it. Times are seconds and nanoseconds since the epoch, size is in bytes. */
export interface Attributes {
  ino: number;
  size: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  atimeSec: number;
  atimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
  /** How long the kernel may answer from its own copy, in ms; 0: not at all. */
  attributesValidMs: number;
}

/** An object that results are filled into. */
export function emptyAttributes(): Attributes {
  return {
    ino: 0,
    size: 0,
    mode: 0,
    nlink: 0,
    uid: 0,
    gid: 0,
    atimeSec: 0,
    atimeNsec: 0,
    mtimeSec: 0,
    mtimeNsec: 0,
    ctimeSec: 0,
    ctimeNsec: 0,
    attributesValidMs: 0,
  };
}

/** The answer to a lookup: a node whose lookup count was raised by one, or (nodeId 0) a name known to be absent. */
export interface Entry extends Attributes {
  nodeId: number;
  /** How long the kernel may keep the name, in ms; 0: not at all. */
  entryValidMs: number;
}

export interface AttributeChange {
  size?: number;
  mode?: number;
  uid?: number;
  gid?: number;
  /** 'now' asks for the filesystem's clock. */
  atime?: 'now' | { sec: number; nsec: number };
  mtime?: 'now' | { sec: number; nsec: number };
}

export interface FilesystemStatistics {
  blockSize: number;
  blocks: number;
  blocksFree: number;
  blocksAvailable: number;
  files: number;
  filesFree: number;
  nameLengthMax: number;
}

/** An object that results are filled into. */
export function emptyStatistics(): FilesystemStatistics {
  return {
    blockSize: 0,
    blocks: 0,
    blocksFree: 0,
    blocksAvailable: 0,
    files: 0,
    filesFree: 0,
    nameLengthMax: 0,
  };
}

/** A child as readdir shows it. `handle` is opaque and good only during the call of `add`. */
export interface DirectoryEntry {
  name: string;
  ino: number;
  /** S_IFDIR, S_IFREG, S_IFLNK, S_IFIFO or S_IFSOCK. */
  type: number;
  /** Where the next READDIR goes on after this entry. */
  nextOffset: number;
  handle: unknown;
}

export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;

export interface FileSystemOperations {
  /**
   * The kernel's number of the request that the next calls carry out; 0: of none. A request that an earlier server of the
   * same connection has carried out, and could not answer, is not carried out again: the same calls then only return its
   * result.
   */
  begin(unique: number): void;
  /**
   * In cloud mode, after a call that succeeded: what must be in the bucket before the request is answered. Undefined: nothing,
   * answer at once. Forgets it.
   */
  takeUnstored(): Unstored | undefined;
  /**
   * A write to this file is carried out and not yet answered: the kernel keeps its pages locked, and a stat that brings other
   * attributes meanwhile would wait for them. So until the release the attributes are those that were told before.
   */
  holdAttributes(node: number): void;
  releaseAttributes(node: number): void;
  /** An earlier server carried this request out, and perhaps could not answer it. */
  wasCarriedOut(unique: number): boolean;
  /** This request was parked and will not be carried out: the caller no longer waits. */
  interrupted(unique: number): void;
  lookup(parent: number, name: string, out: Entry): Status;
  /** Takes `count` lookups back; at zero the number is free and an unlinked file's content is dropped. */
  forget(node: number, count: number): void;
  getattr(node: number, out: Attributes): Status;
  setattr(node: number, change: AttributeChange, out: Attributes): Status;
  readlink(node: number): string | Exclude<Status, 0>;
  /** A regular file, FIFO or socket, by the type in `mode`; another type gives EPERM, none a regular file. */
  mknod(parent: number, name: string, mode: number, caller: Caller, out: Entry): Status;
  mkdir(parent: number, name: string, mode: number, caller: Caller, out: Entry): Status;
  symlink(parent: number, name: string, target: string, caller: Caller, out: Entry): Status;
  unlink(parent: number, name: string): Status;
  rmdir(parent: number, name: string): Status;
  rename(parent: number, name: string, newParent: number, newName: string, flags: number): Status;
  /** Copies at most `size` bytes into `out` at `outOffset`; returns the number copied, less than asked only at the end of the file. */
  read(node: number, offset: number, size: number, out: Buffer, outOffset: number): number;
  /**
   * `data` may be overwritten after the call. With `append` the offset is the end of the file. `writer`: the caller's thread,
   * 0: it is of another PID namespace; 'kernel': what processes changed in mapped pages; without it nothing is known of the
   * caller. Returns data.length.
   */
  write(node: number, offset: number, data: Buffer, append: boolean, writer?: number | 'kernel'): number;
  /** Commits what is complete. Durable only once the journal is synced up to its present end: the driver waits for that. */
  fsync(node: number): Status;
  /** Reserves (or, without keepSize, extends to) offset + length bytes. */
  fallocate(node: number, offset: number, length: number, keepSize: boolean): Status;
  /** Calls `add` for each child behind `offset` (0: from the start) until it returns false. "." and ".." are the driver's. */
  readdir(node: number, offset: number, add: (entry: DirectoryEntry) => boolean): Status;
  /** READDIRPLUS: fills `out` for a child just handed to `add` and raises its lookup count. */
  enter(handle: unknown, out: Entry): void;
  statfs(out: FilesystemStatistics): Status;
}

/**
 * What the core asks of the kernel's caches, through a thread that may notify (never the one that serves requests: it would
 * deadlock, see native-notes/01-kernel-interface.md).
 */
export interface Invalidator {
  /** Drop cached pages of a node from `offset` on (length 0: to the end) and its attributes; offset -1: attributes only. */
  inode(node: number, offset: number, length: number): void;
  /** Drop a name from the kernel's directory cache. */
  entry(parent: number, name: string): void;
}
