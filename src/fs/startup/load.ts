/**
 * Builds the tree at start: the names from the cache directory, then what the journal has that the cache has not. Of a
 * cached file only the name is read; its header follows when someone asks, its content when someone reads.
 */

import type { Keyring } from '../../crypto/keyring.ts';
import { openSealed, readHeader, type SealedMeta } from '../../crypto/sealed-file.ts';
import type { Clock } from '../../lib/clock.ts';
import { S_IFREG } from '../../lib/file-type.ts';
import { chunkName } from '../../naming/sealed-name.ts';
import type { Cache } from '../../store/cache/cache.ts';
import { type KnownNodes, learn } from '../../store/checkpoint/node-table.ts';
import { type JournalOp, OpFlag, type OpPlace, OpType } from '../../store/journal/format.ts';
import { forgetInKernel, markAbsent } from '../hybrid/absent.ts';
import { DirectoryNode, FileNode, IN_CACHE, type Node } from '../model/node.ts';
import { NodeAttributes, readNodeAttributes } from '../model/node-attributes.ts';
import type { Log, Owner } from '../model/options.ts';
import type { Tree } from '../model/tree.ts';
import { WorkingCopy } from '../model/working-copy.ts';
import { DEFAULT_DIRECTORY_MODE } from '../operations/directories.ts';
import { applyMeta } from '../state/contents.ts';
import type { Core } from '../state/core.ts';
import { applyDirectoryMeta } from '../state/directory-meta.ts';
import { touchAll } from '../state/times.ts';

interface LoaderParts {
  tree: Tree;
  cache: Cache;
  keyring: Keyring;
  owner: Owner;
  clock: Clock;
  log: Log;
  /** What the kernel knows from earlier daemons of this connection; undefined: the connection is new. */
  known: KnownNodes | undefined;
}

type WorkStep = { held: boolean } & (
  | { kind: 'write'; offset: number; data: Buffer; meta: SealedMeta }
  | { kind: 'truncate'; size: number }
);

export class Loader {
  readonly #parts: LoaderParts;
  /** The attributes of files that an application has created and not yet written, by path. */
  readonly #created = new Map<string, Buffer>();
  /** The last request that the journal has the effect of; it may not have been answered. */
  lastRequest = 0;
  /** What was being written when the last process ended, by path: applied once contents can be read. */
  readonly #work = new Map<string, WorkStep[]>();

  constructor(parts: LoaderParts) {
    this.#parts = parts;
  }

  loadCache(): void {
    const { tree, cache } = this.#parts;
    applyDirectoryMeta(this.#parts, tree.root, '', cache.readDirectoryMetaSync(''));
    cache.walkSync((path, kind) => {
      if (kind === 'file') {
        this.#placeFile(path).loaded = false;
        return;
      }
      const directory = this.#placeDirectory(path);
      applyDirectoryMeta(this.#parts, directory, path, cache.readDirectoryMetaSync(path));
    });
  }

  /** One operation of the journal, in its order. */
  replay(op: JournalOp, place: OpPlace): void {
    if (place.unique !== 0) this.lastRequest = place.unique;
    switch (op.type) {
      case OpType.PUT:
        this.#replayPut(op, place);
        break;
      case OpType.DELETE:
      case OpType.RMDIR:
        this.#forgetPath(op.path);
        this.#remove(op.path);
        break;
      case OpType.NODE:
        this.#replayNode(op);
        break;
      case OpType.MKDIR:
      case OpType.DIRECTORY_META:
        applyDirectoryMeta(this.#parts, this.#placeDirectory(op.path), op.path, op.data);
        break;
      case OpType.WORK_WRITE:
        this.#replayWorkWrite(op);
        break;
      case OpType.WORK_TRUNCATE:
        this.#stepsOf(op.path).push({ kind: 'truncate', size: op.arg, held: isHeld(op) });
        break;
      case OpType.WORK_DROP:
        this.#work.delete(op.path);
        break;
    }
  }

  /** Rebuilds the working copies: an application that outlived the last process goes on with them. */
  finish(core: Core): void {
    this.#finishCreated(core);
    for (const [path, steps] of this.#work) {
      const node = this.#parts.tree.resolve(path) ?? this.#placeUncommitted(path, steps);
      if (node?.kind !== 'file') continue;
      const working = this.#rebuild(core, node, path, steps);
      if (working === undefined) continue;
      // Until now a file without committed version was not known to be hidden.
      this.#parts.tree.detach(node);
      node.working = working;
      this.#attach(path, node);
      core.pending.add(node);
    }
    this.#work.clear();
    const absent = core.remote?.absentAtStart ?? [];
    markAbsent(core, absent);
    this.#inherit();
    if (core.remote !== undefined && this.#parts.known !== undefined) forgetInKernel(core, absent);
  }

  /** What an application has created but not yet written: it may have it open. */
  #finishCreated(core: Core): void {
    const { tree, owner } = this.#parts;
    for (const [path, attributes] of this.#created) {
      if (tree.resolve(path) !== undefined || tree.resolve(parentOf(path))?.kind !== 'directory') continue;
      const node = new FileNode(S_IFREG | 0o600, owner.uid, owner.gid);
      readNodeAttributes(attributes, node);
      touchAll(core, node);
      node.working = WorkingCopy.empty(true, core.clock.monotonicMs());
      this.#attach(path, node);
      core.pending.add(node);
    }
    this.#created.clear();
  }

  #inherit(): void {
    const { known, tree } = this.#parts;
    if (known === undefined) return;
    tree.reserve(known.largest);
    for (const [path, id] of known.byPath) {
      const node = tree.resolve(path);
      if (node !== undefined) tree.inherit(node, id);
    }
  }

  #replayNode(op: JournalOp): void {
    const { known, tree } = this.#parts;
    // Also of a mount that is gone: a checkpoint will take its numbers for ours.
    tree.reserve(op.arg);
    if (known === undefined) return;
    learn(known, op.path, op.arg);
    if (op.data.length >= NodeAttributes.SIZE) this.#created.set(op.path, Buffer.from(op.data));
  }

  #forgetPath(path: string): void {
    const { known } = this.#parts;
    this.#work.delete(path);
    this.#created.delete(path);
    if (known !== undefined) learn(known, path, undefined);
  }

