/** The filesystem core behind the drivers' interface: finds the nodes, and hands on to what knows the operation. */
import { Errno } from '../../lib/errno.ts';
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
import type { DirectoryNode, Node } from '../model/node.ts';
import type { Core } from '../state/core.ts';
import { fillAttributes, fillEntry } from './attributes.ts';
import { addControlFile } from './control-files.ts';
import { makeDirectory, removeDirectory } from './directories.ts';
import {
  commitPlain,
  copyOut,
  isRepeated,
  readFile,
  record,
  truncateFile,
  writeFile,
} from './file-content.ts';
import { list } from './listing.ts';
import { findChild, lookup, makeFile, makeSymlink, refuseName, unlink } from './namespace.ts';
import { commitPlainFiles, dirtyFiles, postponeIdle, settleAll, settleIdle } from './pending.ts';
import { ClosedSegments } from './released-segments.ts';
import { rename } from './rename.ts';
import { setAttributes } from './setattr.ts';

const SYMLINK_BYTES_MAX = 4095;

export class FileSystem implements FileSystemOperations {
  readonly #core: Core;
  readonly #diskStatistics: (out: FilesystemStatistics) => void;
  readonly #segments: ClosedSegments;

  /** `closed`: the last segment that was there before this process. */
  constructor(core: Core, closed: number, diskStatistics: (out: FilesystemStatistics) => void) {
    this.#core = core;
    this.#segments = new ClosedSegments(core, closed);
    this.#diskStatistics = diskStatistics;
  }

  get files(): number {
    return this.#core.tree.files;
  }

  get sessions(): number {
    return this.#core.tree.sessions;
  }

  /** How often an application started over (see registrations.ts) since this process began. */
  get freshRegistrations(): number {
    return this.#core.registrations.count;
  }

