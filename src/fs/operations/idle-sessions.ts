/**
 * Sessions that leave memory: where more files are in it than a limit, those of the sessions that rest longest go, and are read
 * again when a call needs them. No number of theirs may be known to the kernel then, so it is asked to forget them first.
 */
import { asCompanion } from '../../sqlite/companions.ts';
import type { DirectoryNode, Node } from '../model/node.ts';
import { isInherited } from '../model/tree.ts';
import type { Core } from '../state/core.ts';

interface Parts {
  /** See SessionReader. */
  leave: (session: DirectoryNode) => void;
  /** The newest segment that was there before this process; 0: none. */
  replayed: number;
  /** So many files may be in memory. */
  filesMax: number;
}

/** A session that was used since then stays, unless there are twice as many files as there may be. */
const IDLE_MS = 60_000;
const HURRIED_IDLE_MS = 2_000;
const SCAN_MS = 1_000;
/** What the kernel has not forgotten by then is in use. */
const FORGET_MS = 30_000;
/** The kernel is told of one file after another. */
const LEAVING_MAX = 16;

export class IdleSessions {
  readonly #core: Core;
  readonly #parts: Parts;
  /** Those that the kernel is to forget, and since when. */
  readonly #leaving = new Map<DirectoryNode, number>();
  #nextMs = 0;

  constructor(core: Core, parts: Parts) {
    this.#core = core;
    this.#parts = parts;
  }

  /** `settle` wants to be called. */
  get isDue(): boolean {
    if (this.#leaving.size > 0) return true;
    return this.#excess > 0 && this.#core.clock.monotonicMs() >= this.#nextMs;
  }

  settle(): void {
    const nowMs = this.#core.clock.monotonicMs();
    for (const [session, sinceMs] of this.#leaving) this.#goOn(session, sinceMs, nowMs);
    if (this.#excess <= 0 || nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + SCAN_MS;
    let excess = this.#excess;
    for (const session of this.#leaving.keys()) excess -= session.children.size;
    for (const session of this.#idleSince(nowMs)) {
      if (excess <= 0) return;
      // To look whether the kernel holds it is less work, and most that cannot go are held.
      if (!this.#mayGo(session) || !this.#isAtRest(session)) continue;
      excess -= session.children.size;
      this.#begin(session, nowMs);
    }
  }

  get #excess(): number {
    // In cloud mode none leaves: Remote evicts sessions there.
    if (this.#core.remote?.writeThrough) return 0;
    return this.#core.tree.files - this.#parts.filesMax;
  }

  /** The one that rests longest first. */
  #idleSince(nowMs: number): DirectoryNode[] {
    const { tree } = this.#core;
    const idleMs = this.#excess > this.#parts.filesMax ? HURRIED_IDLE_MS : IDLE_MS;
    const idle = [...tree.root.children.values()].filter(
      (node): node is DirectoryNode =>
        node.kind === 'directory' && node.isRead && nowMs - node.usedMs >= idleMs && !this.#leaving.has(node),
    );
    return idle.sort((a, b) => a.usedMs - b.usedMs);
  }

  /** The kernel holds nothing of it, or can be asked to forget it. */
  #mayGo(session: DirectoryNode): boolean {
    // Each question waits for the lock of the folder, which with a bucket a call that waits may hold.
    const canAsk = this.#core.remote === undefined && this.#leaving.size < LEAVING_MAX;
    return canAsk || !isHeld(session);
  }

  #begin(session: DirectoryNode, nowMs: number): void {
    const { invalidator } = this.#core;
    if (!isHeld(session)) {
      this.#parts.leave(session);
      return;
    }
    this.#leaving.set(session, nowMs);
    // The folder's own name stays: an application may have it as its working directory, and could not tell where it is.
    for (const child of session.children.values())
      if (child.lookups > 0) invalidator.entry(session.id, child.name);
  }

  #goOn(session: DirectoryNode, sinceMs: number, nowMs: number): void {
    const isOver = session.usedMs > sinceMs || nowMs - sinceMs >= FORGET_MS || !this.#isAtRest(session);
    if (isOver || !isHeld(session)) this.#leaving.delete(session);
    // A file that an application has open is held: the kernel is not asked again at once.
    if (isOver) session.usedMs = nowMs;
    else if (!isHeld(session)) this.#parts.leave(session);
  }

  /** The cache has all of it, and what memory has of it beside that can be kept aside. */
  #isAtRest(session: DirectoryNode): boolean {
    const { contents, control, databases, records, tree } = this.#core;
    if (session === control || session.parent !== tree.root || session.absent) return false;
    if (session.subdirectories > 0 || tree.unrecorded.length > 0) return false;
    if (databases.hasRemovalIn(session)) return false;
    if (Math.max(this.#parts.replayed, records.changedIn(session.name)) > contents.retired) return false;
    for (const child of session.children.values()) if (!this.#isFileAtRest(child)) return false;
    return session.children.size > 0;
  }

  #isFileAtRest(node: Node): boolean {
    if (node.kind !== 'file' || isInherited(node)) return false;
    // What is known of a database's log (see DatabaseRegistrations) is known of its node.
    if (asCompanion(node.name) !== undefined) return false;
    return !node.hidden && !node.hasUncommitted && !this.#core.contents.isInJournal(node);
  }
}

/** The kernel knows files in it by their numbers. */
function isHeld(session: DirectoryNode): boolean {
  for (const child of session.children.values()) if (child.lookups > 0) return true;
  return false;
}
