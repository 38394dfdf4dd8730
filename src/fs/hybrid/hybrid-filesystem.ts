/**
 * The filesystem core with a bucket behind it: what needs something that is not restored yet is answered PARKED, before
 * anything has changed. A request that an earlier server carried out only waits to be answered: it never parks.
 */

import { Errno } from '../../lib/errno.ts';
import {
  type AttributeChange,
  type Attributes,
  type Caller,
  type DirectoryEntry,
  type Entry,
  type FilesystemStatistics,
  PARKED,
  type Status,
  type Unstored,
} from '../contract.ts';
import type { ControlFileNode, DirectoryNode, Node } from '../model/node.ts';
import { sessionOf } from '../model/tree.ts';
import { fillAttributes } from '../operations/attributes.ts';
import { isRepeated } from '../operations/file-content.ts';
import { FileSystem } from '../operations/filesystem.ts';
import { findChild } from '../operations/namespace.ts';
import { dirtyFiles } from '../operations/pending.ts';
import type { Core } from '../state/core.ts';
import type { Remote } from '../state/remote.ts';
import { forgetInKernel, learnNames, markAbsent } from './absent.ts';
import { ControlQuestions } from './control-questions.ts';
import { evictLeastUsed } from './evict.ts';
import { restore } from './restore.ts';

/** Not at all, until somebody has what is missing, or no longer. */
type Waits = 0 | typeof PARKED | typeof Errno.EBUSY;

export class HybridFileSystem extends FileSystem {
  readonly #core: Core;
  readonly #remote: Remote;
  readonly #questions: ControlQuestions;
  #uses = 0;
  #refused: string | undefined;

