/**
 * What the filesystem must do, written as plainly as possible: a tree of maps, whole contents, JSON.parse. It shares no
 * code with src/fs but the error numbers.
 */
import { Errno } from '../../src/lib/errno.ts';

export interface ModelFile {
  kind: 'file' | 'symlink';
  parent: ModelDirectory | undefined;
  name: string;
  mode: number;
  /** undefined: never published. */
  committed: Buffer | undefined;
  working: Buffer | undefined;
  /** The working copy waits for complete JSON. */
  held: boolean;
  dropped: boolean;
  /** A write(2) on it returned: the daemon must not forget it. */
  written: boolean;
}

export interface ModelDirectory {
  kind: 'directory';
  parent: ModelDirectory | undefined;
  name: string;
  mode: number;
  children: Map<string, ModelNode>;
}

export type ModelNode = ModelFile | ModelDirectory;

const EMPTY = Buffer.alloc(0);
const gated = (name: string) => name.endsWith('.json');

export function judge(content: Buffer): 'complete' | 'incomplete' | 'plain' {
  const text = content.toString('utf8');
  const first = text.trimStart()[0];
  if (first !== undefined && !'\0{["'.includes(first)) return 'plain';
  if (parses(text)) return 'complete';
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.length > 1 && lines.every(isWholeLine) ? 'complete' : 'incomplete';
}