  /** Files that changed and are not in the cache yet, working copies included. Walks the whole tree. */
  dirtyFiles(): number {
    return dirtyFiles(this.#core).length;
  }

  /** There are working copies that time will settle: `settleIdle` wants to be called. */
  get hasPending(): boolean {
    return this.#core.pending.size > 0;
  }

  addControlFile(name: string, render: () => string): void {
    addControlFile(this.#core, name, { by: 'render', render });
  }

  /** Commits or gives up what has rested long enough. `heldUp`: callers wait for what they did to be stored. */
  settleIdle(heldUp = false): void {
    if (heldUp) postponeIdle(this.#core);
    settleIdle(this.#core);
  }

  /** What is still being written, where it need not be complete, becomes a version as it is. */
  commitPlainFiles(): void {
    commitPlainFiles(this.#core);
  }

  /** Before unmounting: commits what can be, gives up what is incomplete. Answers the paths that could not be written. */
  settleAll(): string[] {
    return settleAll(this.#core);
  }

  /** See closed-segments.ts. */
  rollJournal(): void {
    this.#segments.roll();
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

  interrupted(_unique: number): void {}

  holdAttributes(_node: number): void {}

  releaseAttributes(_node: number): void {}

  takeUnstored(): Unstored | undefined {
    return undefined;
  }

  /** While suspended every change fails with ENOSPC and is not tried: what room there is belongs to a checkpoint. */
  suspend(suspended: boolean): void {
    this.#core.records.suspended = suspended;
  }

  lookup(parent: number, name: string, out: Entry): Status {
    const directory = this.#directory(parent);
    if (typeof directory === 'number') return directory;
    const status = lookup(this.#core, directory, name, out);
    if (status === 0) this.#recordNumbers();
    return status;
  }

  forget(node: number, count: number): void {
    const forgotten = this.#core.tree.forget(node, count);
    if (forgotten?.kind === 'file' && forgotten.parent === undefined) {
      forgotten.orphan = undefined;
      this.#core.contents.forget(forgotten);
    }
  }

  getattr(id: number, out: Attributes): Status {
    const node = this.#node(id);
    if (node === undefined) return Errno.ESTALE;
    fillAttributes(this.#core, node, out);
    return 0;
  }

  setattr(id: number, change: AttributeChange, out: Attributes): Status {
    const node = this.#node(id);
    if (node === undefined) return Errno.ESTALE;
    if (node.kind === 'control' || node === this.#core.control) return Errno.EPERM;
    return setAttributes(this.#core, node, change, out);
  }

  readlink(id: number): string | Exclude<Status, 0> {
    const node = this.#node(id);
    if (node === undefined) return Errno.ESTALE;
    if (node.kind !== 'file' || !node.isSymlink) return Errno.EINVAL;
    const content = this.#core.contents.read(node, this.#core.tree.pathOf(node));
    return typeof content === 'number' ? content : content.toString('utf8');
  }

  mknod(parent: number, name: string, mode: number, caller: Caller, out: Entry): Status {
    return this.#make(parent, name, out, (directory) => makeFile(this.#core, directory, name, mode, caller));
  }

  mkdir(parent: number, name: string, mode: number, caller: Caller, out: Entry): Status {
    return this.#make(parent, name, out, (directory) => {
      const refused = refuseName(this.#core, directory, name);
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
    return isRepeated(this.#core) ? 0 : unlink(this.#core, directory, name);
  }

  rmdir(parent: number, name: string): Status {
    const directory = this.#directory(parent);
    if (typeof directory === 'number') return directory;
    if (isRepeated(this.#core)) return 0;
    const node = findChild(this.#core, directory, name);
    if (node === undefined || (node.kind === 'file' && node.hidden)) return Errno.ENOENT;
    if (node.kind !== 'directory') return Errno.ENOTDIR;
    return node === this.#core.control ? Errno.EPERM : removeDirectory(this.#core, node);
  }

  rename(parent: number, name: string, newParent: number, newName: string, flags: number): Status {
    const from = this.#directory(parent);
    if (typeof from === 'number') return from;
    const to = this.#directory(newParent);
    if (typeof to === 'number') return to;
    return rename(this.#core, { parent: from, name }, { parent: to, name: newName }, flags);
  }

  read(id: number, offset: number, size: number, out: Buffer, outOffset: number): number {
    const node = this.#node(id);
    if (node === undefined) return Errno.ESTALE;
    if (node.kind === 'directory') return Errno.EISDIR;
    if (node.kind === 'control') return copyOut(node.snapshot, offset, size, out, outOffset);
    return readFile(this.#core, node, offset, size, out, outOffset);
  }

  write(id: number, offset: number, data: Buffer, append: boolean): number {
    const node = this.#node(id);
    if (node === undefined) return Errno.ESTALE;
    if (node.kind !== 'file') return Errno.EPERM;
    return node.isSymlink ? Errno.EINVAL : writeFile(this.#core, node, offset, data, append);
  }

  fsync(id: number): Status {
    const node = this.#node(id);
    if (node === undefined) return Errno.ESTALE;
    return node.kind === 'file' ? commitPlain(this.#core, node) : 0;
  }

  fallocate(id: number, offset: number, length: number, keepSize: boolean): Status {
    const node = this.#node(id);
    if (node === undefined) return Errno.ESTALE;
    if (node.kind !== 'file' || node.isSymlink) return Errno.ENODEV;
    if (offset + length > this.#core.options.maxFileSize) return Errno.EFBIG;
    const size = node.orphan?.length ?? node.working?.length ?? node.size;
    return keepSize || offset + length <= size ? 0 : truncateFile(this.#core, node, offset + length);
  }

  readdir(id: number, offset: number, add: (entry: DirectoryEntry) => boolean): Status {
    const directory = this.#directory(id);
    if (typeof directory === 'number') return directory;
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

  /** A daemon that takes over is asked about nodes by number, of whose files it knows nothing but the name yet. */
  #node(id: number): Node | undefined {
    const { contents, tree } = this.#core;
    const node = tree.byId(id);
    if (node?.kind === 'file' && !node.loaded) contents.load(node, tree.pathOf(node));
    return node;
  }

  #directory(id: number): DirectoryNode | Errno {
    const node = this.#node(id);
    if (node === undefined) return Errno.ESTALE;
    return node.kind === 'directory' ? node : Errno.ENOTDIR;
  }

  #make(parent: number, name: string, out: Entry, make: (directory: DirectoryNode) => Node | Errno): Status {
    const directory = this.#directory(parent);
    if (typeof directory === 'number') return directory;
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
