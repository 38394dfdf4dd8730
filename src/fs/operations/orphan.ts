/** A file that was unlinked while it may still be open: it lives in memory until the kernel forgets it. */

import { Errno } from '../../lib/errno.ts';
import type { FileNode } from '../model/node.ts';
import type { Core } from '../state/core.ts';

/** Call before the record that removes the name is written: its content and attributes may be gone after that. */
export function contentForOrphan(core: Core, node: FileNode, path: string): Buffer | undefined {
  if (node.lookups === 0) return undefined;
  core.contents.load(node, path);
  if (node.unbuilt !== undefined) return undefined;
  if (node.working !== undefined) return Buffer.from(node.working.view());
  const content = core.contents.read(node, path);
  return typeof content === 'number' ? undefined : content;
}

/**
 * The name is gone. Without `content` (it could not be read, or no descriptor is open) each call that needs it fails with EIO:
 * the name may come to stand for another file, so it is not tried again.
 */
export function makeOrphan(core: Core, node: FileNode, content: Buffer | undefined): void {
  core.pending.delete(node);
  core.contents.forget(node);
  node.working = undefined;
  node.unbuilt = undefined;
  node.orphan = content;
  if (content !== undefined) node.unreadable = undefined;
}

export function writeOrphan(node: FileNode, at: number, data: Buffer): number {
  const { orphan: old } = node;
  if (old === undefined) return Errno.EIO;
  const grown = Buffer.alloc(Math.max(old.length, at + data.length));
  old.copy(grown);
  data.copy(grown, at);
  node.orphan = grown;
  return data.length;
}

/** Whatever it had, an empty file has none of it. */
export function truncateOrphan(node: FileNode, size: number): 0 | Errno {
  const old = size === 0 ? Buffer.alloc(0) : node.orphan;
  if (old === undefined) return Errno.EIO;
  const resized = Buffer.alloc(size);
  old.copy(resized, 0, 0, size);
  node.orphan = resized;
  return 0;
}