/** Of a bare number it cannot be told whether it goes on. */
function isWholeLine(line: string): boolean {
  return '{["'.includes(line.trimStart().charAt(0)) && parses(line);
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function pathOf({ parent, name }: ModelNode): string {
  return parent === undefined || parent.name === '' ? name : `${pathOf(parent)}/${name}`;
}

export class ReferenceModel {
  root: ModelDirectory = { kind: 'directory', parent: undefined, name: '', mode: 0o755, children: new Map() };

  static isHidden(node: ModelNode): boolean {
    return node.kind !== 'directory' && node.committed === undefined && node.held;
  }

  lookup(parent: ModelDirectory, name: string): ModelNode | undefined {
    const node = parent.children.get(name);
    return node === undefined || ReferenceModel.isHidden(node) ? undefined : node;
  }

  /** What readers find. */
  visible(file: ModelFile): Buffer {
    if (file.parent === undefined) return file.working ?? file.committed ?? EMPTY;
    if (file.held && file.committed !== undefined) return file.committed;
    return file.working ?? file.committed ?? EMPTY;
  }

  list(directory: ModelDirectory): string[] {
    return [...directory.children.values()]
      .filter((node) => !ReferenceModel.isHidden(node))
      .map((node) => node.name);
  }

  mkdir(parent: ModelDirectory, name: string, mode: number): ModelDirectory | number {
    if (!this.#isLinked(parent)) return Errno.ENOENT;
    if (parent.children.has(name)) return Errno.EEXIST;
    const node: ModelDirectory = { kind: 'directory', parent, name, mode: mode & 0o700, children: new Map() };
    parent.children.set(name, node);
    return node;
  }

  mknod(parent: ModelDirectory, name: string, mode: number): ModelFile | number {
    if (!this.#isLinked(parent)) return Errno.ENOENT;
    const existing = parent.children.get(name);
    if (existing !== undefined) {
      if (existing.kind !== 'file' || !ReferenceModel.isHidden(existing)) return Errno.EEXIST;
      existing.working = EMPTY;
      return existing;
    }
    const node: ModelFile = {
      kind: 'file',
      parent,
      name,
      mode: mode & 0o700,
      committed: gated(name) ? undefined : EMPTY,
      working: gated(name) ? EMPTY : undefined,
      held: gated(name),
      dropped: false,
      written: false,
    };
    parent.children.set(name, node);
    return node;
  }

  symlink(parent: ModelDirectory, name: string, target: string): ModelFile | number {
    if (!this.#isLinked(parent)) return Errno.ENOENT;
    if (parent.children.has(name)) return Errno.EEXIST;
    const committed = Buffer.from(target);
    const rest = { mode: 0o777, working: undefined, held: false, dropped: false, written: false };
    const node: ModelFile = { kind: 'symlink', parent, name, committed, ...rest };
    parent.children.set(name, node);
    return node;
  }

  write(file: ModelFile, offset: number, data: Buffer, append: boolean): number {
    if (file.dropped) return Errno.EIO;
    const base = file.working ?? file.committed ?? EMPTY;
    const at = append ? base.length : offset;
    if (data.length === 0) return 0;
    file.written = true;
    const next = Buffer.alloc(Math.max(base.length, at + data.length));
    base.copy(next);
    data.copy(next, at);
    this.#change(file, next);
    return data.length;
  }

  truncate(file: ModelFile, size: number): number {
    if (file.dropped) return Errno.EIO;
    const base = file.working ?? file.committed ?? EMPTY;
    if (size === base.length) return 0;
    if (file.parent !== undefined && gated(file.name)) this.commitPlain(file);
    const next = Buffer.alloc(size);
    base.copy(next, 0, 0, size);
    if (
      size === 0 &&
      file.parent !== undefined &&
      (file.held || (gated(file.name) && file.working === undefined))
    ) {
      file.working = next;
      file.held = true;
    } else {
      this.#change(file, next);
    }
    return 0;
  }

  #change(file: ModelFile, next: Buffer): void {
    const wasPlain = file.working !== undefined && !file.held;
    file.working = next;
    if (file.parent === undefined || (!file.held && !gated(file.name))) return;
    const verdict = judge(next);
    if (verdict === 'complete' || (verdict === 'plain' && file.committed === undefined)) {
      file.committed = next;
      file.working = undefined;
      file.held = false;
    } else {
      file.held = verdict === 'incomplete' && !wasPlain;
    }
  }

  commitPlain(file: ModelFile): void {
    if (file.working === undefined || file.held || file.parent === undefined) return;
    file.committed = file.working;
    file.working = undefined;
  }

  unlink(parent: ModelDirectory, name: string): number {
    const node = this.lookup(parent, name);
    if (node === undefined) return Errno.ENOENT;
    if (node.kind === 'directory') return Errno.EISDIR;
    this.#orphan(node);
    return 0;
  }

  rmdir(parent: ModelDirectory, name: string): number {
    const node = this.lookup(parent, name);
    if (node === undefined) return Errno.ENOENT;
    if (node.kind !== 'directory') return Errno.ENOTDIR;
    if (this.list(node).length > 0) return Errno.ENOTEMPTY;
    this.#removeDirectory(node);
    return 0;
  }

  rename(from: ModelDirectory, name: string, to: ModelDirectory, newName: string, flags: number): number {
    const exchange = (flags & 2) !== 0;
    const node = this.lookup(from, name);
    if (node === undefined) return Errno.ENOENT;
    const target = this.lookup(to, newName);
    if (!this.#isLinked(to)) return Errno.ENOENT;
    if (node.kind === 'directory' && this.#isInside(to, node)) return Errno.EINVAL;
    if (!this.#isLinked(from)) return Errno.ENOENT;
    if (target?.kind === 'directory' && this.#isInside(from, target)) {
      // A directory may not be exchanged with what it contains; replaced it cannot be, since it is not empty.
      return Errno.EINVAL;
    }
    if (exchange && target === undefined) return Errno.ENOENT;
    if (flags === 1 && target !== undefined) return Errno.EEXIST;
    if (target === node) return 0;
    if (exchange) {
      if (this.#refusesContent(node, newName) || this.#refusesContent(target as ModelNode, name))
        return Errno.EIO;
      this.#place(target as ModelNode, from, name);
      this.#place(node, to, newName);
      return 0;
    }
    if (target !== undefined) {
      if (target.kind === 'directory' && node.kind !== 'directory') return Errno.EISDIR;
      if (target.kind !== 'directory' && node.kind === 'directory') return Errno.ENOTDIR;
      if (target.kind === 'directory' && this.list(target).length > 0) return Errno.ENOTEMPTY;
    }
    if (this.#refusesContent(node, newName)) return Errno.EIO;
    const replaced = to.children.get(newName);
    if (replaced?.kind === 'directory') this.#removeDirectory(replaced);
    else if (replaced !== undefined) this.#orphan(replaced);
    from.children.delete(name);
    this.#place(node, to, newName);
    return 0;
  }

  /** Long enough for everything that waits. */
  settle(): void {
    for (const file of this.#files()) {
      if (file.held) this.giveUp(file);
      else this.commitPlain(file);
    }
  }

  /** Incomplete content rested for too long. */
  giveUp(file: ModelFile): void {
    file.working = undefined;
    file.held = false;
    if (file.committed === undefined) this.#drop(file);
  }

  /**
   * The daemon dies and another takes over: of a new *.json into which nothing was written yet nothing is known, or, where its
   * length was set, what `isKnown` says: a segment that begins has all that is in the working copy, zeros too.
   */
  crash(isKnown: (path: string) => boolean): void {
    for (const file of [...this.#files()]) {
      if (!ReferenceModel.isHidden(file) || file.written) continue;
      const hasLength = (file.working?.length ?? 0) > 0;
      if (!hasLength || !isKnown(pathOf(file))) file.parent?.children.delete(file.name);
    }
  }

  *#files(directory: ModelDirectory = this.root): Generator<ModelFile> {
    for (const node of [...directory.children.values()]) {
      if (node.kind === 'directory') yield* this.#files(node);
      else yield node;
    }
  }

  #refusesContent(node: ModelNode, newName: string): boolean {
    if (node.kind !== 'file' || !gated(newName) || gated(node.name)) return false;
    return judge(this.visible(node)) === 'incomplete';
  }

  #place(node: ModelNode, parent: ModelDirectory, name: string): void {
    if (node.kind !== 'directory') this.commitPlain(node);
    else for (const file of this.#files(node)) this.commitPlain(file);
    node.parent = parent;
    node.name = name;
    parent.children.delete(name);
    parent.children.set(name, node);
  }

  #orphan(file: ModelFile): void {
    file.parent?.children.delete(file.name);
    file.parent = undefined;
    if (ReferenceModel.isHidden(file)) file.dropped = true;
  }

  #drop(file: ModelFile): void {
    file.parent?.children.delete(file.name);
    file.parent = undefined;
    file.dropped = true;
  }

  #removeDirectory(directory: ModelDirectory): void {
    for (const node of directory.children.values()) if (node.kind !== 'directory') this.#drop(node);
    directory.parent?.children.delete(directory.name);
    directory.parent = undefined;
  }

  #isLinked(directory: ModelDirectory): boolean {
    return directory === this.root || directory.parent !== undefined;
  }

  #isInside(node: ModelDirectory, directory: ModelDirectory): boolean {
    for (let at: ModelDirectory | undefined = node; at !== undefined; at = at.parent)
      if (at === directory) return true;
    return false;
  }
}
