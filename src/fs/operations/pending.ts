/**
 * Working copies in time: a plain one is committed when it rests, an incomplete *.json is given up when it rests for
 * long, and all of them are repeated in a new journal segment, so that the old one can go; FIFOs and sockets are too.
 */

import type { GateVerdict } from '../model/json-gate.ts';
import type { DirectoryNode, FileNode } from '../model/node.ts';
import { absentSessionOf } from '../model/tree.ts';
import type { WorkingCopy } from '../model/working-copy.ts';
import type { Core } from '../state/core.ts';
import { commit, commitPlain, dropWorkingCopy, record } from './commit.ts';

/** A large file is not sealed again after every little pause. */
const IDLE_MS_PER_MIB = 100;
/** A file that never rests, a log or a database, is committed all the same: only what is committed is backed up. */
const BUSY_MS = 5_000;
const BUSY_MS_PER_MIB = 500;
/** So many times as long as in a folder that rests, incomplete JSON is kept in one where files are written. */
const BUSY_FOLDER_FACTOR = 6;

/** Files that changed and are not in the cache yet, working copies included. */
export function dirtyFiles({ journaled, pending }: Core): FileNode[] {
  return [...new Set([...journaled.all, ...pending])];
}

export interface HeldBackFile {
  readonly file: string;
  readonly bytes: number;
  /** When it was last changed, ISO 8601. */
  readonly since: string;
}

/** Files of which readers do not see what was written last, because it is not complete: the longest unchanged first. */
export function heldBackFiles({ pending, tree, clock }: Core): HeldBackFile[] {
  const held = [...pending].flatMap((node) =>
    node.working?.isHeldBack ? [{ file: tree.pathOf(node), working: node.working }] : [],
  );
  held.sort((a, b) => a.working.changedMs - b.working.changedMs);
  const startMs = clock.wallMs() - clock.monotonicMs();
  return held.map(({ file, working }) => ({
    file,
    bytes: working.length,
    since: new Date(startMs + working.changedMs).toISOString(),
  }));
}

/** Commits and gives up what has rested long enough. Call it every now and then while there is something pending. */
export function settleIdle(core: Core): void {
  const now = core.clock.monotonicMs();
  const { plainIdleMs } = core.options;
  const isAbandoned = abandonment(core, now);
  for (const node of core.pending) {
    if (absentSessionOf(core.tree, node) !== undefined || !goesOn(core, node)) continue;
    const { working } = node;
    if (working === undefined) {
      core.pending.delete(node);
      continue;
    }
    const idleMs = now - working.changedMs;
    if (working.isHeldBack && isAbandoned(node, idleMs)) finishGated(core, node, working);
    else if (idleMs >= plainIdleMs + mebibytes(working) * IDLE_MS_PER_MIB || isOverdue(working, now)) {
      if (working.isUndecided) decide(core, node, working, working.verdict(core.scanBudget));
      if (!working.isHeldBack) commitPlain(core, node);
    }
  }
}

/**
 * Whether the writer of incomplete JSON will not go on, as far as can be told. Baileys creates 812 files at once and then writes them,
 * which takes a machine with little time for it more than `gateIdleMs`: so the files of a folder rest together.
 */
function abandonment({ pending, options }: Core, nowMs: number): (node: FileNode, idleMs: number) => boolean {
  const { gateIdleMs } = options;
  let begun: Map<DirectoryNode, number> | undefined;
  return ({ parent }, idleMs) => {
    if (idleMs < gateIdleMs || parent === undefined) return false;
    if (idleMs >= BUSY_FOLDER_FACTOR * gateIdleMs) return true;
    begun ??= lastBegun(pending);
    const changedMs = Math.max(parent.committedMs, begun.get(parent) ?? Number.NEGATIVE_INFINITY);
    return nowMs - changedMs >= gateIdleMs;
  };
}

/** When a file that is not finished was last changed, by its folder. */
function lastBegun(pending: Iterable<FileNode>): Map<DirectoryNode, number> {
  const last = new Map<DirectoryNode, number>();
  for (const { parent, working } of pending) {
    if (parent === undefined || working === undefined) continue;
    last.set(parent, Math.max(last.get(parent) ?? Number.NEGATIVE_INFINITY, working.changedMs));
  }
  return last;
}

/** False: what an earlier daemon began cannot go on now (see FileNode.unbuilt). */
function goesOn(core: Core, node: FileNode): boolean {
  return node.unbuilt === undefined || core.contents.load(node, core.tree.pathOf(node));
}

function isOverdue(working: WorkingCopy, nowMs: number): boolean {
  return nowMs - working.begunMs >= BUSY_MS + mebibytes(working) * BUSY_MS_PER_MIB;
}

