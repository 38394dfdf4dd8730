/** The filesystem core behind the drivers' interface: finds the nodes, and hands on to what knows the operation. */
import { Errno } from '../../lib/errno.ts';
import { isSpecialType, S_IFMT, S_IFREG } from '../../lib/file-type.ts';
import { codeOf } from '../../lib/system-error.ts';
import type {
  AttributeChange,
  Attributes,
  Caller,
  DirectoryEntry,
  Entry,
  FileSystemOperations,
  FilesystemStatistics,
  Status,
  Unstored,
} from '../contract.ts';
import type { ControlFileNode, DirectoryNode, Node } from '../model/node.ts';
import { type Core, findChild, isRepeated } from '../state/core.ts';
import type { IncompleteJson } from '../state/incomplete.ts';
import type { LostCredentials } from '../state/kept-registrations.ts';
import { Presence } from '../state/presence.ts';
import type { SharedSession } from '../state/shared-sessions.ts';
import { fillAttributes, fillEntry } from './attributes.ts';
import { commitAtSync, record } from './commit.ts';
import { addControlFile } from './control-files.ts';
import type { ControlQuestions } from './control-questions.ts';
import { copyDatabases, type DatabasesCut } from './database-cuts.ts';
import { makeDirectory, removeDirectory } from './directories.ts';
import { copyOut, readFile, truncateFile, writeFile, writePages } from './file-content.ts';
import type { IdleSessions } from './idle-sessions.ts';
import { list } from './listing.ts';
import { lookup, makeFile, makeSpecial, makeSymlink, refuseName, unlink } from './namespace.ts';
import {
  commitPlainFiles,
  dirtyFiles,
  forgetSpecials,
  type HeldBackFile,
  heldBackFiles,
  postponeIdle,
  settleAll,
  settleIdle,
} from './pending.ts';
import { ReleasedSegments } from './released-segments.ts';
import { rename } from './rename.ts';
import { setAttributes } from './setattr.ts';

const SYMLINK_BYTES_MAX = 4095;

interface FileSystemParts {
  /** The last segment that was there before this process. */
  closed: number;
  diskStatistics: (out: FilesystemStatistics) => void;
  questions: ControlQuestions | undefined;
  unread: UnreadDirectories;
  idle: IdleSessions;
}

/** See SessionReader. */
interface UnreadDirectories {
  readonly files: number;
  readonly uncounted: number;
  count(limit: number): void;
}

/** Counting so many takes a few milliseconds. */
const COUNTED_AT_ONCE = 5_000;

export class FileSystem implements FileSystemOperations {
  readonly #core: Core;
  readonly #diskStatistics: (out: FilesystemStatistics) => void;
  readonly #segments: ReleasedSegments;
  readonly #presence: Presence;
  /** undefined: local mode, where this thread knows all that control files say. */
  readonly #questions: ControlQuestions | undefined;
  readonly #unread: UnreadDirectories;
  readonly #idle: IdleSessions;
  /** Why they could not be read, as it was logged. */
  readonly #unreadable = new WeakMap<DirectoryNode, string>();

  constructor(core: Core, { closed, diskStatistics, questions, unread, idle }: FileSystemParts) {
    this.#core = core;
    this.#segments = new ReleasedSegments(core, closed);
    this.#presence = new Presence(core);
    this.#questions = questions;
    this.#unread = unread;
    this.#idle = idle;
    this.#diskStatistics = diskStatistics;
  }

  /** Those of `uncounted` left aside. */
  get files(): number {
    return this.#core.tree.files + this.#unread.files;
  }

  /** Sessions that no call has needed yet, and of which the files are not counted yet. */
  get uncounted(): number {
    return this.#unread.uncounted;
  }

  countFiles(limit: number): void {
    this.#unread.count(limit);
  }

  get sessions(): number {
    return this.#core.tree.sessions;
  }

  /** How often an application started over (see registrations.ts) since this process began. */
  get freshRegistrations(): number {
    return this.#core.kept.count;
  }

  /** See KeptRegistrations. */
  get startedOver(): LostCredentials[] {
    return this.#core.kept.startedOver;
  }

