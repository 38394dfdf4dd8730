/** The `.sessionfs` folder in the root: not listed, reachable by name, its files made when they are read. */

import { S_IFDIR } from '../../lib/file-type.ts';
import { ControlFileNode, type ControlSource, DirectoryNode } from '../model/node.ts';
import type { Core } from '../state/core.ts';
import { touchAll } from '../state/times.ts';

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

export function addControlFile(
  { tree, control, clock }: Pick<Core, 'tree' | 'control' | 'clock'>,
  name: string,
  source: ControlSource,
): ControlFileNode {
  const node = new ControlFileNode(source, control.uid, control.gid);
  tree.inherit(node, CONTROL_NODE + 1 + control.children.size);
  node.parent = control;
  node.name = name;
  control.children.set(name, node);
  touchAll({ clock }, node);
  return node;
}

/** What this thread can make by itself; the content of other files stays what it was last answered. */
export function renderControlFile(core: Core, node: ControlFileNode): void {
  if (node.source.by === 'render' && !isFresh(core, node)) setSnapshot(core, node, node.source.render());
}

export function isFresh(core: Core, node: ControlFileNode): boolean {
  return core.clock.monotonicMs() - node.renderedMs < SNAPSHOT_MS;
}

export function setSnapshot(core: Core, node: ControlFileNode, text: string): void {
  node.renderedMs = core.clock.monotonicMs();
  node.snapshot = Buffer.from(text);
  // A new time makes the kernel drop the pages that it kept, those that another daemon filled too.
  touchAll(core, node);
}
