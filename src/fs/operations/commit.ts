/** The moment at which content becomes a file's durable version: one journal record, or an error and no change. */
import { Errno, errnoOf, isDiskFull } from '../../lib/errno.ts';
import { asCompanion } from '../../sqlite/companions.ts';
import { releaseRoomForRemovals } from '../../store/cache/ballast.ts';
import { isGatedName } from '../model/json-gate.ts';
import type { FileNode } from '../model/node.ts';
import type { Core } from '../state/core.ts';
import { timesOf, touch } from '../state/times.ts';

/** Copying such a content would show in the memory of the process. */
const LARGE_BYTES = 1024 * 1024;

/** `plain` was written now and becomes the durable version; on failure the version before it stays. */
export function commit(core: Core, node: FileNode, plain: Buffer): 0 | Errno {
  if (!core.contents.load(node, core.tree.pathOf(node))) return Errno.EIO;
  return asOfNow(core, node, () => store(core, node, plain));
}

/** `work` writes down the node with the present time; where it fails the node keeps the one before. */
export function asOfNow(core: Core, node: FileNode, work: () => 0 | Errno): 0 | Errno {
  const before = timesOf(node);
  touch(core, node);
  const failed = work();
  if (failed !== 0) Object.assign(node, before);
  return failed;
}

/**
 * At fsync(2). The journal has every change already, but for pages of a full disk, and the caller waits until the disk has the
 * journal, so a commit is not what makes the file durable. It seals the whole file again: a database that syncs each page of a
 * large file would pay for all of it, and one that syncs its log before a checkpoint for what it is about to write over.
 */
export function commitAtSync(core: Core, node: FileNode): 0 | Errno {
  const isDueAnyway =
    core.remote?.writeThrough === true || isGatedName(node.name) || node.working?.isAhead === true;
  if (isDueAnyway) return commitPlain(core, node);
  const isWorthIt = node.working?.isMostlyNew === true && asCompanion(node.name) === undefined;
  return isWorthIt ? commitPlain(core, node) : 0;
}

/** Commits a working copy that is visible already: at fsync, at rename, when idle. Its times stay. */
export function commitPlain(core: Core, node: FileNode): 0 | Errno {
  const { working } = node;
  if (working === undefined || node.state !== 'plain' || node.parent === undefined) return 0;
  if (!core.contents.load(node, core.tree.pathOf(node))) return Errno.EIO;
  return store(core, node, working.view(), true);
}

/** See replaceWorkingCopy. */
function store(core: Core, node: FileNode, plain: Buffer, isOwned = false): 0 | Errno {
  const wasHidden = node.hidden;
  const path = core.tree.pathOf(node);
  const change = core.registrations.change(path, node, plain);
  if (typeof change === 'number') return change;
  const failed = record(core, () => core.records.put(node, path, plain));
  if (failed !== 0) return failed;
  replaceWorkingCopy(core, node, plain, isOwned);
  if (change !== undefined) core.registrations.changed(node, change);
  node.heldWrites = 0;
  if (node.parent !== undefined) node.parent.committedMs = core.clock.monotonicMs();
  if (wasHidden) published(core, node);
  return 0;
}

/**
 * `plain` is the committed content now. `isOwned`: it is the working copy's, which nothing else holds or changes any more; a large
 * one is kept as it is then, unless its buffer is over twice its size.
 */
export function replaceWorkingCopy(core: Core, node: FileNode, plain: Buffer, isOwned: boolean): void {
  const isKept = isOwned && plain.length >= LARGE_BYTES && plain.buffer.byteLength <= 2 * plain.length;
  core.contents.remember(node, isKept ? plain : Buffer.from(plain));
  dropWorkingCopy(core, node);
}

export function dropWorkingCopy(core: Core, node: FileNode): void {
  node.working = undefined;
  node.unbuilt = undefined;
  core.pending.delete(node);
}

/** A name that readers did not know is there now. The folder's new time makes the kernel list it again. */
function published(core: Core, node: FileNode): void {
  const { parent } = node;
  if (parent === undefined) return;
  parent.hiddenChildren--;
  touch(core, parent);
}

/** As `record`, of what only removes: where no room could be made for it, it gets what is kept for this. */
export function recordFreeing(core: Core, add: () => void): 0 | Errno {
  const errno = record(core, add);
  if (!isDiskFull(errno) || !core.isLastTry || !releaseRoomForRemovals(core.cache.path)) return errno;
  return record(core, add);
}

/**
 * One journal record: all that `add` adds, or an error and nothing. `request`: the one that is carried out by it, which the
 * next daemon only answers; 0 for what is done on the side.
 */
export function record(core: Core, add: () => void, request = core.request): 0 | Errno {
  try {
    core.records.begin(request);
    add();
    core.records.commit();
    return 0;
  } catch (error) {
    core.records.abort();
    const errno = errnoOf(error);
    // A full disk is logged where no room could be made.
    if (!isDiskFull(errno)) {
      const fields = { error: String(error) };
      core.log({ level: 'error', message: 'a write to the journal failed', fields });
    }
    return errno;
  }
}