function mebibytes({ length }: WorkingCopy): number {
  return length / 1048576;
}

/**
 * Applications are held up by the bucket: what they have begun beside what they wait for is not idle. Baileys creates hundreds
 * of files before it writes the first one.
 */
export function postponeIdle({ clock, pending }: Core): void {
  const now = clock.monotonicMs();
  for (const { working } of pending) if (working?.isHeldBack) working.changedMs = now;
}

/**
 * Commits plain files that are still being written, as they are, and what is complete and was not looked at yet: a backup of
 * everything wants them.
 */
export function commitPlainFiles(core: Core): void {
  for (const node of core.pending) {
    const { working } = node;
    if (absentSessionOf(core.tree, node) !== undefined) continue;
    if (working?.isUndecided) decide(core, node, working, working.verdict());
    commitPlain(core, node);
  }
}

/** What the last change of it should have led to (see file-content.ts), had there been a budget for it. */
function decide(core: Core, node: FileNode, working: WorkingCopy, verdict: GateVerdict | 'undecided'): void {
  if (verdict === 'complete' || (verdict === 'plain' && node.hidden)) commit(core, node, working.view());
  else if (verdict === 'plain') working.reveal();
}

/**
 * Before the mount goes: no application can complete anything any more. Returns the paths that could not be committed. What was
 * begun in a session that has become absent stays in the journal: the next daemon goes on with it, unless the bucket has another
 * version of the session.
 */
export function settleAll(core: Core): string[] {
  const failed: string[] = [];
  for (const node of core.pending) {
    if (absentSessionOf(core.tree, node) !== undefined) continue;
    const path = core.tree.pathOf(node);
    if (!goesOn(core, node)) failed.push(path);
    else if (node.working?.isHeldBack === true) finishGated(core, node, node.working);
    else if (commitPlain(core, node) !== 0) failed.push(path);
  }
  return failed;
}

/** Complete content is held back only where its commit failed, it was not looked at, or the daemon died before its commit. */
function finishGated(core: Core, node: FileNode, working: WorkingCopy): void {
  if (working.verdict() === 'complete') commit(core, node, working.view());
  else giveUp(core, node, working);
}

function giveUp(core: Core, node: FileNode, working: WorkingCopy): void {
  const path = core.tree.pathOf(node);
  const wasHidden = node.hidden;
  const forget = () => (wasHidden ? core.records.delete(path) : core.records.workDrop(path));
  if ((working.journaled || wasHidden) && record(core, forget) !== 0) return;
  core.incomplete.note(
    { outcome: 'given-up', file: path, bytes: working.length },
    wasHidden
      ? 'incomplete JSON was given up; the file was never published'
      : 'incomplete JSON was given up; the version before it stays',
  );
  if (wasHidden) {
    core.tree.detach(node);
    node.dropped = true;
  }
  dropWorkingCopy(core, node);
  // What was written through mmap(2) the kernel shows; every other reader has asked for the attributes meanwhile.
  if (!wasHidden && node.lookups > 0) core.invalidator.inode(node.id, 0, 0);
}

/** What `repeatPending` would write, sealing left aside. */
export function pendingBytes({ pending }: Core): number {
  let bytes = 0;
  for (const { working } of pending) if (working?.journaled === true) bytes += working.length;
  return bytes;
}

/** Returns false if the journal could not take it: the old segments must stay, and this be tried again. */
export function repeatPending(core: Core): boolean {
  for (const node of core.pending) {
    const { working, unbuilt } = node;
    if (unbuilt === undefined && !(working?.journaled || (working && node.hidden))) continue;
    const path = core.tree.pathOf(node);
    const repeat = () => {
      if (unbuilt !== undefined) core.records.workSteps(node, path, unbuilt);
      if (node.hidden && node.id !== 0) core.records.node(node, path);
      if (working?.journaled) core.records.workSnapshot(node, path, working);
    };
    // Whatever request is at hand, this does not carry it out.
    const failed = record(core, repeat, 0);
    if (failed !== 0) return false;
    if (working?.journaled) working.isAhead = false;
  }
  return repeatSpecials(core);
}

/** FIFOs and sockets end with the mount: no journal has to keep them from then on. */
export function forgetSpecials({ tree }: Core): void {
  tree.specials.clear();
}

function repeatSpecials(core: Core): boolean {
  const { records, tree } = core;
  if (tree.specials.size === 0) return true;
  const repeat = () => {
    for (const node of tree.specials) records.node(node, tree.pathOf(node));
  };
  return record(core, repeat, 0) === 0;
}
