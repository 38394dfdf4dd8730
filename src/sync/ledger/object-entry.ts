/** What this mount knows of one object, here and in the bucket. */
import type { ObjectVersion } from '../../bucket/bucket.ts';

/** The version of an object that the bucket held when it was last asked. */
export type RemoteVersion = Pick<ObjectVersion, 'generation' | 'crc32c' | 'size' | 'updatedMs'>;

/**
 * How the cache stands to the bucket. same: what the cache holds was stored there. changed: the cache holds something newer.
 * deleted: the file is gone here, the object is not (or may not be). absent: the bucket holds something that the cache
 * lacks, or has only an older version of.
 */
export type LocalState = 'same' | 'changed' | 'deleted' | 'absent';

/**
 * Only LedgerState changes one. There is one object for each row, for as long as anything refers to one of its session: see
 * `SessionEntries`.
 */
export interface ObjectEntry {
  readonly name: string;
  /** The top-level directory of the mount it belongs to; '' for a file in the root. */
  readonly session: string;
  /** All of the session, by name: whatever refers to one of them keeps all of them. */
  readonly siblings: ReadonlyMap<string, ObjectEntry>;
  readonly local: LocalState;
  /** Undefined: the bucket has no such object, as far as is known. */
  readonly remote: RemoteVersion | undefined;
  /** To be stored although the bucket has it: a rule of the bucket is about to delete it. */
  readonly refresh: boolean;
  /**
   * `NAME.json.bak` while `NAME.json` is there: its readers have no use for it, and it is not uploaded. It stands in the ledger as
   * what it is, so that it goes as soon as its file is missing.
   */
  readonly shadowed: boolean;
  /** Counts what happened to the file here, so that an upload knows whether it is still the newest version. */
  readonly change: number;
  /** What `change` was when the file was deleted last: what was read before it is of a file that is gone. */
  readonly deletedChange: number;
  /** When it stopped being 'same', in ms since the epoch. */
  readonly dirtySinceMs: number;
  /** The moves between sessions, by their time, that made it and of which it was not stored yet. */
  readonly movedBy: readonly number[];
  /** What `change` was after the last of these moves. */
  readonly movedChange: number;
  /** The move to another session that deleted it: it stays in the bucket until what it became is there. */
  readonly deletedBy: number | undefined;
}

/** An upload that was begun, and that no reply came for: the bucket may hold it, or get it yet. */
export interface Attempt {
  /** Goes with the object as its `uploadId`. */
  readonly id: string;
  /** The version that it replaces; ABSENT: it is stored wherever there is none. */
  readonly ifGeneration: string;
  readonly crc32c: number;
  /** When it was begun, in ms since the epoch. */
  readonly atMs: number;
}

export function isDirty({ local, shadowed }: ObjectEntry): boolean {
  return (local === 'changed' && !shadowed) || local === 'deleted';
}
