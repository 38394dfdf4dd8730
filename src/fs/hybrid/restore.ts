/**
 * A session came from the bucket into the cache: the tree is made to match. What the journal still has of it counts more
 * than the cache, because the next checkpoint puts it there.
 */

import { S_IFREG } from '../../lib/file-type.ts';
import { DirectoryNode, FileNode, IN_CACHE, NOT_COMMITTED, type Node } from '../model/node.ts';
import { dropWorkingCopy, record } from '../operations/commit.ts';
import {
  DEFAULT_DIRECTORY_MODE,
  dropHiddenChildren,
  isEmpty,
  recordRemoval,
} from '../operations/directories.ts';
import { makeOrphan } from '../operations/orphan.ts';
import type { Core } from '../state/core.ts';
import { applyDirectoryMeta } from '../state/directory-meta.ts';
import { touch, touchAll } from '../state/times.ts';
import { forgetName } from './absent.ts';

/** What is known of a restored session. */
export interface Restored {
  /** It is what it was before it became absent: what the kernel keeps of it holds. */
  readonly unchanged?: boolean;
  /** Its files are those that the cache had when this mount started: what the journal has of writes to them goes on. */
  readonly confirmed?: boolean;
}

/**
 * The cache now holds exactly these files and directories (mount paths) below `session`, all durable. Session '': top-level
 * files, which are added to what is there. The caller carries the parked requests out again.
 */
export function restore(
  core: Core,
  session: string,
  files: readonly string[],
  directories: readonly string[],
  { unchanged = false, confirmed = false }: Restored = {},
): void {
  const kernelKnows = core.remote?.restored(session) ?? false;
  const view = unchanged ? new UnchangedView(core, kernelKnows) : new KernelView(core, kernelKnows);
  if (session === '') new Restoration(core, new KernelView(core, true)).addTopLevel(files);
  else new Restoration(core, view, confirmed).replace(session, files, directories);
}

/** What the kernel keeps of a session is told to it where the restore made it wrong. */
class KernelView {
  protected readonly core: Core;
  /** It may hold names as free that are taken now. */
  readonly #mayKeepNames: boolean;

  constructor(core: Core, mayKeepNames: boolean) {
    this.core = core;
    this.#mayKeepNames = mayKeepNames;
  }

  nameAppeared(parent: DirectoryNode, name: string): void {
    const { tree, remote, invalidator } = this.core;
    const mayKeep = this.#mayKeepNames || (parent === tree.root && remote?.namesKnown);
    if (mayKeep && parent.lookups > 0) invalidator.entry(parent.id, name);
  }

  contentChanged(node: FileNode): void {
    if (node.lookups > 0) this.core.invalidator.inode(node.id, 0, 0);
  }

  /** The kernel keeps a listing as long as the directory's time stays. */
  listingChanged(directory: DirectoryNode): void {
    touch(this.core, directory);
  }
}

/** The session is what it was before it became absent: only names may have appeared. */
class UnchangedView extends KernelView {
  override contentChanged(): void {}

  override listingChanged(): void {}
}

class Restoration {
  readonly #core: Core;
  readonly #kernel: KernelView;
  /** What was written, and is no version yet, was written to these very files. */
  readonly #keepsWork: boolean;
  /** See AwaitedNumbers. */
  #numbers: ReadonlyMap<string, number> = new Map();

  constructor(core: Core, kernel: KernelView, keepsWork = false) {
    this.#core = core;
    this.#kernel = kernel;
    this.#keepsWork = keepsWork;
  }

  /** No call waits for them: what is being written stays. */
  addTopLevel(files: readonly string[]): void {
    const { root } = this.#core.tree;
    this.#rootChanged();
    for (const name of files) {
      const existing = root.children.get(name);
      const isBusy = existing?.kind === 'file' && existing.hasUncommitted && !existing.hidden;
      if (existing?.kind !== 'directory' && !isBusy) this.#placeFile(name);
    }
  }

  replace(session: string, files: readonly string[], directories: readonly string[]): void {
    const { tree } = this.#core;
    if (!tree.root.children.has(session)) this.#rootChanged();
    const directory = this.#placeDirectory(session);
    if (directory === undefined) return;
    this.#numbers = tree.awaited.take(session);
    // What is there is among `files`, and the kernel may hold names of it as free.
    directory.assumeEmpty();
    this.#removeOthers(directory, new Set(files), new Set(directories));
    this.#loadMeta(directory, session);
    for (const path of directories) this.#restoreDirectory(path);
    for (const path of files) this.#placeFile(path);
    directory.absent = false;
    this.#kernel.listingChanged(directory);
  }

  #rootChanged(): void {
    const { tree, invalidator } = this.#core;
    touch(this.#core, tree.root);
    invalidator.inode(tree.root.id, -1, 0);
  }

