/**
 * What a run of segments comes to, path by path: the last word on each, and no more. Every journal operation says what is,
 * not what changes, so the plan can be carried out again after any part of it was.
 */
import { belongsToCredentials, sessionOfCreds } from '../../naming/session-path.ts';
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
  /** The file that the cache has now does not open: quarantine it. */
  keepOld: boolean;
  /** Of a file that is gone: what it was, where the plan put it before. */
  before?: StoredBytes;
  /** Of a file that is gone: the record that took it away. */
  goneBy?: PlannedMove;
  /** The first segment that is needed to carry this out after a restart. */
  since: number;
}

export type DirectoryPlan =
  | { exists: false; since: number }
  /** Without `meta` it has no attributes of its own. */
  | { exists: true; meta: StoredBytes | undefined; since: number };

/** The files that one record took from some paths and put under others, as a rename does. */
export interface PlannedMove {
  readonly deleted: string[];
  readonly put: string[];
}

/** A folder in the root that was removed and made anew, or that new credentials came into, with nothing else in it as far as the plan says. */
export interface RemadeFolder {
  readonly path: string;
  /** It was not removed itself. */
  readonly stayed: boolean;
  /** What the plan said of its files when it was made anew: they are gone. */
  readonly files: ReadonlyMap<string, FilePlan>;
}

export class CheckpointPlan {
  readonly files = new Map<string, FilePlan>();
  readonly directories = new Map<string, DirectoryPlan>();
  /** What the kernel knows by number, by path; undefined: nothing any more. Under '': the largest number that was given. */
  readonly nodes = new Map<string, number | undefined>();
  /** In the order in which they were made. */
  readonly remade: RemadeFolder[] = [];
  /** Operations that a later one made needless. */
  superseded = 0;
  readonly #moves: PlannedMove[] = [];
  /** Of the record that was added last. */
  #record: PlannedMove & { readonly seq: number } = { seq: -1, deleted: [], put: [] };

  /** In the order in which they were made; a path may have got another content, or none, since. */
  get moves(): PlannedMove[] {
    return isMove(this.#record) ? [...this.#moves, this.#record] : this.#moves;
  }

  /** `owed`: what an earlier checkpoint could not carry out; later operations replace it. */
  constructor(owed?: CheckpointPlan) {
    for (const [path, plan] of owed?.files ?? []) this.files.set(path, plan);
    for (const [path, plan] of owed?.directories ?? []) this.directories.set(path, plan);
    this.#moves.push(...(owed?.moves ?? []));
  }

  add(op: JournalOp, { seq, segment, dataPosition }: OpPlace): void {
    const length = op.data.length;
    const bytes = { segment, position: dataPosition, length };
    if (seq !== this.#record.seq) this.#begin(seq);
    switch (op.type) {
      case OpType.PUT:
        this.#record.put.push(op.path);
        this.#file(op.path, { put: bytes, keepOld: op.flags === OpFlag.KEEP_OLD, since: segment });
        break;
      case OpType.NODE:
        this.nodes.set(op.path, op.arg);
        this.#noteNumber(op.arg);
        break;
      case OpType.DELETE:
        this.nodes.set(op.path, undefined);
        this.#record.deleted.push(op.path);
        this.#file(op.path, { put: undefined, keepOld: false, since: segment, goneBy: this.#record });
        break;
      case OpType.MKDIR:
      case OpType.DIRECTORY_META:
        this.#directory(op.path, { exists: true, meta: length > 0 ? bytes : undefined, since: segment });
        break;
      case OpType.RMDIR:
        this.nodes.set(op.path, undefined);
        this.#directory(op.path, { exists: false, since: segment });
        break;
      case OpType.WORK_WRITE:
      case OpType.WORK_TRUNCATE:
      case OpType.WORK_DROP:
        // Incomplete content is the journal's alone; the kernel thread carries it over to the next segment.
        break;
    }
  }

  /** Also of what is gone again: a number is never given twice. */
  #noteNumber(number: number): void {
    this.nodes.set('', Math.max(number, this.nodes.get('') ?? 0));
  }

  #begin(seq: number): void {
    if (isMove(this.#record)) this.#moves.push(this.#record);
    this.#record = { seq, deleted: [], put: [] };
  }

  /** The part of it that `isIn` selects, with the moves of what it removes; the nodes stay behind. */
  filter(isIn: (plan: FilePlan | DirectoryPlan) => boolean): CheckpointPlan {
    const part = new CheckpointPlan();
    for (const [path, plan] of this.files) if (isIn(plan)) part.files.set(path, plan);
    for (const [path, plan] of this.directories) if (isIn(plan)) part.directories.set(path, plan);
    part.#moves.push(...this.moves.filter(({ deleted }) => deleted.some((path) => part.files.has(path))));
    return part;
  }

  /** This plan, and what `earlier` says of other paths. */
  over(earlier: CheckpointPlan): CheckpointPlan {
    const both = new CheckpointPlan(earlier);
    both.#moves.push(...this.moves);
    for (const [path, plan] of this.files) both.files.set(path, plan);
    for (const [path, plan] of this.directories) both.directories.set(path, plan);
    return both;
  }

  get parts(): Set<FilePlan | DirectoryPlan> {
    return new Set([...this.files.values(), ...this.directories.values()]);
  }

  /** The first segment that must stay until all of this is carried out; infinite where there is nothing in it. */
  get since(): number {
    return [...this.parts].reduce((least, { since }) => Math.min(least, since), Number.POSITIVE_INFINITY);
  }

  /** Once asked for, the old file is quarantined whatever comes later: until this plan is done the cache still has it. */
  #file(path: string, plan: FilePlan): void {
    const before = this.files.get(path);
    if (before) this.superseded++;
    const keepOld = plan.keepOld || before?.keepOld === true;
    const was = plan.put === undefined ? (before?.put ?? before?.before) : undefined;
    const since = before?.keepOld ? before.since : plan.since;
    if (plan.put && before?.put === undefined && before && !wasMoved(before)) this.#noteEmptied(path);
    this.files.set(path, { ...plan, keepOld, since, ...(was && { before: was }) });
  }

  #directory(path: string, plan: DirectoryPlan): void {
    const before = this.directories.get(path);
    if (before) this.superseded++;
    if (before?.exists === false && plan.exists && !path.includes('/')) this.#noteRemade(path, false);
    this.directories.set(path, plan);
  }

  #noteEmptied(path: string): void {
    const session = sessionOfCreds(path);
    if (session === undefined) return;
    const files = [...this.files].filter(([file]) => file.startsWith(`${session}/`));
    const hadKeys = files.some(([file]) => !belongsToCredentials(file.slice(session.length + 1)));
    if (hadKeys && files.every(([, { put }]) => put === undefined)) this.#noteRemade(session, true);
  }

  #noteRemade(path: string, stayed: boolean): void {
    const earlier = this.remade.filter((each) => each.path === path).map(({ files }) => files);
    const isNew = (file: string, plan: FilePlan) => !earlier.some((files) => files.get(file) === plan);
    const gone = [...this.files].filter(
      ([file, plan]) => file.startsWith(`${path}/`) && plan.put === undefined && isNew(file, plan),
    );
    if (gone.length > 0) this.remade.push({ path, stayed, files: new Map(gone) });
  }
}

/** It is under another name. */
export function wasMoved(plan: FilePlan | undefined): boolean {
  return plan?.goneBy !== undefined && isMove(plan.goneBy);
}

function isMove({ deleted, put }: PlannedMove): boolean {
  return deleted.length > 0 && put.length > 0;
}
