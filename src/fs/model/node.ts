/**
 * What the tree is made of. A node's path is never stored: it follows from its parents, so a renamed directory
 * renames everything below it.
 */
import { S_IFLNK, S_IFMT, S_IFREG } from '../../lib/file-type.ts';
import type { Orphan } from './orphans.ts';
import type { SessionWriters } from './session-writers.ts';
import type { WorkingCopy, WorkingState, WorkStep } from './working-copy.ts';

export const PERMISSIONS = 0o7777;

/** The committed version of a file is nowhere: it was created and never complete. */
export const NOT_COMMITTED = -1;
/** The committed version is in the cache directory; a larger number is the journal segment that holds it. */
export const IN_CACHE = 0;

abstract class BaseNode {
  /** The number the kernel knows it by, and its st_ino; given at the first lookup, for good. */
  id = 0;
  /** How many lookups the kernel holds. The node may leave memory only at 0. */
  lookups = 0;
  /** undefined: the root, or unlinked. */
  parent: DirectoryNode | undefined = undefined;
  name = '';
  /** Type and permission bits. */
  mode: number;
  uid: number;
  gid: number;
  atimeSec = 0;
  atimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;

  constructor(mode: number, uid: number, gid: number) {
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
  }
}

export class DirectoryNode extends BaseNode {
  readonly kind = 'directory';
  #children: Map<string, Node> | undefined = undefined;
  /** Attaches the children, or throws and attaches none; undefined: they are known. */
  #read: ((directory: DirectoryNode) => void) | undefined = undefined;
  /** While the children are not known: how many files there are below; undefined: not counted. */
  unreadFiles: number | undefined = undefined;
  /** Of the children that are known. */
  subdirectories = 0;
  /** Grows with every name that comes or goes. */
  changes = 0;
  /** Children that are not published yet (see FileNode.hidden). */
  hiddenChildren = 0;
  /** A session whose content is (partly or wholly) still in the bucket: nothing in it is answered before it is restored. */
  absent = false;
  /** In the root, where there is a bucket: it was empty when this daemon began, and is since. As long as it is unread: perhaps. */
  isUnused = false;
  /** A session: grows with its uses, so that the least recently used can be told. */
  usedAt = 0;
  /** In the root: when a call last needed what is in it, on the monotonic clock. */
  usedMs = 0;
  /** When a file in it got a new version, on the monotonic clock. */
  committedMs = Number.NEGATIVE_INFINITY;
  /** A session: who wrote its files. */
  writers: SessionWriters | undefined = undefined;
  /** The children as the last READDIR found them, in the order of listings, and where it stopped. */
  listing: { children: Node[]; changes: number; offset: number; next: number } | undefined = undefined;

  /** Reads them first, where they are not known. Throws system errors then. */
  get children(): Map<string, Node> {
    this.read();
    this.#children ??= new Map();
    return this.#children;
  }

  /** The children are in memory. */
  get isRead(): boolean {
    return this.#read === undefined;
  }

  /** The children are what `read` finds, when they are needed. */
  leaveUnread(read: (directory: DirectoryNode) => void): void {
    this.#children = undefined;
    this.#read = read;
  }

  /** There are no children, whatever `leaveUnread` was told. */
  assumeEmpty(): void {
    this.#read = undefined;
  }

  /** Throws system errors. */
  read(): void {
    const read = this.#read;
    if (read === undefined) return;
    this.#read = undefined;
    try {
      read(this);
    } catch (error) {
      this.#read = read;
      throw error;
    }
  }
}

/** In cloud mode: what the kernel was told last of what its pages depend on. */
export interface Told {
  size: number;
  mtimeSec: number;
  mtimeNsec: number;
  /** Writes that are not answered yet: until they are, this is told again. */
  holds: number;
}

export class FileNode extends BaseNode {
  readonly kind = 'file';
  told: Told | undefined = undefined;
  /** Bytes of the committed version. */
  size = 0;
  segment: number = NOT_COMMITTED;
  /** Where in the segment the sealed bytes begin, and how many they are. */
  position = 0;
  sealedLength = 0;
  /** False until the sealed header was read: mode, owner, times and size are not known before. */
  loaded = true;
  /** What writers see, while it differs from the committed version. */
  working: WorkingCopy | undefined = undefined;
  /** What an earlier daemon began, while the version that it changes cannot be read: no call may go on without it. */
  unbuilt: readonly WorkStep[] | undefined = undefined;
  /** Why the committed version does not open. Its reads fail with EIO until it is replaced. */
  unreadable: string | undefined = undefined;
  /** The disk's error at the last try to read it; the next read tries again. */
  readError: string | undefined = undefined;
  /** Changes that readers were not to see, since the last commit. */
  heldWrites = 0;
  /** The content of an unlinked file that may still be open. */
  orphan: Orphan | undefined = undefined;
  /** The kernel may hold pages of it that are up to date: it read some, or wrote whole ones. */
  mayHavePages = false;
  /** Its incomplete content was given up: later writes through an old descriptor must not pretend to succeed. */
  dropped = false;

  /** All is known of it that a call needs; else `Contents.load` has to find it out. */
  get isReady(): boolean {
    return this.loaded && this.unbuilt === undefined;
  }

  /** Something was written to it that is not committed. */
  get hasUncommitted(): boolean {
    return this.working !== undefined || this.unbuilt !== undefined;
  }

  get state(): WorkingState {
    if (this.working === undefined) return 'none';
    if (!this.working.isHeldBack) return 'plain';
    return this.segment === NOT_COMMITTED ? 'begun' : 'held';
  }

  /** Begun: not published, lookup and readdir do not know it. */
  get hidden(): boolean {
    return this.state === 'begun';
  }

  get isSymlink(): boolean {
    return (this.mode & S_IFMT) === S_IFLNK;
  }
}

/** A file under `.sessionfs` whose content is made when it is read. */
export class ControlFileNode extends BaseNode {
  readonly kind = 'control';
  readonly source: ControlSource;
  snapshot: Buffer = Buffer.alloc(0);
  renderedMs = Number.NEGATIVE_INFINITY;

  constructor(source: ControlSource, uid: number, gid: number) {
    super(S_IFREG | (source.by === 'orders' ? 0o600 : 0o400), uid, gid);
    this.source = source;
  }
}

/** Where a control file's content comes from: this thread, the main thread, or no one: what is written to it is an order. */
export type ControlSource =
  | { by: 'render'; render: () => string }
  | { by: 'question'; question: 'status' | 'metrics'; argument: () => string }
  | { by: 'orders'; question: 'flush' };

/** A FIFO or a socket: kept by the journal while the mount lives, and never stored. */
export class SpecialNode extends BaseNode {
  readonly kind = 'special';
}

export type Node = DirectoryNode | FileNode | ControlFileNode | SpecialNode;
