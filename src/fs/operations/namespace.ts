/** lookup, mknod, symlink, unlink: the names of files. */

import { Errno } from '../../lib/errno.ts';
import { S_IFLNK, S_IFREG } from '../../lib/file-type.ts';
import { isStorableName } from '../../naming/object-name.ts';
import type { Caller, Entry } from '../contract.ts';
import { isGatedName } from '../model/json-gate.ts';
import { type DirectoryNode, FileNode, type Node, PERMISSIONS, SpecialNode } from '../model/node.ts';
import { WorkingCopy } from '../model/working-copy.ts';
import { type Core, findChild } from '../state/core.ts';
import { touch, touchAll } from '../state/times.ts';
import { fillEntry, KERNEL_CACHE_MS } from './attributes.ts';
import { record, recordFreeing, replaceWorkingCopy } from './commit.ts';
import { isWakeUp } from './control-files.ts';
import { groupOf } from './directories.ts';
import { truncateFile } from './file-content.ts';
import { contentForOrphan, makeOrphan } from './orphan.ts';

const NAME_BYTES_MAX = 255;
const EMPTY = Buffer.alloc(0);

/** A name that is not there may be kept by the kernel; one that is hidden may not: it will appear without its doing. */
export function lookup(core: Core, parent: DirectoryNode, name: string, out: Entry): 0 | Errno {
  const child = findChild(core, parent, name);
  if (isWakeUp(core, parent, name)) {
    core.woken();
    return Errno.ENOENT;
  }
  if (child === undefined) {
    if (Buffer.byteLength(name) > NAME_BYTES_MAX) return Errno.ENAMETOOLONG;
    out.nodeId = 0;
    // While the bucket has not told all it has, any session may turn out to have more in it.
    out.entryValidMs = mayAppear(core, parent) ? 0 : KERNEL_CACHE_MS;
    return 0;
  }
  if (child.kind === 'file' && child.hidden) return Errno.ENOENT;
  fillEntry(core, child, out);
  return 0;
}

/** A name that is not there may turn up without the kernel's doing. */
function mayAppear({ remote, tree }: Core, parent: DirectoryNode): boolean {
  if (remote === undefined) return false;
  return !remote.namesKnown || (remote.shared && parent === tree.root);
}

/** Whether `name` may be made in `parent`: the error if not. A hidden file's name is not free, its maker goes on with it. */
export function refuseName(core: Core, parent: DirectoryNode, name: string, kind?: 'directory'): 0 | Errno {
  if (parent === core.control) return Errno.EPERM;
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) return Errno.ENAMETOOLONG;
  if (parent !== core.tree.root && parent.parent === undefined) return Errno.ENOENT;
  return isStorableName(core.tree.pathIn(parent, name), kind) ? 0 : Errno.ENAMETOOLONG;
}

export function makeFile(
  core: Core,
  parent: DirectoryNode,
  name: string,
  mode: number,
  caller: Caller,
): FileNode | Errno {
  const refused = refuseName(core, parent, name);
  if (refused !== 0) return refused;
  const existing = findChild(core, parent, name);
  if (existing !== undefined) return remakeHidden(core, existing);
  const node = newFile(core, parent, S_IFREG | (mode & PERMISSIONS & ~core.options.umask), caller);
  return isGatedName(name)
    ? makeHidden(core, parent, name, node)
    : makeCommitted(core, parent, name, node, EMPTY);
}

/** A second creator finds no such file either: it goes on with the first one's, from the start. */
function remakeHidden(core: Core, existing: Node): FileNode | Errno {
  if (existing.kind !== 'file' || !existing.hidden) return Errno.EEXIST;
  const failed = truncateFile(core, existing, 0);
  return failed === 0 ? existing : failed;
}

/** Of a new *.json nothing is written down before it has content. */
function makeHidden(core: Core, parent: DirectoryNode, name: string, node: FileNode): FileNode {
  node.working = WorkingCopy.empty(true, core.clock.monotonicMs());
  core.tree.attach(parent, name, node);
  core.pending.add(node);
  return node;
}

function makeCommitted(
  core: Core,
  parent: DirectoryNode,
  name: string,
  node: FileNode,
  content: Buffer,
): FileNode | Errno {
  const failed = record(core, () => core.records.put(node, core.tree.pathIn(parent, name), content));
  if (failed !== 0) return failed;
  core.tree.attach(parent, name, node);
  touch(core, parent);
  return node;
}

function newFile(core: Core, parent: DirectoryNode, mode: number, caller: Caller): FileNode {
  const node = new FileNode(mode, caller.uid, groupOf(parent, caller));
  touchAll(core, node);
  return node;
}

/** `mode`: with the type. The record has its number: without one the next daemon could not tell it from what was there before. */
export function makeSpecial(
  core: Core,
  parent: DirectoryNode,
  name: string,
  mode: number,
  caller: Caller,
): SpecialNode | Errno {
  const refused = refuseName(core, parent, name);
  if (refused !== 0) return refused;
  if (findChild(core, parent, name) !== undefined) return Errno.EEXIST;
  const node = new SpecialNode(mode & ~core.options.umask, caller.uid, groupOf(parent, caller));
  touchAll(core, node);
  core.tree.number(node);
  const failed = record(core, () => core.records.node(node, core.tree.pathIn(parent, name)));
  // Its number is written down by that, or was never told.
  core.tree.unrecorded.pop();
  if (failed !== 0) return failed;
  core.tree.attach(parent, name, node);
  touch(core, parent);
  return node;
}

export function makeSymlink(
  core: Core,
  parent: DirectoryNode,
  name: string,
  target: string,
  caller: Caller,
): FileNode | Errno {
  const refused = refuseName(core, parent, name);
  if (refused !== 0) return refused;
  if (findChild(core, parent, name) !== undefined) return Errno.EEXIST;
  return makeCommitted(
    core,
    parent,
    name,
    newFile(core, parent, S_IFLNK | 0o777, caller),
    Buffer.from(target),
  );
}

export function unlink(core: Core, parent: DirectoryNode, name: string): 0 | Errno {
  const node = findChild(core, parent, name);
  if (node === undefined) return Errno.ENOENT;
  if (node.kind === 'directory') return Errno.EISDIR;
  if (node.kind === 'control') return Errno.EPERM;
  if (node.kind === 'file' && node.hidden) return Errno.ENOENT;
  const path = core.tree.pathOf(node);
  if (node.kind === 'special') return removeName(core, parent, node, path);
  const orphan = contentForOrphan(core, node, path);
  if (typeof orphan === 'number') return orphan;
  const taken = core.databases.beforeUnlink(node);
  if (typeof taken === 'number') return taken;
  const removal = core.registrations.removal(path, node);
  keepLast(core, node, path);
  const failed = removeName(core, parent, node, path);
  if (failed !== 0) return failed;
  taken();
  if (removal !== undefined) core.registrations.removed(removal);
  makeOrphan(core, node, orphan);
  return 0;
}

/** The trash gets the last version of a file: of a database one that has all in it. A removal does not wait for room for that. */
function keepLast(core: Core, node: FileNode, path: string): void {
  const image = core.databases.lastImage(node);
  if (image === undefined || record(core, () => core.records.put(node, path, image), 0) !== 0) return;
  replaceWorkingCopy(core, node, image, false);
}

function removeName(core: Core, parent: DirectoryNode, node: Node, path: string): 0 | Errno {
  const failed = recordFreeing(core, () => core.records.delete(path));
  if (failed !== 0) return failed;
  core.tree.detach(node);
  touch(core, parent);
  return 0;
}
