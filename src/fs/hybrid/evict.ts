/** Cloud mode: makes room in memory by giving up a session's content here, which the bucket has. Whoever touches it has it restored. */

import type { DirectoryNode } from '../model/node.ts';
import type { Core } from '../state/core.ts';

/**
 * Makes the least recently used session absent, of those that are not in `except` and of which everything is in the cache.
 * Answers which; undefined: there is none. What the kernel knows of it stays true as long as the bucket keeps it.
 */
export function evictLeastUsed(core: Core, except: ReadonlySet<string>): string | undefined {
  let least: DirectoryNode | undefined;
  for (const node of core.tree.root.children.values()) {
    if (node.kind !== 'directory' || node.absent || node === core.control || except.has(node.name)) continue;
    if ((least === undefined || node.usedAt < least.usedAt) && isAtRest(core, node)) least = node;
  }
  if (least === undefined) return undefined;
  for (const node of core.tree.below(least)) if (node.kind === 'file') core.contents.forget(node);
  least.absent = true;
  return least.name;
}

/** Nobody is in the middle of anything in it. */
function isAtRest(core: Core, session: DirectoryNode): boolean {
  for (const node of core.tree.below(session)) {
    if (node.kind !== 'file') continue;
    if (node.hidden || node.working !== undefined || core.contents.isInJournal(node)) return false;
  }
  return true;
}
