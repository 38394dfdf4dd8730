/**
 * Sessions whose content is still in the bucket. They are directories like others, so that the root can be listed; what
 * needs their content waits (state/presence.ts) until it was restored (restore.ts).
 */

import type { KnownNodes } from '../../store/checkpoint/node-table.ts';
import { DirectoryNode, type Node } from '../model/node.ts';
import { CONTROL_NAME } from '../operations/control-files.ts';
import { DEFAULT_DIRECTORY_MODE } from '../operations/directories.ts';
import type { Core } from '../state/core.ts';
import { isNoSession } from '../state/remote.ts';
import { touch, touchAll } from '../state/times.ts';

/** A file of that name in the root stays, and the session is out of reach behind it. Names that no path has are left out. */
export function markAbsent(core: Core, sessions: readonly string[]): void {
  const { root } = core.tree;
  for (const session of sessions) {
    if (session === '' || session === CONTROL_NAME || session.includes('/')) continue;
    const existing = root.children.get(session);
    if (existing === undefined) makeAbsent(core, session);
    else if (existing.kind === 'directory') existing.absent = true;
    else reportTaken(core, session);
  }
}

/**
 * Sessions whose folders the kernel was told of by the daemon before, and of which nothing is here: it had learned their names
 * (HybridSessions.learnName), or found them empty. Whether the bucket has them is to be asked again.
 */
export function knownByName({ tree, remote }: Core, { byPath }: KnownNodes): string[] {
  if (remote === undefined) return [];
  return [...byPath.keys()].filter(
    (path) => !path.includes('/') && !isNoSession(path) && !tree.root.children.has(path),
  );
}

function makeAbsent(core: Core, session: string): void {
  const { owner } = core.options;
  const node = new DirectoryNode(DEFAULT_DIRECTORY_MODE, owner.uid, owner.gid);
  touchAll(core, node);
  node.absent = true;
  core.tree.attach(core.tree.root, session, node);
  // The kernel's listing of the root lacks it.
  touch(core, core.tree.root);
}

function reportTaken(core: Core, session: string): void {
  core.log({
    level: 'warn',
    message:
      'The bucket has a session where the mount has a file; the session is out of reach until the file is renamed',
    fields: { session },
  });
}

/** After `markAbsent`: makes the kernel ask for what it knows of these sessions, and for the names that it believes free. */
export function forgetInKernel(core: Core, sessions: readonly string[]): void {
  const { remote, tree, invalidator } = core;
  invalidator.inode(tree.root.id, -1, 0);
  for (const session of sessions) {
    const node = tree.root.children.get(session);
    if (node?.kind !== 'directory' || !node.absent) continue;
    // With the name go those below it that the kernel believes free; before names are known none is given out as free. Only
    // then: it waits for the lock of the root, and a daemon that is killed while it waits for one cannot be replaced.
    if (remote?.namesKnown) invalidator.entry(tree.root.id, session);
    if (node.lookups === 0) continue;
    remote?.knownBefore(session);
    invalidator.inode(node.id, -1, 0);
    for (const below of tree.inMemory(node)) forgetName(core, below);
  }
}

/** Its name, what it is, and what pages there are of it. */
export function forgetName({ invalidator }: Core, node: Node): void {
  const { parent } = node;
  if (node.lookups === 0 || parent === undefined || parent.lookups === 0) return;
  invalidator.entry(parent.id, node.name);
  invalidator.inode(node.id, node.kind === 'file' ? 0 : -1, 0);
}

/** The bucket was listed: a name that is not in the tree is nowhere. */
export function learnNames(core: Core): void {
  const { remote, tree } = core;
  if (remote === undefined || remote.namesKnown) return;
  remote.namesKnown = true;
  touch(core, tree.root);
  // An earlier daemon may have let the kernel keep it.
  core.invalidator.inode(tree.root.id, -1, 0);
}
