/**
 * readdir(3), without "." and "..", which are the driver's. An entry's offset is the cookie it got when it entered the
 * directory, so a listing in progress neither repeats nor skips what was there all the time, whatever comes and goes.
 */

import { S_IFMT } from '../../lib/file-type.ts';
import type { DirectoryEntry } from '../contract.ts';
import type { DirectoryNode, Node } from '../model/node.ts';
import type { Core } from '../state/core.ts';

/** What readdir shows for a node that was never looked up: as the kernel does itself. */
const UNKNOWN_INO = 0xffffffff;

export function list(
  core: Core,
  directory: DirectoryNode,
  offset: number,
  add: (entry: DirectoryEntry) => boolean,
): void {
  const { cursor } = directory;
  const resumed = cursor !== undefined && cursor.offset === offset;
  // A Map's iterator goes on correctly while entries come and go, and visits them in the order of their cookies.
  const iterator = resumed ? cursor.iterator : directory.children.values();
  let child = resumed ? cursor.pending : next(iterator);
  let last = offset;
  while (child !== undefined) {
    if (isListed(directory, child, offset)) {
      if (!add(entryOf(core, child))) break;
      last = child.cookie;
    }
    child = next(iterator);
  }
  directory.cursor = child === undefined ? undefined : { offset: last, pending: child, iterator };
}

function next(iterator: Iterator<Node>): Node | undefined {
  const step = iterator.next();
  return step.done === true ? undefined : step.value;
}

function isListed(directory: DirectoryNode, child: Node, offset: number): boolean {
  if (child.cookie <= offset || child.parent !== directory) return false;
  return !(child.kind === 'file' && child.hidden);
}

function entryOf(core: Core, child: Node): DirectoryEntry {
  if (child.kind === 'file' && !child.loaded) core.contents.load(child, core.tree.pathOf(child));
  return {
    name: child.name,
    ino: child.id || UNKNOWN_INO,
    type: child.mode & S_IFMT,
    nextOffset: child.cookie,
    handle: child,
  };
}
