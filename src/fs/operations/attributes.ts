/** stat(2), as the kernel caches it. */

import type { Attributes, Entry } from '../contract.ts';
import type { DirectoryNode, FileNode, Node } from '../model/node.ts';
import type { Core } from '../state/core.ts';
import { renderControlFile } from './control-files.ts';

/** This mount is the only writer of its tree, so the kernel's copies stay true until this process says otherwise. */
export const KERNEL_CACHE_MS = 86_400_000;

export function fillAttributes(core: Core, node: Node, out: Attributes): void {
  out.attributesValidMs = KERNEL_CACHE_MS;
  out.nlink = 1;
  if (node.kind === 'directory') {
    out.nlink = linksOf(core, node);
    out.size = 4096;
    // A listing that the kernel keeps lacks them: it must ask for the time again, which their publication changes.
    if (node.hiddenChildren > 0 || node.absent) out.attributesValidMs = 0;
    if (node === core.tree.root && core.remote?.namesKnown === false) out.attributesValidMs = 0;
  } else if (node.kind === 'file') {
    if (!node.isReady) core.contents.load(node, core.tree.pathOf(node));
    if (!node.isReady) out.attributesValidMs = 0;
    if (node.parent === undefined) out.nlink = 0;
    fillFileSize(node, out);
  } else if (node.kind === 'special') {
    out.nlink = node.parent === undefined ? 0 : 1;
    out.size = 0;
  } else {
    renderControlFile(core, node);
    out.size = node.snapshot.length;
    out.attributesValidMs = 0;
  }
  out.ino = node.id;
  out.mode = node.mode;
  out.uid = node.uid;
  out.gid = node.gid;
  out.atimeSec = node.atimeSec;
  out.atimeNsec = node.atimeNsec;
  out.mtimeSec = node.mtimeSec;
  out.mtimeNsec = node.mtimeNsec;
  out.ctimeSec = node.ctimeSec;
  out.ctimeNsec = node.ctimeNsec;
  if (node.kind === 'file' && node.state === 'held') markHeldWrites(core, node, out);
  if (node.kind === 'file' && core.remote?.writeThrough) remember(node, out);
}

/** What a directory has that does not count its links. */
const UNCOUNTED = 1;

/** A listing of the root with attributes reads none of the directories that have no other ones in them. */
function linksOf({ cache, tree }: Core, node: DirectoryNode): number {
  if (node.parent === undefined && node !== tree.root) return 0;
  if (!node.isRead) {
    try {
      const links = cache.linksSync(tree.pathOf(node)) ?? 2;
      // 1: that disk does not count them, and neither does this one.
      if (links === 1 || links === 2) return links;
      node.read();
    } catch {
      // The folder is there all the same; a call that needs what is in it gets the error.
      return UNCOUNTED;
    }
  }
  return 2 + node.subdirectories;
}

/** See FileSystemOperations.holdAttributes. */
function remember(node: FileNode, out: Attributes): void {
  node.told ??= { size: out.size, mtimeSec: out.mtimeSec, mtimeNsec: out.mtimeNsec, holds: 0 };
  const { told } = node;
  if (told.holds === 0) {
    told.size = out.size;
    told.mtimeSec = out.mtimeSec;
    told.mtimeNsec = out.mtimeNsec;
  } else {
    out.size = told.size;
    out.mtimeSec = told.mtimeSec;
    out.mtimeNsec = told.mtimeNsec;
    out.attributesValidMs = 0;
  }
}

/** No daemon holds back so many writes of one file that it comes to the times of the next one. */
const HELD_WRITES_PER_DAEMON = 1_000_003;

/**
 * The kernel takes what is written for the file's content, and shows it. A modification time that differs makes it drop
 * the pages before the next reader gets at them: so each write that is held back moves the nanoseconds to where they were
 * never before, in no daemon of this connection.
 */
function markHeldWrites({ generation }: Core, { heldWrites }: FileNode, out: Attributes): void {
  const moved = (out.mtimeNsec - heldWrites - generation * HELD_WRITES_PER_DAEMON) % 1e9;
  out.mtimeNsec = moved < 0 ? moved + 1e9 : moved;
}

function fillFileSize(node: FileNode, out: Attributes): void {
  const { orphan, working } = node;
  if (orphan !== undefined) {
    out.size = orphan.length;
  } else if (working === undefined) {
    out.size = node.size;
  } else if (!working.isHeldBack) {
    out.size = working.length;
  } else {
    // Never a size beyond the version that readers get: the kernel would fill up what READ did not answer with zeros.
    out.size = node.state === 'held' ? node.size : working.length;
    out.attributesValidMs = 0;
  }
}

/** Raises the node's lookup count. A hidden file's name must be looked up again each time, until it is published. */
export function fillEntry(core: Core, node: Node, out: Entry): void {
  out.nodeId = core.tree.enter(node);
  fillAttributes(core, node, out);
  out.entryValidMs = node.kind === 'file' && node.hidden ? 0 : KERNEL_CACHE_MS;
}