  #replayPut(op: JournalOp, place: OpPlace): void {
    this.#work.delete(op.path);
    this.#created.delete(op.path);
    const node = this.#placeFile(op.path);
    node.segment = place.segment;
    node.position = place.dataPosition;
    node.sealedLength = op.data.length;
    node.loaded = true;
    node.unreadable = undefined;
    try {
      const { meta, plainLength } = readHeader(op.data, op.data.length);
      applyMeta(node, meta, this.#parts.owner);
      node.size = plainLength;
    } catch {
      // Whoever reads it opens it whole, fails, and says why.
      node.size = Math.max(1, op.data.length);
    }
  }

  #replayWorkWrite(op: JournalOp): void {
    const { keyring, log } = this.#parts;
    try {
      const { plain, meta } = openSealed(keyring, chunkName(op.path, op.arg), op.data);
      this.#stepsOf(op.path).push({ kind: 'write', offset: op.arg, data: plain, meta, held: isHeld(op) });
    } catch (error) {
      log({
        level: 'error',
        message: 'a part of an unfinished file does not open; it is dropped',
        fields: { file: op.path, error: String(error) },
      });
      this.#work.delete(op.path);
    }
  }

  #rebuild(core: Core, node: FileNode, path: string, steps: WorkStep[]): WorkingCopy | undefined {
    const truncated = steps[0]?.kind === 'truncate' && steps[0].size === 0;
    const base = truncated ? Buffer.alloc(0) : core.contents.read(node, path);
    if (typeof base === 'number') return undefined;
    const now = core.clock.monotonicMs();
    // Each step says what the copy was before it; whether the last one made it plain, its content tells.
    const gated = steps.at(-1)?.held === true;
    const working = base.length === 0 ? WorkingCopy.empty(gated, now) : WorkingCopy.of(base, gated, now);
    for (const step of steps) {
      if (step.kind === 'write') working.write(step.offset, step.data, now);
      else working.truncate(step.size, now);
    }
    if (gated && working.verdict() === 'plain') working.gated = false;
    working.journaled = true;
    return working;
  }

  #stepsOf(path: string): WorkStep[] {
    let steps = this.#work.get(path);
    if (steps === undefined) {
      steps = [];
      this.#work.set(path, steps);
    }
    return steps;
  }

  #placeFile(path: string): FileNode {
    const existing = this.#parts.tree.resolve(path);
    if (existing?.kind === 'file') return existing;
    const { owner } = this.#parts;
    const node = new FileNode(S_IFREG | 0o600, owner.uid, owner.gid);
    node.segment = IN_CACHE;
    if (existing !== undefined) this.#parts.tree.detach(existing);
    this.#attach(path, node);
    return node;
  }

  /** A file that was begun and never complete: all that is known of it lies in the pieces. */
  #placeUncommitted(path: string, steps: WorkStep[]): FileNode | undefined {
    const { owner, tree } = this.#parts;
    const piece = steps.findLast((step) => step.kind === 'write');
    if (piece === undefined || tree.resolve(parentOf(path))?.kind !== 'directory') return undefined;
    const node = new FileNode(S_IFREG | 0o600, owner.uid, owner.gid);
    applyMeta(node, piece.meta, owner);
    this.#attach(path, node);
    return node;
  }

  #placeDirectory(path: string): DirectoryNode {
    if (path === '') return this.#parts.tree.root;
    const existing = this.#parts.tree.resolve(path);
    if (existing?.kind === 'directory') return existing;
    const { owner } = this.#parts;
    const node = new DirectoryNode(DEFAULT_DIRECTORY_MODE, owner.uid, owner.gid);
    // Nothing is kept of its times; now is a time at which nobody takes it for abandoned and deletes it.
    touchAll(this.#parts, node);
    if (existing !== undefined) this.#parts.tree.detach(existing);
    this.#attach(path, node);
    return node;
  }

  #attach(path: string, node: Node): void {
    const parent = this.#placeDirectory(parentOf(path));
    this.#parts.tree.attach(parent, path.slice(path.lastIndexOf('/') + 1), node);
  }

  #remove(path: string): void {
    const node = this.#parts.tree.resolve(path);
    if (node !== undefined && path !== '') this.#parts.tree.detach(node);
  }
}

function isHeld(op: JournalOp): boolean {
  return (op.flags & OpFlag.HELD) !== 0;
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}
