/** What the next daemon goes on with: working copies, and the numbers that the kernel knows nodes by. */
import type { KnownNodes } from '../../store/checkpoint/node-table.ts';
import type { FileNode } from '../model/node.ts';
import { readNodeAttributes } from '../model/node-attributes.ts';
import type { Tree } from '../model/tree.ts';
import { WorkingCopy } from '../model/working-copy.ts';
import { applyMeta } from '../state/contents.ts';
import type { Core } from '../state/core.ts';
import { touchAll } from '../state/times.ts';
import type { Unfinished, WorkStep } from './journal-replay.ts';
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

/** Created and not yet written: an application may have it open. */
function rebuildCreated(core: Core, builder: TreeBuilder, path: string, attributes: Buffer): void {
  if (!builder.hasRoomFor(path)) return;
  const node = builder.newFile();
  readNodeAttributes(attributes, node);
  touchAll(core, node);
  node.working = WorkingCopy.empty(true, core.clock.monotonicMs());
  builder.attach(path, node);
  core.pending.add(node);
}

/** Begun and never complete: all that is known of it lies in the pieces. */
function rebuildBegun(core: Core, builder: TreeBuilder, path: string, steps: readonly WorkStep[]): void {
  const piece = steps.findLast((step) => step.kind === 'write');
  if (piece === undefined || !builder.hasRoomFor(path)) return;
  const node = builder.newFile();
  applyMeta(node, piece.meta, core.options.owner);
  node.working = rebuild(core, Buffer.alloc(0), steps);
  builder.attach(path, node);
  core.pending.add(node);
}

function rebuildOver(core: Core, node: FileNode, path: string, steps: readonly WorkStep[]): void {
  // It is sealed again when it is committed, with its mode, owner and times.
  core.contents.load(node, path);
  const truncated = steps[0]?.kind === 'truncate' && steps[0].size === 0;
  const base = truncated ? Buffer.alloc(0) : core.contents.read(node, path);
  if (typeof base === 'number') return;
  node.working = rebuild(core, base, steps);
  core.pending.add(node);
}

function rebuild(core: Core, base: Buffer, steps: readonly WorkStep[]): WorkingCopy {
  const now = core.clock.monotonicMs();
  // Each step says what the copy was before it; whether the last one made it plain, its content tells.
  const held = steps.at(-1)?.held === true;
  const working = base.length === 0 ? WorkingCopy.empty(held, now) : WorkingCopy.of(base, held, now);
  for (const step of steps) {
    if (step.kind === 'write') working.write(step.offset, step.data, now);
    else working.truncate(step.size, now);
  }
  if (held && working.verdict() === 'plain') working.reveal();
  working.journaled = true;
  return working;
}

export function inheritNumbers(tree: Tree, known: KnownNodes): void {
  for (const [path, id] of known.byPath) {
    const node = tree.resolve(path);
    if (node !== undefined) tree.inherit(node, id);
  }
}
