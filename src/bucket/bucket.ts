/**
 * What hybrid and cloud mode ask of an object store. Reads after writes and listings after writes are strongly consistent,
 * and every change names the generation that it replaces, so that two mounts can never overwrite each other unnoticed.
 * Every call has a deadline; every failure is a BucketError.
 */

/** What the store says of one version of an object. */
export interface ObjectVersion {
  readonly name: string;
  /** Opaque; a new one for every write of the name, never used again. */
  readonly generation: string;
  /** Bytes. */
  readonly size: number;
  /** CRC-32C of the content, unsigned. */
  readonly crc32c: number;
  /** When it was written, by the store's clock, in ms since the epoch; `get` and `put` may know it only to the second. */
  readonly updatedMs: number;
  /** What its writer put on it: the `metadata` of its `put`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The id of the upload that made it; undefined where something other than `put` did. */
  readonly uploadId: string | undefined;
}

export interface ObjectPage {
  readonly objects: readonly ObjectVersion[];
  /** Pass it to the next `list`; undefined: this was the last page. */
  readonly nextPage: string | undefined;
}

/** A version of an object, as a store with versioning or soft delete still has it. */
export interface PastVersion {
  readonly name: string;
  /** Opaque; tells the versions of a name apart. */
  readonly id: string;
  /** Bytes, at least as many as its content has. */
  readonly size: number;
  /** By the store's clock, in ms since the epoch; some stores know whole seconds only. */
  readonly createdMs: number;
  /** When it was replaced or deleted; undefined: it is the newest version. */
  readonly endedMs: number | undefined;
  readonly kind: PastKind;
  /** See ObjectVersion; undefined also where the listing does not say. */
  readonly uploadId: string | undefined;
}

/** Versions that can be read as they are, the newest one too, or those that must be made an object again first. */
export type PastKind = 'version' | 'soft-deleted';

export interface PastPage {
  readonly versions: readonly PastVersion[];
  /** Pass it to the next `list`; undefined: this was the last page. */
  readonly nextPage: string | undefined;
}

/** What a store keeps of objects that were replaced or deleted. */
export interface History {
  /** A page of what there is of this kind under names that begin with `prefix`; in no order that anyone may rely on. */
  list(kind: PastKind, prefix: string, page?: string): Promise<PastPage>;

  /**
   * Rejects as `get` does. A soft-deleted version becomes an object for a moment, under its name, and is deleted again: only where
   * no object has that name, otherwise it rejects with 'precondition'.
   */
  read(version: PastVersion, options?: GetOptions): Promise<StoredObject>;
}

export interface StoredObject extends ObjectVersion {
  readonly bytes: Buffer;
}

export interface GetOptions {
  readonly maxBytes?: number;
}

/** No object of a mount is larger: a file's limit is 1 GiB, and a seal adds little. */
export const OBJECT_BYTES_MAX = 2 ** 30 + 2 ** 16;

/** What may be read of an object, which lies in memory whole, whatever a listing says of its size. */
export function bytesLimit({ maxBytes = OBJECT_BYTES_MAX }: GetOptions): number {
  return Math.min(maxBytes, OBJECT_BYTES_MAX);
}

/** The `ifGeneration` of a name that must not exist. */
export const ABSENT = '0';

export interface ChangeOptions {
  readonly ifGeneration: string;
  /** When the request must have ended, by `performance.now()`: a later one is not sent, one under way is aborted. */
  readonly deadlineMs?: number | undefined;
}

/** The generation that the caller has noted for an object, if any. */
export type Known = (name: string) => string | undefined;

export interface PutOptions extends ChangeOptions {
  /** Keys of `a-z 0-9 -`, values of printable ASCII: what every store keeps as it is. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The same for every try of one upload, so that a later try knows what an earlier one stored; a new one when not given. */
  readonly uploadId?: string;
  /** Called when a try got no reply and another one follows: it may arrive later, whatever becomes of the other. */
  readonly unanswered?: () => void;
}

/** Of a put for a name that must not exist, of a put for a version, and of a delete. */
export type Condition = 'create' | 'replace' | 'delete';

export interface Bucket {
  /** For log lines: `gs://NAME`, `s3://NAME` or `file:///DIRECTORY`. */
  readonly address: string;

  /** Undefined: the store keeps nothing. What is there depends on the bucket's settings. */
  readonly history?: History | undefined;

  /**
   * A page, of at most 1000 objects, of those whose names begin with `prefix`; in no order that anyone may rely on. A store
   * whose listings say too little asks for each object, except where it still has the generation that `known` returns.
   */
  list(prefix: string, page?: string, known?: Known): Promise<ObjectPage>;

  /**
   * The newest version. Rejects with 'missing', and with 'corrupt' when the bytes are not those that were stored, or are more
   * than `maxBytes`: then no more than these are read.
   */
  get(name: string, options?: GetOptions): Promise<StoredObject>;

  /** As `get`, without the content. */
  head(name: string): Promise<ObjectVersion>;

  /**
   * Stores `bytes` whole, in place of the version `ifGeneration` (ABSENT: of none). Durable on return. Rejects with
   * 'precondition' when the newest version is another one. An upload that was stored although its answer was lost counts as
   * stored, also when it is tried again with the same `uploadId`: each version carries the id of its upload.
   */
  put(name: string, bytes: Uint8Array, options: PutOptions): Promise<ObjectVersion>;

  /** Resolves when the version is gone, also if another client deleted it. Rejects with 'precondition' when there is a newer one. */
  delete(name: string, options: ChangeOptions): Promise<void>;

  /** After how many days a rule of the bucket may delete the newest version of a mount's object by its age; undefined: none does. */
  deleteAfterDays(): Promise<number | undefined>;

  /**
   * The conditions that the store is known to ignore, which it finds out by trying: with any of them one mount alone may use the
   * bucket. Empty for a store that is what this interface says.
   */
  ignoredConditions(): Promise<readonly Condition[]>;

  /** Frees sockets and timers; calls that are under way are aborted. */
  close(): void;
}
