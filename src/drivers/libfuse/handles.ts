/** Nodes that this driver holds, and files that are open: libfuse names both by paths, the core by numbers. */
import { type FileSystemOperations, ROOT_NODE } from '../../fs/contract.ts';
import { WholeRead } from './whole-read.ts';

/** Keeps the core's lookup counts: a number stays good as long as it is held here. */
export class NodeReferences {
  readonly #fs: FileSystemOperations;
  readonly #held = new Map<number, { holders: number; lookups: number }>();

  constructor(fs: FileSystemOperations) {
    this.#fs = fs;
  }

  /** The core was just asked for it: its lookup count has grown by one. */
  adopt(node: number): number {
    if (node === ROOT_NODE) return node;
    const held = this.#held.get(node);
    if (held === undefined) {
      this.#held.set(node, { holders: 1, lookups: 1 });
    } else {
      held.holders++;
      held.lookups++;
    }
    return node;
  }

  /** One more holder of a node that is held. */
  share(node: number): number {
    const held = this.#held.get(node);
    if (held !== undefined) held.holders++;
    return node;
  }

  release(node: number): void {
    const held = this.#held.get(node);
    if (held === undefined || --held.holders > 0) return;
    this.#held.delete(node);
    this.#fs.forget(node, held.lookups);
  }
}

export interface OpenFile {
  /** Held: it stays the same file whatever becomes of its name. */
  readonly node: number;
  /** Each write goes to the end, wherever the kernel believes that to be. */
  readonly append: boolean;
  /** Under which it can be found as long as it is too unfinished to have a name for others. */
  path: string;
  readonly reads: WholeRead;
}

/** Open files by the number that the kernel names them by; 0 is none. */
export class OpenFiles {
  readonly #references: NodeReferences;
  readonly #files = new Map<number, OpenFile>();
  #last = 0;

  constructor(references: NodeReferences) {
    this.#references = references;
  }

  /** Takes over what the caller holds of the node. */
  add(file: Omit<OpenFile, 'reads'>): number {
    // What libfuse carries for us is 31 bits wide.
    do this.#last = (this.#last % 0x7fff_ffff) + 1;
    while (this.#files.has(this.#last));
    this.#files.set(this.#last, { ...file, reads: new WholeRead() });
    return this.#last;
  }

  get(handle: number): OpenFile | undefined {
    return this.#files.get(handle);
  }

  hasNode(node: number): boolean {
    return [...this.#files.values()].some((file) => file.node === node);
  }

  /** The nodes of files that were opened under this path. */
  nodesAt(path: string): number[] {
    return [...this.#files.values()].filter((file) => file.path === path).map(({ node }) => node);
  }

  /** What was at or below `from` is at or below `to` now; what was at `to` has no path any more. */
  renamed(from: string, to: string): void {
    for (const file of this.#files.values()) {
      if (file.path === to) file.path = '';
      else if (file.path === from || file.path.startsWith(`${from}/`))
        file.path = to + file.path.slice(from.length);
    }
  }

  remove(handle: number): void {
    const file = this.#files.get(handle);
    if (file === undefined) return;
    this.#files.delete(handle);
    this.#references.release(file.node);
  }
}
