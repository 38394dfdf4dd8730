/** read(2), write(2), truncate(2) and fsync(2), and the commit gate that stands between them and the journal. */
import { Errno, isDiskFull } from '../../lib/errno.ts';
import { isGatedName, judgeWhole } from '../model/json-gate.ts';
import { type FileNode, NOT_COMMITTED } from '../model/node.ts';
import { WorkingCopy, type WorkingCopyUndo } from '../model/working-copy.ts';
import type { Core } from '../state/core.ts';
import { touch } from '../state/times.ts';
import { asOfNow, commit, commitPlain, record } from './commit.ts';
import { truncateOrphan, writeOrphan } from './orphan.ts';

/** The smallest page of any machine: a write that covers one may leave it up to date in the kernel. */
const PAGE_BYTES = 4096;

export function readFile(
  core: Core,
  node: FileNode,
  offset: number,
  size: number,
  out: Buffer,
  at: number,
): number {
  if (node.orphan !== undefined) return node.orphan.read(offset, size, out, at);
  node.mayHavePages = true;
  const { working } = node;
  if (working !== undefined && node.state !== 'held') {
    return copyOut(working.view(), offset, size, out, at);
  }
  const content = core.contents.read(node, core.tree.pathOf(node));
  if (typeof content === 'number') return content;
  return copyOut(content, offset, size, out, at);
}

export function copyOut(content: Buffer, offset: number, size: number, out: Buffer, at: number): number {
  if (offset >= content.length) return 0;
  return content.copy(out, at, offset, Math.min(content.length, offset + size));
}

export function writeFile(core: Core, node: FileNode, offset: number, data: Buffer, append: boolean): number {
  if (node.dropped) return Errno.EIO;
  const at = append ? lengthForWriters(node) : offset;
  if (at + data.length > core.options.maxFileSize) return Errno.EFBIG;
  if (data.length === 0) return 0;
  if (node.parent === undefined) return writeOrphan(core, node, at, data);
  if (data.length >= PAGE_BYTES) node.mayHavePages = true;
  const taken = core.databases.beforeWrite(node, at, data);
  if (typeof taken === 'number') return taken;
  const failed = isReplacedWhole(node, at, data) ? commit(core, node, data) : patch(core, node, at, data);
  if (failed !== 0) return failed;
  taken();
  return data.length;
}

/**
 * What processes changed in mapped pages. There is none to get an error, and a page that is refused is clean to the kernel, which
 * drops it with the next change of the file's time: what a full disk does not take stays in memory until it does.
 */
export function writePages(core: Core, node: FileNode, offset: number, data: Buffer): number {
  const written = writeFile(core, node, offset, data, false);
  return isDiskFull(written) && core.isLastTry ? keepPages(core, node, offset, data, written) : written;
}

function keepPages(core: Core, node: FileNode, at: number, data: Buffer, refused: number): number {
  if (node.parent === undefined || isGatedName(node.name)) return refused;
  const working = workingCopyOf(core, node, core.tree.pathOf(node));
  if (typeof working === 'number' || working.isHeldBack) return refused;
  working.write(at, data, core.clock.monotonicMs());
  working.isAhead = true;
  node.working = working;
  core.pending.add(node);
  touch(core, node);
  return data.length;
}

/** The usual case: one write that brings a whole *.json. It needs no working copy. */
function isReplacedWhole(node: FileNode, at: number, data: Buffer): boolean {
  return (
    at === 0 &&
    isGatedName(node.name) &&
    data.length >= lengthForWriters(node) &&
    judgeWhole(data) === 'complete'
  );
}

export function lengthForWriters(node: FileNode): number {
  return node.orphan?.length ?? node.working?.length ?? node.size;
}

/** Changes the working copy, which survives this process once journaled, or commits it if that completes it. */
function patch(core: Core, node: FileNode, at: number, data: Buffer): 0 | Errno {
  const path = core.tree.pathOf(node);
  const working = workingCopyOf(core, node, path);
  if (typeof working === 'number') return working;
  const held = working.isHeldBack;
  const journal = () => core.records.workWrite(node, path, at, data, held);
  if (held || isGatedName(node.name)) {
    const undo = working.before(at, data.length);
    working.write(at, data, core.clock.monotonicMs());
    return settleChange(core, node, working, journal, undo);
  }
  // What is in the journal and cannot be in memory would fail every daemon that comes.
  working.reserve(at + data.length);
  const failed = recordVisible(core, node, journal);
  if (failed !== 0) return failed;
  working.write(at, data, core.clock.monotonicMs());
  adoptWorkingCopy(core, node, working);
  return 0;
}

