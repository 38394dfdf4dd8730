/** The names at start: from the cache directory, then changed by the journal. */
import type { Keyring } from '../../crypto/keyring.ts';
import type { Clock } from '../../lib/clock.ts';
import { S_IFREG } from '../../lib/file-type.ts';
import { DirectoryNode, FileNode, IN_CACHE, type Node } from '../model/node.ts';
import type { Log, Owner } from '../model/options.ts';
import type { Tree } from '../model/tree.ts';
import { DEFAULT_DIRECTORY_MODE } from '../operations/directories.ts';
import { applyDirectoryMeta } from '../state/directory-meta.ts';
import { touchAll } from '../state/times.ts';

export interface BuilderParts {
  tree: Tree;
  keyring: Keyring;
  owner: Owner;
  clock: Clock;
  log: Log;
  /** See applyDirectoryMeta. */
  keepsTimes: boolean;
}

export class TreeBuilder {
  readonly parts: BuilderParts;

  constructor(parts: BuilderParts) {
    this.parts = parts;
  }

  /** The file of this path, which is in the cache as far as is known. */
  placeFile(path: string): FileNode {
    const existing = this.parts.tree.resolve(path);
    if (existing?.kind === 'file') return existing;
    const node = this.newFile();
    node.segment = IN_CACHE;
    if (existing !== undefined) this.parts.tree.detach(existing);
    this.attach(path, node);
    return node;
  }

  placeDirectory(path: string): DirectoryNode {
    const { tree, owner } = this.parts;
    if (path === '') return tree.root;
    const existing = tree.resolve(path);
    if (existing?.kind === 'directory') return existing;
    const node = new DirectoryNode(DEFAULT_DIRECTORY_MODE, owner.uid, owner.gid);
    // Nothing is kept of its times; with the present time no application takes it for abandoned and deletes it.
    touchAll(this.parts, node);
    if (existing !== undefined) tree.detach(existing);
    this.attach(path, node);
    return node;
  }

  /** With the sealed attributes in `meta`, if there are any. */
  placeDirectoryWith(path: string, meta: Buffer | undefined): void {
    applyDirectoryMeta(this.parts, this.placeDirectory(path), path, meta);
  }

  /** A file of which there is no committed version; not in the tree yet. */
  newFile(): FileNode {
    const { owner } = this.parts;
    return new FileNode(S_IFREG | 0o600, owner.uid, owner.gid);
  }

  attach(path: string, node: Node): void {
    const slash = path.lastIndexOf('/');
    this.parts.tree.attach(
      this.placeDirectory(path.slice(0, Math.max(0, slash))),
      path.slice(slash + 1),
      node,
    );
  }

  remove(path: string): void {
    const node = this.parts.tree.resolve(path);
    if (node !== undefined && path !== '') this.parts.tree.detach(node);
  }

  /** Whether a file can be made under this path: the name is free and its directory exists. */
  hasRoomFor(path: string): boolean {
    const { tree } = this.parts;
    const parent = tree.resolve(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
    return parent?.kind === 'directory' && tree.resolve(path) === undefined;
  }
}
