/** mkdir(2), rmdir(2), and what is kept of a directory beside its name. */

import { Errno } from '../../lib/errno.ts';
import { S_IFDIR } from '../../lib/file-type.ts';
import { isSessionFolder } from '../../naming/object-name.ts';
import type { Caller } from '../contract.ts';
import { DirectoryNode } from '../model/node.ts';
import type { Core } from '../state/core.ts';
import { touch, touchAll } from '../state/times.ts';
import { record, recordFreeing } from './commit.ts';

/** What a directory is when nothing else is said of it. */
export const DEFAULT_DIRECTORY_MODE = S_IFDIR | 0o700;

const S_ISGID = 0o2000;

/** Of what the caller makes in `parent`. */
export function groupOf(parent: DirectoryNode, caller: Caller): number {
  return (parent.mode & S_ISGID) === 0 ? caller.gid : parent.gid;
}

export function makeDirectory(
  core: Core,
  parent: DirectoryNode,
  name: string,
  mode: number,
  caller: Caller,
): DirectoryNode | Errno {
  const node = new DirectoryNode(
    S_IFDIR | (mode & 0o1777 & ~core.options.umask) | (parent.mode & S_ISGID),
    caller.uid,
    groupOf(parent, caller),
  );
  touchAll(core, node);
  const path = core.tree.pathIn(parent, name);
  const failed = record(core, () => core.records.makeDirectory(node, path, needsMeta(core, node, path)));
  if (failed !== 0) return failed;
  core.tree.attach(parent, name, node);
  touch(core, parent);
  return node;
}

export function removeDirectory(core: Core, node: DirectoryNode): 0 | Errno {
  const { parent } = node;
  if (parent === undefined) return Errno.EBUSY;
  if (!isEmpty(node)) return Errno.ENOTEMPTY;
  const path = core.tree.pathOf(node);
  const failed = recordFreeing(core, () => recordRemoval(core, node, path));
  if (failed !== 0) return failed;
  core.registrations.folderRemoved(path);
  dropHiddenChildren(core, node);
  core.tree.detach(node);
  touch(core, parent);
  return 0;
}

/** Files that were never published do not count: no application sees them. */
export function isEmpty(node: DirectoryNode): boolean {
  return node.children.size === node.hiddenChildren;
}

/** The directory goes, and with it what was begun in it and never complete: a file of such a name begins anew. */
export function recordRemoval({ records }: Core, node: DirectoryNode, path: string): void {
  for (const child of node.children.values()) {
    if (child.kind === 'file' && (child.id !== 0 || child.working?.journaled))
      records.delete(`${path}/${child.name}`);
  }
  records.removeDirectory(path);
}

/** After `recordRemoval`. */
export function dropHiddenChildren(core: Core, node: DirectoryNode): void {
  for (const child of [...node.children.values()]) {
    core.tree.detach(child);
    if (child.kind !== 'file') continue;
    child.dropped = true;
    child.working = undefined;
    core.pending.delete(child);
  }
}

export function recordDirectoryMeta(core: Core, node: DirectoryNode): 0 | Errno {
  if (node !== core.tree.root && node.parent === undefined) return 0;
  return record(core, () => core.records.directoryMeta(node, core.tree.pathOf(node)));
}

/**
 * Most directories say nothing that their name does not. One at the top that is no session folder always has its
 * metadata written: in the store's layout only that tells it from the user's half of a session folder's name.
 */
export function needsMeta(core: Core, node: DirectoryNode, path: string): boolean {
  const { owner } = core.options;
  const isDefault = node.mode === DEFAULT_DIRECTORY_MODE && node.uid === owner.uid && node.gid === owner.gid;
  return !isDefault || (!path.includes('/') && !isSessionFolder(path));
}