  #removeOthers(directory: DirectoryNode, files: Set<string>, directories: Set<string>): void {
    const { tree } = this.#core;
    for (const child of [...directory.children.values()]) {
      const path = tree.pathOf(child);
      if (child.kind === 'directory') {
        this.#removeOthers(child, files, directories);
        if (!directories.has(path) && isEmpty(child)) this.#removeDirectory(child);
      } else if (
        child.kind === 'file' &&
        !files.has(path) &&
        !child.hidden &&
        !this.#staysWithoutCache(child)
      ) {
        this.#removeFile(child);
      }
    }
  }

  #removeDirectory(node: DirectoryNode): void {
    const { tree } = this.#core;
    if (node.hiddenChildren > 0) record(this.#core, () => recordRemoval(this.#core, node, tree.pathOf(node)));
    dropHiddenChildren(this.#core, node);
    forgetName(this.#core, node);
    this.#core.tree.detach(node);
  }

  /** Open descriptors go on with what memory has of it; its sealed bytes may be gone. */
  #removeFile(node: FileNode): void {
    const { working } = node;
    const content = working === undefined ? this.#core.contents.peek(node) : Buffer.from(working.view());
    this.#dropWorkingCopy(node);
    forgetName(this.#core, node);
    this.#core.tree.detach(node);
    node.unreadable = 'removed';
    makeOrphan(this.#core, node, this.#isKept(node, content) ? content : undefined);
  }

  #isKept({ lookups }: FileNode, content: Buffer | undefined): boolean {
    if (lookups === 0 || content === undefined) return false;
    const hasRoom = this.#core.orphans.hasRoomFor(content.length);
    // No caller gets an error for it.
    this.#core.orphans.takeLimitReached();
    return hasRoom;
  }

  #restoreDirectory(path: string): void {
    const node = this.#placeDirectory(path);
    if (node === undefined) return;
    this.#kernel.listingChanged(node);
    this.#loadMeta(node, path);
  }

  /** undefined: a file that is newer than what was restored is in the way. */
  #placeDirectory(path: string): DirectoryNode | undefined {
    const { tree, options } = this.#core;
    const existing = tree.resolve(path);
    if (existing?.kind === 'directory') return existing;
    if (!this.#clearWay(existing)) return undefined;
    const node = new DirectoryNode(DEFAULT_DIRECTORY_MODE, options.owner.uid, options.owner.gid);
    touchAll(this.#core, node);
    return this.#attach(path, node) ? node : undefined;
  }

  #placeFile(path: string): void {
    const { tree, options } = this.#core;
    const existing = tree.resolve(path);
    if (existing?.kind === 'file') {
      this.#resetFile(existing);
      return;
    }
    if (!this.#clearWay(existing)) return;
    const node = new FileNode(S_IFREG | 0o600, options.owner.uid, options.owner.gid);
    node.segment = IN_CACHE;
    node.loaded = false;
    this.#attach(path, node);
  }

  #resetFile(node: FileNode): void {
    const { contents } = this.#core;
    if (this.#isNewer(node) || this.#goesOn(node)) return;
    const wasHidden = node.hidden;
    // A version that was begun from nothing and is to replace the whole file can still be completed.
    if (!node.working?.isHeldBack || !node.working.isFromScratch) this.#dropWorkingCopy(node);
    contents.reset(node);
    if (wasHidden && node.parent !== undefined) node.parent.hiddenChildren--;
    this.#kernel.contentChanged(node);
  }

  /** If it is not written down that the copy is gone, the next daemon builds it again. */
  #dropWorkingCopy(node: FileNode): void {
    if (!node.hasUncommitted) return;
    const path = this.#core.tree.pathOf(node);
    if (node.working?.journaled || node.unbuilt !== undefined)
      record(this.#core, () => this.#core.records.workDrop(path));
    dropWorkingCopy(this.#core, node);
  }

  #clearWay(node: Node | undefined): boolean {
    if (node === undefined) return true;
    if (node.kind === 'directory' && isEmpty(node)) this.#removeDirectory(node);
    else if (node.kind === 'file' && !this.#isNewer(node)) this.#removeFile(node);
    else return false;
    return true;
  }

  #attach(path: string, node: Node): boolean {
    const slash = path.lastIndexOf('/');
    const parent = slash < 0 ? this.#core.tree.root : this.#placeDirectory(path.slice(0, slash));
    if (parent === undefined) return false;
    const name = path.slice(slash + 1);
    this.#core.tree.attach(parent, name, node);
    const number = this.#numbers.get(path);
    if (number === undefined) this.#kernel.nameAppeared(parent, name);
    else this.#inherit(node, number);
    return true;
  }

  /** The kernel may have attributes and pages of what it was. */
  #inherit(node: Node, number: number): void {
    this.#core.tree.inherit(node, number);
    this.#core.invalidator.inode(number, node.kind === 'file' ? 0 : -1, 0);
  }

  /** The cache has no version of it: the journal has one, or what one is being made of. */
  #staysWithoutCache(node: FileNode): boolean {
    return this.#isNewer(node) || (this.#goesOn(node) && node.segment === NOT_COMMITTED);
  }

  /** What was written to it is no version yet, and becomes one. */
  #goesOn(node: FileNode): boolean {
    return this.#keepsWork && node.hasUncommitted && !node.hidden;
  }

  #isNewer(node: FileNode): boolean {
    return node.segment !== NOT_COMMITTED && this.#core.contents.isInJournal(node);
  }

  #loadMeta(node: DirectoryNode, path: string): void {
    const { cache, keyring, log, options } = this.#core;
    try {
      applyDirectoryMeta(
        { keyring, owner: options.owner, log, keepsTimes: true },
        node,
        path,
        cache.readDirectoryMetaSync(path),
      );
    } catch (error) {
      const fields = { directory: path, error: String(error) };
      log({ level: 'error', message: 'the attributes of a restored directory cannot be read', fields });
    }
  }
}
