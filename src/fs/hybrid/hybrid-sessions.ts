/**
 * What the main thread tells the core about sessions in the bucket. Calls that wait for one of these (state/presence.ts) are
 * carried out again afterwards: the caller of each method retries what is parked.
 */
import { asCompanion } from '../../sqlite/companions.ts';
import type { DirectoryNode, FileNode } from '../model/node.ts';
import type { Tree } from '../model/tree.ts';
import type { ControlQuestions } from '../operations/control-questions.ts';
import type { Core } from '../state/core.ts';
import type { Remote } from '../state/remote.ts';
import { forgetInKernel, learnNames, markAbsent } from './absent.ts';
import { type Restored, restore } from './restore.ts';

export class HybridSessions {
  readonly #core: Core;
  readonly #remote: Remote;
  readonly #questions: ControlQuestions;

  constructor(core: Core, remote: Remote, questions: ControlQuestions) {
    this.#core = core;
    this.#remote = remote;
    this.#questions = questions;
  }

  /** `argument`: what this thread knows of its state, in JSON. */
  addControlFiles(argument: () => string): void {
    this.#questions.addFiles(argument);
  }

  /** These sessions are (partly or wholly) in the bucket only. */
  markAbsent(sessions: readonly string[]): void {
    markAbsent(this.#core, sessions);
    forgetInKernel(this.#core, sessions);
  }

  /** Every name in the root that the bucket has is in the tree now. */
  learnNames(): void {
    learnNames(this.#core);
  }

  /** See restore.ts. */
  restore(session: string, files: readonly string[], directories: readonly string[], how?: Restored): void {
    restore(this.#core, session, files, directories, how);
  }

  /** The calls that wait for this session get EBUSY. `retry` carries all parked requests out again. */
  refuse(session: string, retry: () => void): void {
    this.#remote.refuse(session, retry);
  }

  /** Another mount has made a session of this name (`exists`), or none has. */
  learnName(name: string, exists: boolean): void {
    this.#remote.told(name, this.#core.clock.monotonicMs());
    if (exists) markAbsent(this.#core, [name]);
  }

  /**
   * Cloud mode: makes room in memory. The least recently used session, of those that are not in `except` and of which
   * everything is in the cache, becomes absent; it is restored when a call needs it. Returns its name; undefined: there is
   * none. What the kernel knows of it stays true as long as the bucket keeps it.
   */
  evictLeastUsed(except: readonly string[]): string | undefined {
    const { contents, tree } = this.#core;
    const least = this.#leastUsed(new Set(except));
    if (least === undefined) return undefined;
    for (const node of tree.inMemory(least)) if (node.kind === 'file') contents.forget(node);
    least.absent = true;
    return least.name;
  }

  /** The answer to a RemoteHost.ask; undefined: it failed. */
  answer(id: number, text: string | undefined): void {
    this.#questions.answer(id, text);
  }

  #leastUsed(except: ReadonlySet<string>): DirectoryNode | undefined {
    const { tree, control } = this.#core;
    let least: DirectoryNode | undefined;
    for (const node of tree.root.children.values()) {
      if (node.kind !== 'directory' || node.absent || node === control || except.has(node.name)) continue;
      if ((least === undefined || node.usedAt < least.usedAt) && this.#isAtRest(node)) least = node;
    }
    return least;
  }

  /** No file in it is being written, and the cache has all of them. What cannot be read now stays. */
  #isAtRest(session: DirectoryNode): boolean {
    const { contents, tree } = this.#core;
    try {
      session.read();
    } catch {
      return false;
    }
    for (const node of tree.below(session)) {
      if (node.kind !== 'file') continue;
      if (node.hidden || node.hasUncommitted || contents.isInJournal(node)) return false;
      // The bucket does not keep it, and an application that has a database open would go on with what is gone.
      if (isBesideAnother(tree, node)) return false;
    }
    return true;
  }
}

/** By its name, it may be what SQLite keeps beside a database. */
function isBesideAnother(tree: Tree, node: FileNode): boolean {
  const companion = asCompanion(tree.pathOf(node));
  return companion !== undefined && tree.resolve(companion.database)?.kind === 'file';
}
