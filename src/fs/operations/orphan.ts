/** A file that was unlinked while it may still be open: its content is this process's until the kernel forgets it. */

import { Errno } from '../../lib/errno.ts';
import type { FileNode } from '../model/node.ts';
import type { Core } from '../state/core.ts';
import { touch } from '../state/times.ts';

/**
 * Call before the record that removes the name is written: its content and attributes may be gone after that. The caller of
 * `makeOrphan` hands it over. ENOSPC: files of this kind have all that they may; the name must stay.
 */
export function contentForOrphan(core: Core, node: FileNode, path: string): Buffer | undefined | Errno {
  if (node.lookups === 0) return undefined;
  core.contents.load(node, path);
  if (node.unbuilt !== undefined) return undefined;
  const content = node.working?.view() ?? core.contents.read(node, path);
  if (typeof content === 'number') return undefined;
  return core.orphans.hasRoomFor(content.length) ? content : Errno.ENOSPC;
}

/**
 * The name is gone. Without `content` (it could not be read, there is no room, or no descriptor is open) each call that needs it
 * fails with EIO: the name may come to stand for another file, so it is not tried again.
 */
export function makeOrphan(core: Core, node: FileNode, content: Buffer | undefined): void {
  core.pending.delete(node);
  core.contents.forget(node);
  node.working = undefined;
  node.unbuilt = undefined;
  node.orphan = content === undefined ? undefined : core.orphans.adopt(content);
  if (content !== undefined) node.unreadable = undefined;
}

export function writeOrphan(core: Core, node: FileNode, at: number, data: Buffer): number {
  const failed = node.orphan?.write(at, data) ?? Errno.EIO;
  if (failed !== 0) return failed;
  touch(core, node);
  return data.length;
}

/** Whatever it had, an empty file has none of it. */
export function truncateOrphan(core: Core, node: FileNode, size: number): 0 | Errno {
  if (size === 0) node.orphan ??= core.orphans.adopt(Buffer.alloc(0));
  const failed = node.orphan?.truncate(size) ?? Errno.EIO;
  if (failed === 0) touch(core, node);
  return failed;
}
