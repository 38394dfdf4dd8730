/** What the next daemon goes on with: working copies, and the numbers that the kernel knows nodes by. */

import { isSpecialType, S_IFMT } from '../../lib/file-type.ts';
import { sessionOfPath } from '../../naming/session-path.ts';
import type { KnownNodes } from '../../store/checkpoint/node-table.ts';
import { FileNode, SpecialNode } from '../model/node.ts';
import { readNodeAttributes } from '../model/node-attributes.ts';
import { WorkingCopy, type WorkStep } from '../model/working-copy.ts';
import { applyMeta } from '../state/contents.ts';
import type { Core } from '../state/core.ts';
import { touchAll } from '../state/times.ts';
import type { Unfinished } from './journal-replay.ts';
import type { TreeBuilder } from './tree-builder.ts';

/** After all names are placed and contents can be read: applications that outlived the last process go on with their files. */
export function rebuildWorkingCopies(core: Core, builder: TreeBuilder, { work, created }: Unfinished): void {
  for (const [path, attributes] of created) rebuildCreated(core, builder, path, attributes);
  for (const [path, steps] of work) {
    const node = core.tree.resolve(path);
    if (node === undefined) rebuildBegun(core, builder, path, steps);
    else if (node.kind === 'file') rebuildOver(core, node, path, steps);
  }
}

/** A FIFO or a socket, or a file that was created and not yet written: an application may have it open. */
function rebuildCreated(core: Core, builder: TreeBuilder, path: string, attributes: Buffer): void {
  if (!builder.hasRoomFor(path)) return;
  const { mode, uid, gid } = readNodeAttributes(attributes);
  const node = isSpecialType(mode & S_IFMT) ? new SpecialNode(mode, uid, gid) : new FileNode(mode, uid, gid);
  touchAll(core, node);
  if (node.kind === 'file') {
    node.working = WorkingCopy.empty(true, core.clock.monotonicMs());
    core.pending.add(node);
  }
  builder.attach(path, node);
}

/** Begun and never complete: all that is known of it lies in the pieces. */
function rebuildBegun(core: Core, builder: TreeBuilder, path: string, steps: readonly WorkStep[]): void {
  const piece = steps.findLast((step) => step.kind === 'write');
  if (piece === undefined || !builder.hasRoomFor(path)) return;
  const node = builder.newFile();
  applyMeta(node, piece.meta, core.options.owner);
  node.working = WorkingCopy.rebuilt(Buffer.alloc(0), steps, core.clock.monotonicMs());
  builder.attach(path, node);
  core.pending.add(node);
}

/** Where the version that it changes cannot be read now it waits for that: what was written is not given up. */
function rebuildOver(core: Core, node: FileNode, path: string, steps: readonly WorkStep[]): void {
  core.pending.add(node);
  node.unbuilt = steps;
  // It is sealed again when it is committed, with its mode, owner and times.
  core.contents.load(node, path);
}

/** A folder that the disk does not give now costs the numbers of its files, and not the mount: what is open of them is stale. */
export function inheritNumbers({ tree, log }: Pick<Core, 'tree' | 'log'>, known: KnownNodes): void {
  const unreadable = new Set<string>();
  const awaited = new Map<string, Map<string, number>>();
  for (const [path, id] of known.byPath) {
    const top = sessionOfPath(path, 'directory');
    try {
      const node = unreadable.has(top) && path !== top ? undefined : tree.resolve(path);
      if (node !== undefined) tree.inherit(node, id);
      else if (isAbsent(tree, top)) noteAwaited(awaited, top, path, id);
    } catch (error) {
      unreadable.add(top);
      const message =
        'a folder cannot be read from the cache; files of it that were open before are not known any more; everything else goes on';
      log({ level: 'error', message, fields: { folder: top, error: String(error) } });
    }
  }
  for (const [session, numbers] of awaited) tree.awaited.add(session, numbers);
}

function isAbsent({ root }: Core['tree'], session: string): boolean {
  const folder = root.children.get(session);
  return folder?.kind === 'directory' && folder.absent;
}

function noteAwaited(
  awaited: Map<string, Map<string, number>>,
  session: string,
  path: string,
  id: number,
): void {
  const numbers = awaited.get(session);
  if (numbers === undefined) awaited.set(session, new Map([[path, id]]));
  else numbers.set(path, id);
}
