/**
 * Whether a call has to wait: for the content of a session that is absent, or for a name that the bucket may know (an empty
 * folder in the root that this daemon has found there is no more than a name). A call that
 * waits is answered PARKED before anything has changed. A request that an earlier server carried out only waits for its
 * answer: it never parks. In local mode nothing waits.
 */
import { Errno } from '../../lib/errno.ts';
import { PARKED } from '../contract.ts';
import type { DirectoryNode, Node } from '../model/node.ts';
import { sessionOfNode } from '../model/tree.ts';
import { type Core, findChild, isRepeated } from './core.ts';

/** 0: the call can go on. EBUSY: another mount holds the session and does not hand it over. */
export type Waits = 0 | typeof PARKED | typeof Errno.EBUSY;

export class Presence {
  readonly #core: Core;
  #uses = 0;

  /** The core's tree is built. */
  constructor(core: Core) {
    this.#core = core;
    if (core.remote === undefined) return;
    for (const node of core.tree.root.children.values())
      if (node.kind === 'directory') node.isUnused = !node.isRead || node.children.size === 0;
  }

  /** For what the node is: an absent session, or something in one. */
  of(node: Node): Waits {
    const { remote, tree, request } = this.#core;
    const session = remote && sessionOfNode(tree, node);
    if (session === undefined) return 0;
    session.usedAt = ++this.#uses;
    if (!session.absent) return this.#ofUnused(session);
    if (session.name === remote?.refused) return Errno.EBUSY;
    remote?.want(session.name, request);
    return PARKED;
  }

  /** For what the node is, where that is not a session itself: its folder is there before its content. */
  inside(node: Node): Waits {
    return node.parent === this.#core.tree.root ? 0 : this.of(node);
  }

  /** For a number that no node has: an earlier daemon may have given it to what is in a session that is absent. */
  ofUnknown(id: number): Exclude<Waits, 0> | typeof Errno.ESTALE {
    const { tree } = this.#core;
    const session = tree.awaited.sessionOf(id);
    const folder = session === undefined ? undefined : tree.root.children.get(session);
    const waits = folder?.kind === 'directory' && folder.absent ? this.of(folder) : 0;
    return waits === 0 ? Errno.ESTALE : waits;
  }

  toLookUp(directory: DirectoryNode, name: string): Waits {
    return this.of(directory) || this.#forName(directory, name);
  }

  toList(directory: DirectoryNode): Waits {
    const { remote, tree } = this.#core;
    if (directory === tree.root && remote !== undefined && !remote.namesKnown && !remote.rootListable)
      return PARKED;
    return this.of(directory);
  }

  /** To change a node's content or attributes. */
  toChange(node: Node): Waits {
    return isRepeated(this.#core) ? 0 : this.of(node);
  }

  toWrite(node: Node): Waits {
    return isRepeated(this.#core) ? 0 : this.inside(node);
  }

  /** To add a name, or to take a file's name away. */
  toChangeName(directory: DirectoryNode, name: string): Waits {
    return isRepeated(this.#core) ? 0 : this.toLookUp(directory, name);
  }

  /** To move or remove a name together with all that it stands for. */
  toMove(directory: DirectoryNode, name: string): Waits {
    if (isRepeated(this.#core)) return 0;
    const waits = this.toLookUp(directory, name);
    if (waits !== 0) return waits;
    const child = directory.children.get(name);
    return child === undefined ? 0 : this.of(child);
  }

  /** Another mount may have made a session of that name since the folder was left empty. */
  #ofUnused(session: DirectoryNode): Waits {
    const { remote, clock } = this.#core;
    if (!session.isUnused) return 0;
    session.isUnused = session.children.size === 0;
    if (!session.isUnused) return 0;
    return remote?.mustAskFor(session.name, clock.monotonicMs()) ? PARKED : 0;
  }

  /** The bucket may have that name in the root and has not been listed yet, or another mount may just have made it. */
  #forName(directory: DirectoryNode, name: string): Waits {
    const { remote, tree, clock } = this.#core;
    if (remote === undefined || directory !== tree.root) return 0;
    if (findChild(this.#core, directory, name) !== undefined) return 0;
    if (!remote.namesKnown) return PARKED;
    return remote.mustAskFor(name, clock.monotonicMs()) ? PARKED : 0;
  }
}
