/**
 * readdir(3), without "." and "..", which are the driver's. Entries come in the order of their numbers, and an entry's offset
 * is its number: the next daemon knows it too. So a listing in progress neither repeats nor skips what was there all the
 * time, whatever comes and goes.
 */

import { S_IFMT } from '../../lib/file-type.ts';
import type { DirectoryEntry } from '../contract.ts';
import type { DirectoryNode, Node } from '../model/node.ts';
import type { Core } from '../state/core.ts';

type Listing = NonNullable<DirectoryNode['listing']>;

export function list(
  core: Core,
  directory: DirectoryNode,
  offset: number,
  add: (entry: DirectoryEntry) => boolean,
): void {
  let listing = directory.listing ?? survey(core, directory);
  // One that begins shows all that is there now: what was renamed into the folder may have any number.
  if (offset === 0 && listing.changes !== directory.changes) listing = survey(core, directory);
  for (let last = offset; ; listing = survey(core, directory)) {
    last = showPage(core, directory, listing, last, add);
    const isDone = listing.next === listing.children.length;
    // What was found at first serves all pages. At its end names that came meanwhile follow.
    if (isDone && listing.changes !== directory.changes) continue;
    directory.listing = isDone && last === offset ? undefined : listing;
    return;
  }
}

/** Returns the offset of the last entry that was shown. */
function showPage(
  core: Core,
  directory: DirectoryNode,
  listing: Listing,
  offset: number,
  add: (entry: DirectoryEntry) => boolean,
): number {
  const { children } = listing;
  let at = listing.offset === offset ? listing.next : firstBehind(children, offset);
  let last = offset;
  for (; at < children.length; at++) {
    const child = children[at] as Node;
    if (!isListed(directory, child)) continue;
    if (!add(entryOf(core, child))) break;
    last = child.id;
  }
  listing.offset = last;
  listing.next = at;
  return last;
}

function survey(core: Core, directory: DirectoryNode): Listing {
  const children = [...directory.children.values()];
  for (const child of children) core.tree.number(child);
  children.sort((a, b) => a.id - b.id);
  return { children, changes: directory.changes, offset: 0, next: 0 };
}

function firstBehind(children: readonly Node[], offset: number): number {
  let low = 0;
  let high = children.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((children[middle] as Node).id <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isListed(directory: DirectoryNode, child: Node): boolean {
  return child.parent === directory && !(child.kind === 'file' && child.hidden);
}

function entryOf(core: Core, child: Node): DirectoryEntry {
  if (child.kind === 'file' && !child.loaded) core.contents.load(child, core.tree.pathOf(child));
  return { name: child.name, ino: child.id, type: child.mode & S_IFMT, nextOffset: child.id, handle: child };
}
