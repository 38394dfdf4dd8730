/**
 * Directories in the root, mostly sessions, of which the tree has only the name until a call needs what is in them. As long as a
 * directory is unread the journal has nothing of it: every change of it reads it first. So the cache has all of it, and no
 * checkpoint changes it meanwhile.
 */
import { messageOf, systemError } from '../../lib/system-error.ts';
import type { Cache } from '../../store/cache/cache.ts';
import type { DirectoryNode, FileNode } from '../model/node.ts';
import type { TreeBuilder } from './tree-builder.ts';

/** What is kept of the files of a folder that left memory. */
interface Remembered {
  /** The numbers by which the kernel knew them, in the order of their names. */
  names: Buffer;
  numbers: Float64Array;
  /** Those of which the cache does not have all that stat tells. */
  nodes: readonly FileNode[];
}

const NOTHING: Remembered = { names: Buffer.alloc(0), numbers: new Float64Array(), nodes: [] };
/** No name has it. */
const BETWEEN_NAMES = '/';

export class SessionReader {
  readonly #builder: TreeBuilder;
  readonly #cache: Cache;
  readonly #unread = new Set<DirectoryNode>();
  readonly #toCount: DirectoryNode[] = [];

  constructor(builder: TreeBuilder, cache: Cache) {
    this.#builder = builder;
    this.#cache = cache;
  }

  /**
   * Of a directory in the root only the name and its attributes are read. Of a file only the name is read, here and later: its
   * header follows at the first stat, its content at the first read.
   */
  readRoot(): void {
    this.#builder.placeDirectoryWith('', this.#cache.readDirectoryMetaSync(''));
    this.#cache.walkRootSync((path, kind) => {
      if (kind === 'file') {
        this.#builder.placeFile(path).loaded = false;
        return;
      }
      this.#builder.placeDirectoryWith(path, this.#cache.readDirectoryMetaSync(path));
      this.#leaveUnread(this.#builder.placeDirectory(path), NOTHING);
    });
  }

  /**
   * Takes its files out of memory. It has no folders, the cache has all of it, and the kernel knows none of its files: their
   * numbers stay theirs all the same.
   */
  leave(directory: DirectoryNode, forget: (node: FileNode) => void): void {
    const names: string[] = [];
    const numbers: number[] = [];
    const nodes: FileNode[] = [];
    const files = directory.children.size;
    for (const node of [...directory.children.values()]) {
      if (node.kind !== 'file') continue;
      const { name, id } = node;
      if (hasOwnTimes(node)) nodes.push(node);
      else if (id !== 0) numbers[names.push(name) - 1] = id;
      this.#builder.parts.tree.detach(node);
      forget(node);
    }
    directory.listing = undefined;
    directory.unreadFiles = files;
    const known = {
      names: Buffer.from(names.join(BETWEEN_NAMES)),
      numbers: Float64Array.from(numbers),
      nodes,
    };
    this.#leaveUnread(directory, known);
  }

  #leaveUnread(directory: DirectoryNode, known: Remembered): void {
    directory.leaveUnread((unread) => {
      try {
        this.#read(unread, known);
      } catch (error) {
        // Also where the disk says that there is none: to an application its files are not missing.
        const message = `the folder ${unread.name} cannot be read from the cache (${messageOf(error)})`;
        throw Object.assign(systemError('EIO', 'read', message), { cause: error });
      }
    });
    this.#unread.add(directory);
    if (directory.unreadFiles === undefined) this.#toCount.push(directory);
  }

  /** Files in the directories that are unread and counted. */
  get files(): number {
    let files = 0;
    for (const { unreadFiles = 0 } of this.#present()) files += unreadFiles;
    return files;
  }

  /** Unread directories that are not counted yet, at most. */
  get uncounted(): number {
    return this.#toCount.length;
  }

  /** Goes on counting, until about so many files were counted. */
  count(limit: number): void {
    for (let left = limit; left > 0; ) {
      const directory = this.#toCount.pop();
      if (directory === undefined) return;
      if (isUnread(directory)) left -= this.#count(directory) + 1;
    }
  }

  *#present(): Generator<DirectoryNode> {
    for (const directory of this.#unread) {
      if (isUnread(directory)) yield directory;
      else this.#unread.delete(directory);
    }
  }

  #count(directory: DirectoryNode): number {
    let files = 0;
    try {
      this.#cache.walkBelowSync(directory.name, (_, kind) => {
        if (kind === 'file') files++;
      });
    } catch {
      // The call that reads it says why.
    }
    directory.unreadFiles = files;
    return files;
  }

  /** Everything that may fail comes before the first child is attached. */
  #read(directory: DirectoryNode, known: Remembered): void {
    const { name } = directory;
    const files: string[] = [];
    const directories: { path: string; meta: Buffer | undefined }[] = [];
    this.#cache.walkBelowSync(name, (path, kind) => {
      if (kind === 'file') files.push(path);
      else directories.push({ path, meta: this.#cache.readDirectoryMetaSync(path) });
    });
    for (const { path, meta } of directories) this.#builder.placeDirectoryWith(path, meta);
    for (const path of files) this.#builder.placeFile(path).loaded = false;
    this.#remember(directory, known);
  }

  #remember(directory: DirectoryNode, { names, numbers, nodes }: Remembered): void {
    const { tree } = this.#builder.parts;
    for (const node of nodes) {
      const found = directory.children.get(node.name);
      if (found === undefined) continue;
      tree.detach(found);
      tree.attach(directory, node.name, node);
    }
    if (numbers.length === 0) return;
    for (const [index, name] of names.toString().split(BETWEEN_NAMES).entries()) {
      const found = directory.children.get(name);
      if (found !== undefined) found.id = numbers[index] as number;
    }
  }
}

function isUnread({ isRead, parent }: DirectoryNode): boolean {
  return !isRead && parent !== undefined;
}

/** They are read from the cache as one. */
function hasOwnTimes(node: FileNode): boolean {
  const { mtimeSec, mtimeNsec, atimeSec, atimeNsec, ctimeSec, ctimeNsec } = node;
  const isOne =
    atimeSec === mtimeSec && atimeNsec === mtimeNsec && ctimeSec === mtimeSec && ctimeNsec === mtimeNsec;
  return node.loaded && !isOne;
}
