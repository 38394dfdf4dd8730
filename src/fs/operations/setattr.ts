/** chmod(2), chown(2), utimensat(2) and truncate(2), which the kernel sends as one request. */

import type { Errno } from '../../lib/errno.ts';
import { S_IFMT } from '../../lib/file-type.ts';
import type { AttributeChange, Attributes } from '../contract.ts';
import { type FileNode, type Node, PERMISSIONS } from '../model/node.ts';
import { type Core, isRepeated } from '../state/core.ts';
import { touchChange } from '../state/times.ts';
import { fillAttributes, KERNEL_CACHE_MS } from './attributes.ts';
import { record, replaceWorkingCopy } from './commit.ts';
import { recordDirectoryMeta } from './directories.ts';
import { lengthForWriters, truncateFile } from './file-content.ts';

export function setAttributes(core: Core, node: Node, wanted: AttributeChange, out: Attributes): 0 | Errno {
  const change = isRepeated(core) ? wanted : withTime(node, wanted);
  if (change.size !== undefined && node.kind === 'file') {
    const failed = truncateFile(core, node, change.size);
    if (failed !== 0) return failed;
  }
  // A held-back truncation must not show in the times either.
  const held =
    node.kind === 'file' && node.state === 'held' && change.mtime === 'now' && change.size !== undefined;
  const failed = held ? 0 : changeMetadata(core, node, change);
  if (failed !== 0) return failed;
  fillAttributes(core, node, out);
  if (node.kind === 'file' && node.state === 'held') fillHeld(core, node, change, out);
  return 0;
}

/** truncate(2) changes the time of a file that has that size already; ftruncate(2) and open(2) ask for it themselves. */
function withTime(node: Node, change: AttributeChange): AttributeChange {
  const { size, mtime } = change;
  if (size === undefined || mtime !== undefined || node.kind !== 'file') return change;
  return size === lengthForWriters(node) ? { ...change, mtime: 'now' } : change;
}

/**
 * Of a file whose change is held back the kernel is to keep no page: a write into one that is up to date shows at once,
 * one into a page that is not stays unseen until it is answered. What it is told of the modification time here it takes without
 * dropping any, so a size that differs makes it drop them all: one byte less, since with one byte more it would fill readers'
 * buffers up with zeros. No application sees it, because each read and stat of the file must ask for its attributes first; only
 * sendfile(2) and splice(2) do not.
 *
 * Before the first write there is nothing to hide: the attributes are those of the version that readers get. A write makes
 * the kernel ask for size and times again by itself, and not for the mode, which each open looks at.
 */
function fillHeld(core: Core, node: FileNode, { size }: AttributeChange, out: Attributes): void {
  if (node.mayHavePages && out.size > 0) {
    out.size--;
    node.mayHavePages = false;
  } else if (size === 0 && node.heldWrites === 0 && !core.remote?.writeThrough) {
    out.attributesValidMs = KERNEL_CACHE_MS;
  }
}

function changeMetadata(core: Core, node: Node, change: AttributeChange): 0 | Errno {
  // Done again, it could fail although it has its effect.
  if (isRepeated(core) && isDone(node, change)) return 0;
  const before = metadataOf(node);
  if (!apply(core, node, change)) return 0;
  const failed = recordMetadata(core, node);
  if (failed !== 0) Object.assign(node, before);
  return failed;
}

/** What is set to the present time is not known to be done. */
function isDone(node: Node, { mode, uid, gid, mtime }: AttributeChange): boolean {
  if (mtime === 'now') return false;
  return (
    (mode === undefined || (node.mode & PERMISSIONS) === (mode & PERMISSIONS)) &&
    (uid === undefined || node.uid === uid) &&
    (gid === undefined || node.gid === gid) &&
    (mtime === undefined || (node.mtimeSec === mtime.sec && node.mtimeNsec === mtime.nsec))
  );
}

function metadataOf(node: Node): Partial<Node> {
  const { mode, uid, gid, atimeSec, atimeNsec, mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = node;
  return { mode, uid, gid, atimeSec, atimeNsec, mtimeSec, mtimeNsec, ctimeSec, ctimeNsec };
}

/** Returns whether anything changed that outlives this process; the access time does not. */
function apply(core: Core, node: Node, change: AttributeChange): boolean {
  const { mode, uid, gid, atime, mtime } = change;
  if (
    mode === undefined &&
    uid === undefined &&
    gid === undefined &&
    atime === undefined &&
    mtime === undefined
  ) {
    return false;
  }
  touchChange(core, node);
  if (mode !== undefined) node.mode = (node.mode & S_IFMT) | (mode & PERMISSIONS);
  if (uid !== undefined) node.uid = uid;
  if (gid !== undefined) node.gid = gid;
  if (atime !== undefined) {
    node.atimeSec = atime === 'now' ? node.ctimeSec : atime.sec;
    node.atimeNsec = atime === 'now' ? node.ctimeNsec : atime.nsec;
  }
  if (mtime !== undefined) {
    node.mtimeSec = mtime === 'now' ? node.ctimeSec : mtime.sec;
    node.mtimeNsec = mtime === 'now' ? node.ctimeNsec : mtime.nsec;
  }
  return mode !== undefined || uid !== undefined || gid !== undefined || mtime !== undefined;
}

function recordMetadata(core: Core, node: Node): 0 | Errno {
  if (node.kind === 'directory') return recordDirectoryMeta(core, node);
  if (node.kind === 'special')
    return node.parent === undefined
      ? 0
      : record(core, () => core.records.node(node, core.tree.pathOf(node)));
  return node.kind === 'file' ? recordFileMetadata(core, node) : 0;
}

/** The metadata lies in the sealed header, so the file is sealed again. */
function recordFileMetadata(core: Core, node: FileNode): 0 | Errno {
  if (node.parent === undefined) return 0;
  const path = core.tree.pathOf(node);
  const { working } = node;
  if (node.hidden) {
    return record(core, () => {
      if (node.id !== 0) core.records.node(node, path);
      // What was written of it carries its metadata.
      if (working?.journaled) core.records.workSnapshot(node, path, working);
    });
  }
  const content =
    node.working !== undefined && node.state === 'plain'
      ? node.working.view()
      : core.contents.read(node, path);
  if (typeof content === 'number') return content;
  const failed = record(core, () => {
    core.records.put(node, path, content);
    if (working?.isHeldBack) core.records.workSnapshot(node, path, working);
  });
  if (failed !== 0 || working === undefined) return failed;
  if (working.isHeldBack) {
    working.journaled = true;
  } else {
    replaceWorkingCopy(core, node, content, true);
  }
  return 0;
}