  constructor(
    core: Core,
    remote: Remote,
    closed: number,
    diskStatistics: (out: FilesystemStatistics) => void,
  ) {
    super(core, closed, diskStatistics);
    this.#core = core;
    this.#remote = remote;
    this.#questions = new ControlQuestions(core, remote, () =>
      dirtyFiles(core).map((node) => core.tree.pathOf(node)),
    );
  }

  /** `argument`: what this thread knows of its state, in JSON. */
  addControlFiles(argument: () => string): void {
    this.#questions.addFiles(argument);
  }

  /** These sessions are (partly or wholly) in the bucket only. After this and the next three: retry what is parked. */
  markAbsent(sessions: readonly string[]): void {
    markAbsent(this.#core, sessions);
    forgetInKernel(this.#core, sessions);
  }

  /** Every name in the root that the bucket has is in the tree now. */
  learnNames(): void {
    learnNames(this.#core);
  }

  /** See restore.ts. */
  restore(
    session: string,
    files: readonly string[],
    directories: readonly string[],
    unchanged = false,
  ): void {
    restore(this.#core, session, files, directories, unchanged);
  }

  /** Whoever waits for this session now gets EBUSY. `retry` carries all parked requests out again. */
  refuse(session: string, retry: () => void): void {
    this.#refused = session;
    this.#remote.giveUp(session);
    retry();
    this.#refused = undefined;
  }

  /** Nobody else has made a session of this name, or (`exists`) somebody has. After this: retry what is parked. */
  learnName(name: string, exists: boolean): void {
    this.#remote.told(name, this.#core.clock.monotonicMs());
    if (exists) markAbsent(this.#core, [name]);
  }

  /** See evict.ts. */
  evictLeastUsed(except: readonly string[]): string | undefined {
    return evictLeastUsed(this.#core, new Set(except));
  }

  /** To a RemoteHost.ask; undefined: it failed. */
  answer(id: number, text: string | undefined): void {
    this.#questions.answer(id, text);
  }

  override rollJournal(): void {
    super.rollJournal();
    this.#remote.rolled();
  }

  override interrupted(unique: number): void {
    this.#questions.interrupted(unique);
    this.#remote.interrupted(unique);
  }

  override holdAttributes(id: number): void {
    const node = this.#core.tree.byId(id);
    if (node?.kind === 'file' && node.told !== undefined) node.told.holds++;
  }

  override releaseAttributes(id: number): void {
    const node = this.#core.tree.byId(id);
    if (node?.kind === 'file' && node.told !== undefined && node.told.holds > 0) node.told.holds--;
  }

  override takeUnstored(): Unstored | undefined {
    const unstored = this.#remote.takeUnstored();
    const isKnown = !this.#remote.writeThrough || !isRepeated(this.#core);
    return isKnown ? unstored : { sessions: 'all', credentials: true };
  }

  override lookup(parent: number, name: string, out: Entry): Status {
    const directory = this.#directoryOf(parent);
    if (directory === undefined) return super.lookup(parent, name, out);
    return (
      this.#waitsIn(directory) ||
      this.#waitsForName(directory, name) ||
      this.#refresh(findChild(this.#core, directory, name)) ||
      super.lookup(parent, name, out)
    );
  }

  override getattr(id: number, out: Attributes): Status {
    return this.#waitsInside(id) || this.#refresh(this.#core.tree.byId(id)) || super.getattr(id, out);
  }

  override setattr(id: number, change: AttributeChange, out: Attributes): Status {
    const node = this.#core.tree.byId(id);
    if (isOrders(node) && changesOnlyContent(change)) {
      fillAttributes(this.#core, node, out);
      return 0;
    }
    return this.#waitsFor(node) || super.setattr(id, change, out);
  }

  override readlink(id: number): string | Exclude<Status, 0> {
    return this.#waitsInside(id) || super.readlink(id);
  }

  override mknod(parent: number, name: string, mode: number, caller: Caller, out: Entry): Status {
    return this.#waitsToChange(parent, name) || super.mknod(parent, name, mode, caller, out);
  }

  override mkdir(parent: number, name: string, mode: number, caller: Caller, out: Entry): Status {
    return this.#waitsToChange(parent, name) || super.mkdir(parent, name, mode, caller, out);
  }

  override symlink(parent: number, name: string, target: string, caller: Caller, out: Entry): Status {
    return this.#waitsToChange(parent, name) || super.symlink(parent, name, target, caller, out);
  }

  override unlink(parent: number, name: string): Status {
    return this.#waitsToChange(parent, name) || super.unlink(parent, name);
  }

  override rmdir(parent: number, name: string): Status {
    return this.#waitsToMove(parent, name) || super.rmdir(parent, name);
  }

  override rename(parent: number, name: string, newParent: number, newName: string, flags: number): Status {
    return (
      this.#waitsToMove(parent, name) ||
      this.#waitsToMove(newParent, newName) ||
      super.rename(parent, name, newParent, newName, flags)
    );
  }

  override read(id: number, offset: number, size: number, out: Buffer, outOffset: number): number {
    return (
      this.#waitsInside(id) ||
      this.#refresh(this.#core.tree.byId(id)) ||
      super.read(id, offset, size, out, outOffset)
    );
  }

  override write(id: number, offset: number, data: Buffer, append: boolean): number {
    if (isOrders(this.#core.tree.byId(id))) return this.#questions.order(data);
    const waits = isRepeated(this.#core) ? 0 : this.#waitsInside(id);
    return waits || super.write(id, offset, data, append);
  }

  override fsync(id: number): Status {
    const status = this.#waitsInside(id) || super.fsync(id);
    if (status === 0) this.#awaitStored(id);
    return status;
  }

  override fallocate(id: number, offset: number, length: number, keepSize: boolean): Status {
    return this.#waitsInside(id) || super.fallocate(id, offset, length, keepSize);
  }

  override readdir(id: number, offset: number, add: (entry: DirectoryEntry) => boolean): Status {
    const directory = this.#directoryOf(id);
    const { namesKnown, rootListable } = this.#remote;
    if (directory === this.#core.tree.root && !namesKnown && !rootListable) return PARKED;
    return this.#waitsIn(directory) || super.readdir(id, offset, add);
  }

  #directoryOf(id: number): DirectoryNode | undefined {
    const node = this.#core.tree.byId(id);
    return node?.kind === 'directory' ? node : undefined;
  }

  /** It is an absent session, or lies in one. */
  #waitsIn(node: Node | undefined): Waits {
    const session = node === undefined ? undefined : sessionOf(this.#core.tree, node);
    if (session === undefined) return 0;
    session.usedAt = ++this.#uses;
    if (!session.absent) return 0;
    if (session.name === this.#refused) return Errno.EBUSY;
    this.#remote.want(session.name, this.#core.request);
    return PARKED;
  }

  /** It lies in an absent session; the session itself is there. */
  #waitsInside(id: number): Waits {
    const node = this.#core.tree.byId(id);
    return node === undefined || node.parent === this.#core.tree.root ? 0 : this.#waitsIn(node);
  }

  #waitsFor(node: Node | undefined): Waits {
    return isRepeated(this.#core) ? 0 : this.#waitsIn(node);
  }

  /** The bucket may have that name in the root, and it has not been told yet, or another mount may just have made it. */
  #waitsForName(directory: DirectoryNode, name: string): Waits {
    const { remote, tree, clock } = this.#core;
    if (directory !== tree.root || findChild(this.#core, directory, name) !== undefined) return 0;
    if (!this.#remote.namesKnown) return PARKED;
    return remote?.mustAskFor(name, clock.monotonicMs()) ? PARKED : 0;
  }

  #waitsToChange(parent: number, name: string): Waits {
    const directory = this.#directoryOf(parent);
    if (directory === undefined || isRepeated(this.#core)) return 0;
    return this.#waitsIn(directory) || this.#waitsForName(directory, name);
  }

  /** Also for what the name stands for, which is to go or to be replaced. */
  #waitsToMove(parent: number, name: string): Waits {
    if (isRepeated(this.#core)) return 0;
    return this.#waitsToChange(parent, name) || this.#waitsIn(this.#directoryOf(parent)?.children.get(name));
  }

  #awaitStored(id: number): void {
    const node = this.#core.tree.byId(id);
    if (node === undefined || node.kind === 'control' || node.parent === undefined) return;
    this.#remote.awaitStored(this.#core.tree.pathOf(node), node.kind);
  }

  #refresh(node: Node | undefined): Status {
    return node?.kind === 'control' ? this.#questions.refresh(node) : 0;
  }
}

function isOrders(node: Node | undefined): node is ControlFileNode {
  return node?.kind === 'control' && node.source.by === 'orders';
}

/** As open(2) with O_TRUNC, or touch(1). */
function changesOnlyContent({ mode, uid, gid }: AttributeChange): boolean {
  return mode === undefined && uid === undefined && gid === undefined;
}
