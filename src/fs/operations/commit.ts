/** The moment at which content becomes a file's durable version: one journal record, or an error and no change. */
import { Errno, errnoOf, isDiskFull } from '../../lib/errno.ts';
import { CREDS_BACKUP } from '../../naming/session-path.ts';
import { isGatedName } from '../model/json-gate.ts';
import type { DirectoryNode, FileNode } from '../model/node.ts';
import { type Core, findChild } from '../state/core.ts';
import { timesOf, touch } from '../state/times.ts';

/** Copying such a content would show in the memory of the process. */
const LARGE_BYTES = 1024 * 1024;

/** `plain` was written now and becomes the durable version; on failure the version before it stays. */
export function commit(core: Core, node: FileNode, plain: Buffer): 0 | Errno {
  if (!core.contents.load(node, core.tree.pathOf(node))) return Errno.EIO;
  const before = timesOf(node);
  touch(core, node);
  const failed = store(core, node, plain);
  if (failed !== 0) Object.assign(node, before);
  return failed;
}

/**
 * At fsync(2). The journal has every change already, and the caller waits until the disk has the journal, so a commit is not what
 * makes the file durable. It seals the whole file again: a database that syncs each page of a large file would pay for all of it.
 */
export function commitAtSync(core: Core, node: FileNode): 0 | Errno {
  const isDueAnyway = core.remote?.writeThrough === true || isGatedName(node.name);
  return isDueAnyway || node.working?.isMostlyNew === true ? commitPlain(core, node) : 0;
}

/** Commits a working copy that is visible already: at fsync, at rename, when idle. Its times stay. */
export function commitPlain(core: Core, node: FileNode): 0 | Errno {
  const { working } = node;
  if (working === undefined || node.state !== 'plain' || node.parent === undefined) return 0;
  if (!core.contents.load(node, core.tree.pathOf(node))) return Errno.EIO;
  return store(core, node, working.view(), true);
}

/** `isOwned`: nothing else holds `plain`, or will. Only a large one is kept as it is, and not in a buffer over twice its size. */
function store(core: Core, node: FileNode, plain: Buffer, isOwned = false): 0 | Errno {
  const wasHidden = node.hidden;
  const path = core.tree.pathOf(node);
  const change = core.registrations.change(path, node, plain, backupBeside(core, node.parent));
  if (typeof change === 'number') return change;
  const failed = record(core, () => core.records.put(node, path, plain));
  if (failed !== 0) return failed;
  const isKept = isOwned && plain.length >= LARGE_BYTES && plain.buffer.byteLength <= 2 * plain.length;
  core.contents.remember(node, isKept ? plain : Buffer.from(plain));
  if (change !== undefined) core.registrations.changed(node, change);
  dropWorkingCopy(core, node);
  node.heldWrites = 0;
  if (wasHidden) published(core, node);
  return 0;
}

/** What an application may have renamed the credentials to before an earlier daemon died. */
export function backupBeside(core: Core, folder: DirectoryNode | undefined): FileNode | undefined {
  const backup = folder === undefined ? undefined : findChild(core, folder, CREDS_BACKUP);
  return backup?.kind === 'file' ? backup : undefined;
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
