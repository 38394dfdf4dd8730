/** The names: which node is where, and which number the kernel knows it by. */

import { ROOT_NODE } from '../contract.ts';
import { AwaitedNumbers } from './awaited-numbers.ts';
import type { DirectoryNode, Node, SpecialNode } from './node.ts';

const FIRST_FREE_NODE = 64;
/**
 * Each daemon of a kernel connection gives numbers from a range of its own. So a number is never given twice, although a daemon
 * that takes over may not know all that were given: on a full disk they cannot be written down.
 */
const RANGE = 2 ** 24;
/** So many daemons in a row may give no number that is written down. Keeps the numbers of a long crash loop below 2^53. */
const UNWRITTEN_DAEMONS_MAX = 1000;
/** A node that an earlier daemon handed out. How often is unknown, so it is never forgotten. */
const INHERITED_LOOKUPS = 2 ** 40;

export class Tree {
  readonly root: DirectoryNode;
  readonly #byId = new Map<number, Node>();
  /** The numbers below are kept for the root and for control files, which are the same in every daemon. */
  #nextId = FIRST_FREE_NODE;
  /** Nodes that were given a number which no record holds yet. */
  readonly unrecorded: Node[] = [];
  readonly awaited = new AwaitedNumbers();
  /** FIFOs and sockets that have a name: only the journal knows them. */
  readonly specials = new Set<SpecialNode>();
  /** Those in memory. */
  #files = 0;

  constructor(root: DirectoryNode) {
    root.id = ROOT_NODE;
    root.lookups = 1;
    this.root = root;
    this.#byId.set(ROOT_NODE, root);
  }

  get files(): number {
    return this.#files;
  }

  byId(id: number): Node | undefined {
    return this.#byId.get(id);
  }

  /** Raises the lookup count: `byId` finds the node until `forget` brings the count back to zero. */
  enter(node: Node): number {
    this.number(node);
    if (node.lookups++ === 0) this.#byId.set(node.id, node);
    return node.id;
  }

  /** Gives the node a number, if it has none: its st_ino, and its place in listings. */
  number(node: Node): number {
    if (node.id === 0) {
      node.id = this.#nextId++;
      this.unrecorded.push(node);
    }
    return node.id;
  }

  /** A node that the kernel may know by this number from an earlier daemon. */
  inherit(node: Node, id: number): void {
    if (node === this.root) return;
    node.id = id;
    node.lookups = INHERITED_LOOKUPS;
    if (node.kind === 'file') node.mayHavePages = true;
    this.#byId.set(id, node);
  }

  /** No number up to this one is given to a node that has none. */
  reserve(largest: number): void {
    this.#nextId = Math.max(this.#nextId, largest + 1);
  }

  /**
   * After `reserve` of all that is written down: goes on in a range above it, and above those of the daemons before, of which
   * perhaps nothing is written down. `generation`: how many daemons served this connection before.
   */
  beginRange(generation: number): void {
    const largest = this.#nextId - 1;
    if (generation === 0 && largest < FIRST_FREE_NODE) return;
    const ranges = Math.floor(largest / RANGE) + 1 + Math.min(generation, UNWRITTEN_DAEMONS_MAX);
    this.#nextId = ranges * RANGE;
  }

  /** Returns the node if the kernel has now forgotten it. */
  forget(id: number, count: number): Node | undefined {
    const node = this.#byId.get(id);
    if (node === undefined || node === this.root) return undefined;
    // The kernel gives up all lookups of a node at once, and cannot look up again what has no name.
    const isLast = isInherited(node) && node.parent === undefined;
    node.lookups = isLast ? 0 : Math.max(0, node.lookups - count);
    if (node.lookups > 0) return undefined;
    this.#byId.delete(id);
    return node;
  }

  /** The name must be free. */
  attach(parent: DirectoryNode, name: string, node: Node): void {
    node.parent = parent;
    node.name = name;
    parent.changes++;
    parent.children.set(name, node);
    if (node.kind === 'directory') parent.subdirectories++;
    if (node.kind === 'special') this.specials.add(node);
    if (node.kind === 'file') {
      this.#files++;
      if (node.hidden) parent.hiddenChildren++;
    }
  }

  detach(node: Node): void {
    const parent = node.parent;
    if (parent === undefined) return;
    parent.children.delete(node.name);
    parent.changes++;
    node.parent = undefined;
    if (node.kind === 'directory') parent.subdirectories--;
    if (node.kind === 'special') this.specials.delete(node);
    if (node.kind === 'file') {
      this.#files--;
      if (node.hidden) parent.hiddenChildren--;
    }
  }

  /** Below the mount, without a leading slash; the root is ''. */
  pathOf(node: Node): string {
    const parent = node.parent;
    if (parent === undefined || parent === this.root) return node.name;
    return `${this.pathOf(parent)}/${node.name}`;
  }

  pathIn(parent: DirectoryNode, name: string): string {
    return parent === this.root ? name : `${this.pathOf(parent)}/${name}`;
  }

  resolve(path: string): Node | undefined {
    let node: Node | undefined = this.root;
    if (path === '') return node;
    for (const name of path.split('/')) {
      if (node?.kind !== 'directory') return undefined;
      node = node.children.get(name);
    }
    return node;
  }

  /** What is in memory below `directory`, parents before their children. */
  *inMemory(directory: DirectoryNode): Generator<Node> {
    if (!directory.isRead) return;
    for (const child of directory.children.values()) {
      yield child;
      if (child.kind === 'directory') yield* this.inMemory(child);
    }
  }

  /** Everything below `directory`, parents before their children. */
  *below(directory: DirectoryNode): Generator<Node> {
    for (const child of directory.children.values()) {
      yield child;
      if (child.kind === 'directory') yield* this.below(child);
    }
  }

  /** The session folders: directories in the root. */
  get sessions(): number {
    return this.root.subdirectories;
  }
}

/** The top-level directory that `node` is or lies in. */
export function sessionOfNode(tree: Tree, node: Node): DirectoryNode | undefined {
  let at: Node | undefined = node;
  while (at !== undefined && at.parent !== tree.root) at = at.parent;
  return at?.kind === 'directory' ? at : undefined;
}

/** The absent session (see DirectoryNode.absent) that `node` is or lies in. */
export function absentSessionOf(tree: Tree, node: Node): DirectoryNode | undefined {
  const session = sessionOfNode(tree, node);
  return session?.absent ? session : undefined;
}

/** The kernel knows it from an earlier daemon: how often it looked it up is unknown. */
export function isInherited({ lookups }: Node): boolean {
  return lookups >= INHERITED_LOOKUPS / 2;
}

export function isInside(node: Node, directory: DirectoryNode): boolean {
  for (let at: Node | undefined = node; at !== undefined; at = at.parent) if (at === directory) return true;
  return false;
}