  /** See Registrations. */
  get lostCredentials(): LostCredentials[] {
    return [...this.#core.registrations.lost, ...this.#core.databases.lost];
  }

  /** Files that changed and are not in the cache yet, working copies included. */
  dirtyFiles(): number {
    return dirtyFiles(this.#core).length;
  }

  get heldBack(): HeldBackFile[] {
    return heldBackFiles(this.#core);
  }

  /** See IncompleteJson. */
  get incomplete(): IncompleteJson['recent'] {
    return this.#core.incomplete.recent;
  }

  /** Sessions that two living processes write in turns. */
  get sharedSessions(): SharedSession[] {
    return this.#core.shared.present;
  }

  /** There is something that time will settle: working copies, what memory has no room for, files to be counted. `settleIdle` wants to be called. */
  get hasPending(): boolean {
    const { pending, orphans, registrations, databases, contents } = this.#core;
    if (pending.size > 0 || orphans.hasPending || registrations.hasPending || databases.hasPending)
      return true;
    if (contents.hasPending) return true;
    return this.uncounted > 0 || this.#idle.isDue;
  }

  addControlFile(name: string, render: () => string): void {
    addControlFile(this.#core, name, { by: 'render', render });
  }

  /** Commits or gives up what has rested long enough. `heldUp`: callers wait for what they did to be stored. */
  settleIdle(heldUp = false): void {
    if (heldUp) postponeIdle(this.#core);
    settleIdle(this.#core);
    this.#core.orphans.settle();
    this.#core.registrations.settle();
    this.#core.databases.settle();
    this.#core.contents.settle();
    this.countFiles(COUNTED_AT_ONCE);
    this.#idle.settle();
  }

  /** See OrphanStore: no room that a checkpoint makes helps then. */
  takeUnlinkedLimitReached(): boolean {
    return this.#core.orphans.takeLimitReached();
  }

  /** Files that are still being written and need not be complete become versions as they are. */
  commitPlainFiles(): void {
    commitPlainFiles(this.#core);
  }

  /** See database-cuts.ts. */
  copyDatabases(paths: readonly string[]): DatabasesCut {
    return copyDatabases(this.#core, paths);
  }

  /** Before unmounting: commits what can be, gives up what is incomplete. Returns the paths that could not be written. */
  settleAll(): string[] {
    return settleAll(this.#core);
  }

  /** See pending.ts. Call it once the mount is gone. */
  forgetSpecials(): void {
    forgetSpecials(this.#core);
  }

  /** See released-segments.ts. */
  rollJournal(): void {
    this.#segments.roll();
    this.#core.journaled.prune();
    this.#core.records.forgetChanges(this.#core.contents.retired);
    this.#core.remote?.rolled();
  }

  takeClosedSegment(): number | undefined {
    return this.#segments.take();
  }

  get closedSegment(): number {
    return this.#segments.last;
  }

  begin(unique: number): void {
    this.#core.request = unique;
  }

  wasCarriedOut(unique: number): boolean {
    return unique !== 0 && this.#core.executedBefore.has(unique);
  }

  interrupted(unique: number): void {
    this.#questions?.interrupted(unique);
    this.#core.remote?.interrupted(unique);
  }

  holdAttributes(id: number): void {
    const node = this.#core.tree.byId(id);
    if (node?.kind === 'file' && node.told !== undefined) node.told.holds++;
  }

  releaseAttributes(id: number): void {
    const node = this.#core.tree.byId(id);
    if (node?.kind === 'file' && node.told !== undefined && node.told.holds > 0) node.told.holds--;
  }

  takeUnstored(): Unstored | undefined {
    const { remote } = this.#core;
    const unstored = remote?.takeUnstored();
    // What an earlier server changed for it is known to that server only.
    const isKnown = !remote?.writeThrough || !isRepeated(this.#core);
    return isKnown ? unstored : { sessions: 'all', credentials: true };
  }

  /** A request was answered: does what the next one would wait for. */
  prepare(): void {
    this.#core.records.prepare();
  }

  /** While suspended every change fails with ENOSPC and is not tried: what room there is belongs to a checkpoint. */
  suspend(suspended: boolean): void {
    this.#core.records.suspended = suspended;
  }

  /** There is as much room as can be made: what fails in `work` for want of it is refused. */
  lastTry(work: () => void): void {
    this.#core.isLastTry = true;
    try {
      work();
    } finally {
      this.#core.isLastTry = false;
    }
  }

  lookup(parent: number, name: string, out: Entry): Status {
    const directory = this.#directory(parent);
    if (typeof directory === 'number') return directory;
    const waits =
      this.#presence.toLookUp(directory, name) || this.#refresh(findChild(this.#core, directory, name));
    if (waits !== 0) return waits;
    const status = lookup(this.#core, directory, name, out);
    if (status === 0) this.#recordNumbers();
    return status;
  }

  forget(node: number, count: number): void {
    const forgotten = this.#core.tree.forget(node, count);
    if (forgotten?.kind === 'file' && forgotten.parent === undefined) {
      forgotten.orphan?.free();
      forgotten.orphan = undefined;
      this.#core.contents.forget(forgotten);
    }
  }

  getattr(id: number, out: Attributes): Status {
    const node = this.#present(id);
    if (typeof node === 'number') return node;
    const waits = this.#refresh(node);
    if (waits !== 0) return waits;
    fillAttributes(this.#core, node, out);
    return 0;
  }

  setattr(id: number, change: AttributeChange, out: Attributes): Status {
    const node = this.#core.tree.byId(id);
    if (node === undefined) return this.#presence.ofUnknown(id);
    if (takesOrders(node) && changesOnlyContent(change)) {
      fillAttributes(this.#core, node, out);
      return 0;
    }
    const waits = this.#presence.toChange(node);
    if (waits !== 0) return waits;
    this.#used(node);
    if (node.kind === 'control' || node === this.#core.control) return Errno.EPERM;
    if (!this.#load(node)) return Errno.EIO;
    return setAttributes(this.#core, node, change, out);
  }

  readlink(id: number): string | Exclude<Status, 0> {
    const node = this.#present(id);
    if (typeof node === 'number') return node;
    if (node.kind !== 'file' || !node.isSymlink) return Errno.EINVAL;
    const content = this.#core.contents.read(node, this.#core.tree.pathOf(node));
    return typeof content === 'number' ? content : content.toString('utf8');
  }

  mknod(parent: number, name: string, mode: number, caller: Caller, out: Entry): Status {
    const type = mode & S_IFMT;
    const isSpecial = isSpecialType(type);
    if (type !== S_IFREG && type !== 0 && !isSpecial) return Errno.EPERM;
    const make = isSpecial ? makeSpecial : makeFile;
    return this.#make(parent, name, out, (directory) => make(this.#core, directory, name, mode, caller));
  }

  mkdir(parent: number, name: string, mode: number, caller: Caller, out: Entry): Status {
    return this.#make(parent, name, out, (directory) => {
      const refused = refuseName(this.#core, directory, name, 'directory');
      if (refused !== 0) return refused;
      if (findChild(this.#core, directory, name) !== undefined) return Errno.EEXIST;
      return makeDirectory(this.#core, directory, name, mode, caller);
    });
  }

  symlink(parent: number, name: string, target: string, caller: Caller, out: Entry): Status {
    if (Buffer.byteLength(target) > SYMLINK_BYTES_MAX) return Errno.ENAMETOOLONG;
    return this.#make(parent, name, out, (directory) =>
      makeSymlink(this.#core, directory, name, target, caller),
    );
  }

  unlink(parent: number, name: string): Status {
    const directory = this.#directory(parent);
    if (typeof directory === 'number') return directory;
    const waits = this.#presence.toChangeName(directory, name);
    if (waits !== 0) return waits;
    return isRepeated(this.#core) ? 0 : unlink(this.#core, directory, name);
  }

  rmdir(parent: number, name: string): Status {
    const directory = this.#directory(parent);
    if (typeof directory === 'number') return directory;
    const waits = this.#presence.toMove(directory, name);
    if (waits !== 0) return waits;
    if (isRepeated(this.#core)) return 0;
    const node = findChild(this.#core, directory, name);
    if (node === undefined || (node.kind === 'file' && node.hidden)) return Errno.ENOENT;
    if (node.kind !== 'directory') return Errno.ENOTDIR;
    node.usedMs = this.#core.clock.monotonicMs();
    if (node === this.#core.control) return Errno.EPERM;
    return this.#isRead(node) ? removeDirectory(this.#core, node) : Errno.EIO;
  }

  rename(parent: number, name: string, newParent: number, newName: string, flags: number): Status {
    const from = this.#directory(parent);
    if (typeof from === 'number') return from;
    const to = this.#directory(newParent);
    if (typeof to === 'number') return to;
    const waits = this.#presence.toMove(from, name) || this.#presence.toMove(to, newName);
    if (waits !== 0) return waits;
    const places = [findChild(this.#core, from, name), findChild(this.#core, to, newName)];
    const areRead = places.every((node) => node?.kind !== 'directory' || this.#isRead(node));
    if (!areRead && !isRepeated(this.#core)) return Errno.EIO;
    return rename(this.#core, { parent: from, name }, { parent: to, name: newName }, flags);
  }

  read(id: number, offset: number, size: number, out: Buffer, outOffset: number): number {
    const node = this.#present(id);
    if (typeof node === 'number') return node;
    if (node.kind === 'directory') return Errno.EISDIR;
    if (node.kind === 'special') return Errno.EINVAL;
    if (node.kind === 'control')
      return this.#refresh(node) || copyOut(node.snapshot, offset, size, out, outOffset);
    return readFile(this.#core, node, offset, size, out, outOffset);
  }

  write(id: number, offset: number, data: Buffer, append: boolean, writer?: number | 'kernel'): number {
    const node = this.#core.tree.byId(id);
    // The number of a file that was made just before its daemon died may not be written down.
    if (node === undefined) return isRepeated(this.#core) ? data.length : this.#presence.ofUnknown(id);
    if (takesOrders(node)) return this.#questions?.order(data) ?? Errno.EPERM;
    const waits = this.#presence.toWrite(node);
    if (waits !== 0) return waits;
    this.#used(node);
    if (node.kind !== 'file') return Errno.EPERM;
    // Done again, an append would be there twice, and any write could fail although it has its effect.
    if (isRepeated(this.#core)) return data.length;
    if (!this.#load(node)) return Errno.EIO;
    if (node.isSymlink) return Errno.EINVAL;
    if (writer === 'kernel') return writePages(this.#core, node, offset, data);
    const written = writeFile(this.#core, node, offset, data, append);
    if (written > 0 && writer !== undefined) this.#core.shared.wrote(node, writer);
    return written;
  }

  fsync(id: number): Status {
    const node = this.#present(id);
    if (typeof node === 'number') return node;
    const status = node.kind === 'file' ? commitAtSync(this.#core, node) : 0;
    if (status === 0) this.#awaitStored(node);
    return status;
  }

  fallocate(id: number, offset: number, length: number, keepSize: boolean): Status {
    const node = this.#present(id);
    if (typeof node === 'number') return node;
    if (node.kind !== 'file' || node.isSymlink) return Errno.ENODEV;
    if (offset + length > this.#core.options.maxFileSize) return Errno.EFBIG;
    const size = node.orphan?.length ?? node.working?.length ?? node.size;
    return keepSize || offset + length <= size ? 0 : truncateFile(this.#core, node, offset + length);
  }

  readdir(id: number, offset: number, add: (entry: DirectoryEntry) => boolean): Status {
    const directory = this.#directory(id);
    if (typeof directory === 'number') return directory;
    const waits = this.#presence.toList(directory);
    if (waits !== 0) return waits;
    list(this.#core, directory, offset, add);
    this.#recordNumbers();
    return 0;
  }

  enter(handle: unknown, out: Entry): void {
    fillEntry(this.#core, handle as Node, out);
  }

  statfs(out: FilesystemStatistics): 0 {
    this.#core.woken();
    this.#diskStatistics(out);
    return 0;
  }

  /** A node together with what it stands for: PARKED until its session is restored. */
  #present(id: number): Node | Exclude<Status, 0> {
    const node = this.#core.tree.byId(id);
    if (node === undefined) return this.#presence.ofUnknown(id);
    const waits = this.#presence.inside(node);
    if (waits !== 0) return waits;
    this.#used(node);
    return this.#load(node) ? node : Errno.EIO;
  }

  /**
   * A daemon that takes over is asked for nodes by number, and knows nothing but the name of their files. False: the disk does
   * not tell now what else there is to know.
   */
  #load(node: Node): boolean {
    const { contents, tree } = this.#core;
    return node.kind !== 'file' || node.isReady || contents.load(node, tree.pathOf(node));
  }

  #directory(id: number): DirectoryNode | Exclude<Status, 0> {
    const node = this.#core.tree.byId(id);
    if (node === undefined) return this.#presence.ofUnknown(id);
    if (node.kind !== 'directory') return Errno.ENOTDIR;
    return node.absent || this.#isRead(node) ? node : Errno.EIO;
  }

  /** False: the disk does not give now what is in it. */
  #isRead(directory: DirectoryNode): boolean {
    return directory.isRead || this.#read(directory);
  }

  /** What is in use stays in memory. */
  #used({ parent }: Node): void {
    if (parent !== undefined) parent.usedMs = this.#core.clock.monotonicMs();
  }

  /** False: the disk does not tell now what is in it. The next call asks again. */
  #read(directory: DirectoryNode): boolean {
    try {
      directory.read();
      return true;
    } catch (error) {
      const { cause = error } = error as Error;
      const reason = codeOf(cause) ?? String(cause);
      if (this.#unreadable.get(directory) === reason) return false;
      this.#unreadable.set(directory, reason);
      const message =
        'a folder cannot be read from the cache; its callers get EIO, and the next one tries again; everything else goes on';
      this.#core.log({ level: 'error', message, fields: { folder: directory.name, reason } });
      return false;
    }
  }

  #refresh(node: Node | undefined): Status {
    return node?.kind === 'control' && this.#questions !== undefined ? this.#questions.refresh(node) : 0;
  }

  /** In cloud mode an fsync waits for what is there, changed or not. */
  #awaitStored(node: Node): void {
    const { remote, tree } = this.#core;
    if (remote === undefined || node.parent === undefined) return;
    if (node.kind === 'control' || node.kind === 'special') return;
    remote.awaitStored(tree.pathOf(node), node.kind);
  }

  #make(parent: number, name: string, out: Entry, make: (directory: DirectoryNode) => Node | Errno): Status {
    const directory = this.#directory(parent);
    if (typeof directory === 'number') return directory;
    const waits = this.#presence.toChangeName(directory, name);
    if (waits !== 0) return waits;
    const made = isRepeated(this.#core) ? directory.children.get(name) : undefined;
    const node = made ?? make(directory);
    if (typeof node === 'number') return node;
    fillEntry(this.#core, node, out);
    this.#recordNumbers();
    return 0;
  }

  /**
   * Before the kernel is told a new number, it is written down: a daemon that takes the connection over must mean the same
   * by it. On a full disk the numbers wait, and only a crash before there is room would make the kernel look them up again.
   */
  #recordNumbers(): void {
    const { tree, records } = this.#core;
    if (tree.unrecorded.length === 0) return;
    const failed = record(this.#core, () => {
      for (const node of tree.unrecorded)
        if (node.parent !== undefined) records.node(node, tree.pathOf(node));
    });
    if (failed === 0) tree.unrecorded.length = 0;
  }
}

/** A write to it is an order. */
function takesOrders(node: Node): node is ControlFileNode {
  return node.kind === 'control' && node.source.by === 'orders';
}

/** As open(2) with O_TRUNC, or touch(1). */
function changesOnlyContent({ mode, uid, gid }: AttributeChange): boolean {
  return mode === undefined && uid === undefined && gid === undefined;
}
