/** A file that was unlinked while it may still be open: it lives in memory until the kernel forgets it. */

import type { FileNode } from '../model/node.ts';
import type { Core } from '../state/core.ts';

/** Call before the record that removes the name is written: its content may be gone after that. */
export function contentForOrphan(core: Core, node: FileNode, path: string): Buffer | undefined {
  if (node.lookups === 0) return undefined;
  if (node.working !== undefined) return Buffer.from(node.working.view());
  const content = core.contents.read(node, path);
  return typeof content === 'number' ? undefined : content;
}

/** The name is gone. Without `content` (no descriptor is open, or it did not open) reads return EIO or nothing. */
export function makeOrphan(core: Core, node: FileNode, content: Buffer | undefined): void {
  core.pending.delete(node);
  core.contents.forget(node);
  node.working = undefined;
  node.orphan = content;
  if (content !== undefined) node.unreadable = undefined;
}

export function writeOrphan(node: FileNode, at: number, data: Buffer): number {
  const old = node.orphan ?? Buffer.alloc(0);
  const grown = Buffer.alloc(Math.max(old.length, at + data.length));
  old.copy(grown);
  data.copy(grown, at);
  node.orphan = grown;
  return data.length;
}

export function truncateOrphan(node: FileNode, size: number): void {
  const old = node.orphan ?? Buffer.alloc(0);
  const resized = Buffer.alloc(size);
  old.copy(resized, 0, 0, size);
  node.orphan = resized;
}
