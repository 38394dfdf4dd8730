/** What the journal has that the cache has not: puts it into the tree, and collects what is unfinished. */
import { readHeader } from '../../crypto/sealed-file.ts';
import { PieceOpener } from '../../crypto/sealed-piece.ts';
import { chunkName } from '../../naming/sealed-name.ts';
import { type KnownNodes, learn } from '../../store/checkpoint/node-table.ts';
import { type JournalOp, OpFlag, type OpPlace, OpType } from '../../store/journal/format.ts';
import type { FileNode } from '../model/node.ts';
import { NodeAttributes } from '../model/node-attributes.ts';
import type { WorkStep } from '../model/working-copy.ts';
import { applyMeta } from '../state/contents.ts';
import type { TreeBuilder } from './tree-builder.ts';

/** What applications were in the middle of when the last process ended, by path. */
export interface Unfinished {
  work: ReadonlyMap<string, readonly WorkStep[]>;
  /** The attributes of FIFOs and sockets, and of files that were created and not yet written. */
  created: ReadonlyMap<string, Buffer>;
}

export class JournalReplay {
  readonly #builder: TreeBuilder;
  readonly #pieces: PieceOpener;
  /** What the kernel knows from earlier daemons of this connection; undefined: the connection is new. */
  readonly #known: KnownNodes | undefined;
  readonly #work = new Map<string, WorkStep[]>();
  readonly #created = new Map<string, Buffer>();
  /** Files of which it had a version; some are gone, or have another one by now. */
  readonly placed = new Set<FileNode>();
  /** The last request that the journal has the effect of; it may not have been answered. */
  lastRequest = 0;

  constructor(builder: TreeBuilder, known: KnownNodes | undefined) {
    this.#builder = builder;
    this.#pieces = new PieceOpener(builder.parts.keyring);
    this.#known = known;
  }

  get unfinished(): Unfinished {
    return { work: this.#work, created: this.#created };
  }

  /** One operation of the journal; call it in the journal's order. */
  visit(op: JournalOp, place: OpPlace): void {
    if (place.unique !== 0) this.lastRequest = place.unique;
    switch (op.type) {
      case OpType.PUT:
        this.#put(op, place);
        break;
      case OpType.DELETE:
        this.#gone(op.path);
        break;
      case OpType.RMDIR:
        this.#gone(op.path);
        this.#finishedBelow(`${op.path}/`);
        break;
      case OpType.NODE:
        this.#node(op);
        break;
      case OpType.MKDIR:
      case OpType.DIRECTORY_META:
        this.#builder.placeDirectoryWith(op.path, op.data);
        break;
      case OpType.WORK_WRITE:
        this.#workWrite(op);
        break;
      case OpType.WORK_TRUNCATE:
        this.#stepsOf(op.path).push({ kind: 'truncate', size: op.arg, held: isHeld(op) });
        break;
      case OpType.WORK_DROP:
        this.#work.delete(op.path);
        break;
    }
  }

  #put(op: JournalOp, place: OpPlace): void {
    this.#finished(op.path);
    const node = this.#builder.placeFile(op.path);
    this.placed.add(node);
    node.segment = place.segment;
    node.position = place.dataPosition;
    node.sealedLength = op.data.length;
    node.loaded = true;
    node.unreadable = undefined;
    try {
      const { meta, plainLength } = readHeader(op.data, op.data.length);
      applyMeta(node, meta, this.#builder.parts.owner);
      node.size = plainLength;
    } catch {
      // Reading it opens the whole file, fails, and logs why.
      node.size = Math.max(1, op.data.length);
    }
  }

  #gone(path: string): void {
    this.#finished(path);
    if (this.#known !== undefined) learn(this.#known, path, undefined);
    this.#builder.remove(path);
  }

  #finished(path: string): void {
    this.#work.delete(path);
    this.#created.delete(path);
  }

  /** Until 0.1.0 a directory was removed without a word on the unfinished files in it. */
  #finishedBelow(prefix: string): void {
    for (const path of [...this.#work.keys(), ...this.#created.keys()])
      if (path.startsWith(prefix)) this.#finished(path);
  }

  #node(op: JournalOp): void {
    // Also of a mount that is gone: a checkpoint will take its numbers for ours.
    this.#builder.parts.tree.reserve(op.arg);
    if (this.#known === undefined) return;
    learn(this.#known, op.path, op.arg);
    if (op.data.length >= NodeAttributes.SIZE) this.#created.set(op.path, Buffer.from(op.data));
  }

  #workWrite(op: JournalOp): void {
    const { log } = this.#builder.parts;
    try {
      const { plain, meta } = this.#pieces.open(chunkName(op.path, op.arg), op.data);
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

  #stepsOf(path: string): WorkStep[] {
    let steps = this.#work.get(path);
    if (steps === undefined) {
      steps = [];
      this.#work.set(path, steps);
    }
    return steps;
  }
}

function isHeld(op: JournalOp): boolean {
  return (op.flags & OpFlag.HELD) !== 0;
}
