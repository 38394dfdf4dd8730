/**
 * What a run of segments comes to, path by path: the last word on each, and no more. Every journal operation says what is,
 * not what changes, so the plan can be carried out again after any part of it was.
 */
import { type JournalOp, OpFlag, type OpPlace, OpType } from '../journal/format.ts';

/** Sealed bytes in a segment's file. */
export interface StoredBytes {
  segment: number;
  position: number;
  length: number;
}

export interface FilePlan {
  /** The file is this; undefined: there is none. */
  put: StoredBytes | undefined;
  /** The file that the cache has now did not open: keep it aside. */
  keepOld: boolean;
}

export type DirectoryPlan =
  | { exists: false }
  /** Without `meta` it has no attributes of its own. */
  | { exists: true; meta: StoredBytes | undefined };

/** The files that one record took from some paths and put under others, as a rename does. */
export interface PlannedMove {
  readonly deleted: string[];
  readonly put: string[];
}

export class CheckpointPlan {
  readonly files = new Map<string, FilePlan>();
  readonly directories = new Map<string, DirectoryPlan>();
  /** What the kernel knows by number, by path; undefined: nothing any more. */
  readonly nodes = new Map<string, number | undefined>();
  /** Operations that a later one made needless. */
  superseded = 0;
  readonly #moves: PlannedMove[] = [];
  /** Of the record that was added last. */
  #record: PlannedMove & { readonly seq: number } = { seq: -1, deleted: [], put: [] };

  /** In the order in which they were made; a path may have got another content, or none, since. */
  get moves(): PlannedMove[] {
    return isMove(this.#record) ? [...this.#moves, this.#record] : this.#moves;
  }

  add(op: JournalOp, place: OpPlace): void {
    const length = op.data.length;
    const bytes = { segment: place.segment, position: place.dataPosition, length };
    if (place.seq !== this.#record.seq) this.#begin(place.seq);
    switch (op.type) {
      case OpType.PUT:
        this.#record.put.push(op.path);
        this.#file(op.path, bytes, op.flags === OpFlag.KEEP_OLD);
        break;
      case OpType.NODE:
        this.nodes.set(op.path, op.arg);
        break;
      case OpType.DELETE:
        this.nodes.set(op.path, undefined);
        this.#record.deleted.push(op.path);
        this.#file(op.path, undefined, false);
        break;
      case OpType.MKDIR:
      case OpType.DIRECTORY_META:
        this.#directory(op.path, { exists: true, meta: length > 0 ? bytes : undefined });
        break;
      case OpType.RMDIR:
        this.nodes.set(op.path, undefined);
        this.#directory(op.path, { exists: false });
        break;
      case OpType.WORK_WRITE:
      case OpType.WORK_TRUNCATE:
      case OpType.WORK_DROP:
        // Incomplete content is the journal's alone; the kernel thread carries it over to the next segment.
        break;
    }
  }

  #begin(seq: number): void {
    if (isMove(this.#record)) this.#moves.push(this.#record);
    this.#record = { seq, deleted: [], put: [] };
  }

  /** Once asked for, the old file is kept aside whatever comes later: until this plan is done the cache still has it. */
  #file(path: string, put: StoredBytes | undefined, keepOld: boolean): void {
    const before = this.files.get(path);
    if (before) this.superseded++;
    this.files.set(path, { put, keepOld: keepOld || before?.keepOld === true });
  }

  #directory(path: string, plan: DirectoryPlan): void {
    if (this.directories.has(path)) this.superseded++;
    this.directories.set(path, plan);
  }
}

function isMove({ deleted, put }: PlannedMove): boolean {
  return deleted.length > 0 && put.length > 0;
}
