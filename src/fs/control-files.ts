/** The `.sessionfs` folder in the root: not listed, reachable by name, its files made when someone asks. */

import type { Core } from './core.ts';
import { ControlFileNode, DirectoryNode, S_IFDIR } from './node.ts';
import { touchAll } from './times.ts';
import type { Tree } from './tree.ts';

export const CONTROL_NAME = '.sessionfs';

const WAKE_NAME = 'wake';
/** Looking it up does nothing but wake the thread that answers; it is never there. */
export const WAKE_PATH = `${CONTROL_NAME}/${WAKE_NAME}`;

export function isWakeUp(core: Core, parent: DirectoryNode, name: string): boolean {
  return parent === core.control && name === WAKE_NAME;
}

/** The folder's number; its files follow it, in the order in which they are added. */
export const CONTROL_NODE = 2;

/** One cat(1) is several calls, which must all see the same content. */
const SNAPSHOT_MS = 50;

export function makeControlDirectory(uid: number, gid: number): DirectoryNode {
  const directory = new DirectoryNode(S_IFDIR | 0o500, uid, gid);
  directory.name = CONTROL_NAME;
  return directory;
}

export function addControlFile(tree: Tree, control: DirectoryNode, name: string, render: () => string): void {
  const node = new ControlFileNode(render, control.uid, control.gid);
  tree.inherit(node, CONTROL_NODE + control.nextCookie);
  node.parent = control;
  node.name = name;
  node.cookie = control.nextCookie++;
  control.children.set(name, node);
}

export function renderControlFile(core: Core, node: ControlFileNode): void {
  const now = core.clock.monotonicMs();
  if (now - node.renderedMs < SNAPSHOT_MS) return;
  node.renderedMs = now;
  node.snapshot = Buffer.from(node.render());
  // A new time makes the kernel drop the pages that it kept, those that another daemon filled too.
  touchAll(core, node);
}
