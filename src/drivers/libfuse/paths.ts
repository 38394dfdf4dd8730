/** From libfuse's paths to the core's node numbers. */
import { type Entry, emptyAttributes, type FileSystemOperations, ROOT_NODE } from '../../fs/contract.ts';
import { Errno } from '../../lib/errno.ts';
import type { NodeReferences, OpenFiles } from './handles.ts';
import { CACHED_SECONDS } from './mount.ts';

/** What the native side makes of bytes that are no UTF-8. */
const REPLACEMENT = '\ufffd';
/** What libfuse renames a file to that is removed while it is open. */
const HIDDEN_NAME = /^\.fuse_hidden[0-9a-f]{16}$/;
/** The kernel believes in names for `CACHED_SECONDS`, and some more. */
const KEPT_MS = 2 * CACHED_SECONDS * 1000;

export interface Place {
  /** Held: release it. */
  parent: number;
  name: string;
}

export function splitPath(path: string): { folder: string; name: string } {
  const slash = path.lastIndexOf('/');
  return { folder: path.slice(0, slash) || '/', name: path.slice(slash + 1) };
}

export class LibfusePaths {
  readonly entry: Entry = { nodeId: 0, entryValidMs: 0, ...emptyAttributes() };
  readonly #attributes = emptyAttributes();
  readonly #fs: FileSystemOperations;
  readonly #references: NodeReferences;
  readonly #files: OpenFiles;
  /** Files that libfuse gave another name because they were open when theirs was to go, each held, by that name. */
  readonly #hidden = new Map<string, number>();

  constructor(fs: FileSystemOperations, references: NodeReferences, files: OpenFiles) {
    this.#fs = fs;
    this.#references = references;
    this.#files = files;
  }

  /** The node's number, held: release it; or why there is none, perhaps PARKED. */
  resolve(path: string): number {
    const { name } = splitPath(path);
    const hidden = this.#hidden.get(name);
    if (hidden !== undefined) return this.#references.share(hidden);
    let node = ROOT_NODE;
    for (const part of path.split('/')) {
      if (part === '') continue;
      const child = this.#lookup(node, part);
      this.#references.release(node);
      if (child < 0) return child;
      node = child;
    }
    return node;
  }

  /** Also a file too unfinished to have a name, if it is open: fstat(2) of its maker comes as any other stat. */
  resolveOwn(path: string): number {
    const node = this.resolve(path);
    if (node !== Errno.ENOENT) return node;
    const own = this.#files.nodesAt(path).find((candidate) => this.#isInPlace(candidate));
    return own === undefined ? node : this.#references.share(own);
  }

  /** It was not removed, replaced or given up meanwhile. */
  #isInPlace(node: number): boolean {
    return this.#fs.getattr(node, this.#attributes) === 0 && this.#attributes.nlink > 0;
  }

  /** The folder that a name is, or is to be, in. A number: why there is none. */
  place(path: string): Place | number {
    const { folder, name } = splitPath(path);
    if (name.includes(REPLACEMENT)) return Errno.EILSEQ;
    const parent = this.resolve(folder);
    return parent < 0 ? parent : { parent, name };
  }

  static isHiddenName(name: string): boolean {
    return HIDDEN_NAME.test(name);
  }

  /** From now on that name of libfuse's means this node, which it takes over. */
  hide(name: string, node: number): void {
    this.#hidden.set(name, node);
  }

  /**
   * The file is closed. False: that is no such name. A rename that was refused leaves the file its own name, and libfuse asks
   * for it by this one as long as the kernel believes in what it looked up before.
   */
  unhide(name: string): boolean {
    const node = this.#hidden.get(name);
    if (node === undefined) return false;
    if (this.#isInPlace(node)) setTimeout(() => this.#drop(name), KEPT_MS).unref();
    else this.#drop(name);
    return true;
  }

  #drop(name: string): void {
    const node = this.#hidden.get(name);
    if (node === undefined) return;
    this.#hidden.delete(name);
    this.#references.release(node);
  }

  #lookup(parent: number, name: string): number {
    if (name.includes(REPLACEMENT)) return Errno.EILSEQ;
    const { entry } = this;
    const status = this.#fs.lookup(parent, name, entry);
    if (status !== 0) return status;
    return entry.nodeId === 0 ? Errno.ENOENT : this.#references.adopt(entry.nodeId);
  }
}
