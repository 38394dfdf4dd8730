/** Lists what a cache holds, as mount paths, quickly: names only, no stat, no open. */
import { type Dirent, readdirSync } from 'node:fs';
import { codeOf } from '../../lib/system-error.ts';
import { decodeComponent, encodeComponent } from '../../naming/component.ts';
import {
  DIRECTORY_META_COMPONENT,
  type EntryKind,
  fromObjectName,
  isSessionFolder,
  OBJECT_ROOT,
  toObjectName,
} from '../../naming/object-name.ts';

/** Called for a directory before its children; the order is otherwise the disk's. The root itself is not visited. */
export type WalkVisitor = (path: string, kind: EntryKind) => void;

export interface WalkReport {
  files: number;
  directories: number;
  /** Files that are not from sessionfs: no path has their names. They are left alone. */
  foreign: number;
  /** One of them, relative to the cache directory, for the log. */
  foreignExample: string | undefined;
}

export function walkCache(cachePath: string, visit: WalkVisitor): WalkReport {
  const walk = new Walk(cachePath, visit);
  walk.topLevel();
  return walk.report;
}

/**
 * Visits what is in the root of the mount: of its directories only the names. The folders of sessions are not listed; those of other
 * names are, because sessions of a user of that name may lie in them.
 */
export function walkRoot(cachePath: string, visit: WalkVisitor): void {
  new Walk(cachePath, visit, 'names').topLevel();
}

/** Visits the files in the root of the mount. */
export function walkRootFiles(cachePath: string, visit: WalkVisitor): void {
  new Walk(cachePath, visit).rootFiles();
}

/** Visits what lies below `path`, a directory in the root of the mount. Throws ENOENT where there is none. */
export function walkBelow(cachePath: string, path: string, visit: WalkVisitor): void {
  new Walk(cachePath, visit).below(path);
}

/** What begins the +REST of a session. */
const REST = '+';

class Walk {
  readonly report: WalkReport = { files: 0, directories: 0, foreign: 0, foreignExample: undefined };
  readonly #cachePath: string;
  readonly #visit: WalkVisitor;
  readonly #directories: 'whole' | 'names';

  constructor(cachePath: string, visit: WalkVisitor, directories: 'whole' | 'names' = 'whole') {
    this.#cachePath = cachePath;
    this.#visit = visit;
    this.#directories = directories;
  }

  topLevel(): void {
    for (const entry of this.#list(OBJECT_ROOT)) {
      const name = `${OBJECT_ROOT}/${entry.name}`;
      if (entry.isDirectory()) this.#topLevelDirectory(name);
      else this.#whole(name, entry);
    }
  }

  rootFiles(): void {
    for (const entry of this.#list(OBJECT_ROOT))
      if (!entry.isDirectory()) this.#whole(`${OBJECT_ROOT}/${entry.name}`, entry);
  }

  /**
   * `sessions/x` is a directory of the mount, or the USER part of sessions, or both. It is one of the mount when it has
   * attributes or a child that is not a session's +REST.
   */
  #topLevelDirectory(name: string): void {
    const children = this.#list(name);
    const directory = fromObjectName(name, 'directory');
    if (directory && children.some((child) => !child.name.startsWith(REST))) this.#directory(directory.path);
    for (const child of children) {
      if (child.name === DIRECTORY_META_COMPONENT && directory && child.isFile()) continue;
      if (this.#directories === 'names' && !child.name.startsWith(REST)) continue;
      this.#whole(`${name}/${child.name}`, child);
    }
  }

  below(path: string): void {
    const name = toObjectName(path, 'directory');
    // One that is gone is no empty one: what was in it would be taken for deleted.
    const children = readdirSync(`${this.#cachePath}/${name}`, { withFileTypes: true });
    if (isSessionFolder(path)) {
      this.#children(name, path, children);
      return;
    }
    for (const child of children) {
      if (child.name === DIRECTORY_META_COMPONENT && child.isFile()) continue;
      // A session of the user of that name.
      if (!child.name.startsWith(REST)) this.#whole(`${name}/${child.name}`, child);
    }
  }

  /** An entry whose name has to be looked at as a whole: the first two levels, where sessions split. */
  #whole(name: string, entry: Dirent): void {
    const kind = entry.isDirectory() ? 'directory' : 'file';
    const identity = fromObjectName(name, kind);
    if (!identity || (kind === 'file' && !entry.isFile())) this.#foreign(name);
    else if (kind === 'directory') this.#subtree(name, identity.path);
    else if (!identity.directoryMeta) this.#file(identity.path);
  }

  /** Below the second level a name is its components, one by one. */
  #subtree(name: string, path: string): void {
    this.#directory(path);
    if (this.#directories === 'whole') this.#children(name, path, this.#list(name));
  }

  #children(name: string, path: string, entries: readonly Dirent[]): void {
    for (const entry of entries) {
      if (entry.name === DIRECTORY_META_COMPONENT && entry.isFile()) continue;
      const child = decodeComponent(entry.name);
      if (child === undefined || encodeComponent(child) !== entry.name)
        this.#foreign(`${name}/${entry.name}`);
      else if (entry.isFile()) this.#file(`${path}/${child}`);
      else if (entry.isDirectory()) this.#subtree(`${name}/${entry.name}`, `${path}/${child}`);
      else this.#foreign(`${name}/${entry.name}`);
    }
  }

  #file(path: string): void {
    this.report.files++;
    this.#visit(path, 'file');
  }

  #directory(path: string): void {
    this.report.directories++;
    this.#visit(path, 'directory');
  }

  #foreign(name: string): void {
    this.report.foreign++;
    this.report.foreignExample ??= name;
  }

  /** A directory that vanishes meanwhile was being removed: it has no entries. */
  #list(name: string): Dirent[] {
    try {
      return readdirSync(`${this.#cachePath}/${name}`, { withFileTypes: true });
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    }
  }
}