/** Of a change that readers see. What it writes down has the time of the change, which the next daemon goes on with. */
function recordVisible(core: Core, node: FileNode, journal: () => void): 0 | Errno {
  return asOfNow(core, node, () => record(core, journal));
}

/** Truncation (and extension) to `size`. Of a *.json it only begins a new version: readers keep the committed one. */
export function truncateFile(core: Core, node: FileNode, size: number): 0 | Errno {
  if (node.dropped) return Errno.EIO;
  if (size > core.options.maxFileSize) return Errno.EFBIG;
  if (node.parent === undefined) return truncateOrphan(core, node, size);
  if (size === lengthForWriters(node)) return 0;
  const taken = core.databases.beforeTruncate(node, size);
  if (typeof taken === 'number') return taken;
  const failed = truncateNamed(core, node, size);
  if (failed === 0) taken();
  return failed;
}

function truncateNamed(core: Core, node: FileNode, size: number): 0 | Errno {
  const path = core.tree.pathOf(node);
  const failed = isGatedName(node.name) ? commitPlain(core, node) : 0;
  if (failed !== 0) return failed;
  const working =
    size === 0 ? (node.working ?? emptyWorkingCopy(core, node)) : workingCopyOf(core, node, path);
  if (typeof working === 'number') return working;
  const held = working.isHeldBack;
  const undo = working.before(size, 0);
  const journal = () => core.records.workTruncate(path, size, held);
  working.truncate(size, core.clock.monotonicMs());
  if (size > 0 || !held) return settleChange(core, node, working, journal, undo);
  if (node.segment !== NOT_COMMITTED || working.journaled)
    return keepChange(core, node, working, record(core, journal), undo);
  // Of a new file that is still empty there is nothing to write down.
  core.pending.add(node);
  return 0;
}

/**
 * What a change of a working copy leads to, in one journal record: published, held back, or (not JSON at all) plain and
 * visible. If that record fails the change is taken back.
 */
function settleChange(
  core: Core,
  node: FileNode,
  working: WorkingCopy,
  journal: () => void,
  undo: WorkingCopyUndo,
): 0 | Errno {
  const verdict = working.isHeldBack || isGatedName(node.name) ? working.verdict(core.scanBudget) : 'plain';
  const publishes = verdict === 'complete' || (verdict === 'plain' && node.hidden);
  if (publishes) {
    const failed = commit(core, node, working.view());
    if (failed !== 0) working.undo(undo);
    return failed;
  }
  const isVisible = verdict === 'plain' || !working.isHeldBack;
  const recorded = isVisible ? recordVisible(core, node, journal) : record(core, journal);
  const failed = keepChange(core, node, working, recorded, undo);
  if (failed !== 0) return failed;
  if (isVisible) working.reveal();
  else node.heldWrites++;
  return 0;
}

/** `failed`: why it could not be written down. */
function keepChange(
  core: Core,
  node: FileNode,
  working: WorkingCopy,
  failed: 0 | Errno,
  undo: WorkingCopyUndo,
): 0 | Errno {
  if (failed === 0) adoptWorkingCopy(core, node, working);
  else working.undo(undo);
  return failed;
}

function workingCopyOf(core: Core, node: FileNode, path: string): WorkingCopy | Errno {
  if (node.working !== undefined) return node.working;
  const content = core.contents.read(node, path);
  if (typeof content === 'number') return content;
  return WorkingCopy.of(content, isGatedName(node.name), core.clock.monotonicMs());
}

function emptyWorkingCopy(core: Core, node: FileNode): WorkingCopy {
  return WorkingCopy.empty(isGatedName(node.name), core.clock.monotonicMs());
}

function adoptWorkingCopy(core: Core, node: FileNode, working: WorkingCopy): void {
  working.journaled = true;
  node.working = working;
  core.pending.add(node);
}
