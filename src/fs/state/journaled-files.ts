/** The files whose committed version has not reached the cache: known without a walk through the tree. */
import type { FileNode } from '../model/node.ts';
import { isInside, type Tree } from '../model/tree.ts';

export interface JournaledFilesParts {
  tree: Tree;
  /** See Contents. */
  isInJournal: (node: FileNode) => boolean;
}

export class JournaledFiles {
  readonly #parts: JournaledFilesParts;
  /** All of them, and some that are in the cache meanwhile, or gone. */
  readonly #candidates = new Set<FileNode>();

  constructor(parts: JournaledFilesParts) {
    this.#parts = parts;
  }

  /** The journal has a new version of it. */
  add(node: FileNode): void {
    this.#candidates.add(node);
  }

  get all(): ReadonlySet<FileNode> {
    this.prune();
    return this.#candidates;
  }

  /** Forgets the others. Call it now and then: they keep their memory until then. */
  prune(): void {
    for (const node of this.#candidates)
      if (!this.#parts.isInJournal(node) || !isInside(node, this.#parts.tree.root))
        this.#candidates.delete(node);
  }
}
