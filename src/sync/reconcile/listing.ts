/** What the bucket has: asked for at the start, waited for only so long, and then asked for until it comes. */
import type { Bucket, ObjectVersion } from '../../bucket/bucket.ts';
import { reasonOf } from '../../bucket/bucket-error.ts';
import { isDeletedMark } from '../../bucket/deleted-mark.ts';
import { listPages } from '../../bucket/list-all.ts';
import { backOff } from '../../lib/backoff.ts';
import { inTime } from '../../lib/in-time.ts';
import { OBJECT_ROOT, toObjectName } from '../../naming/object-name.ts';
import { sessionOf } from '../../naming/session-path.ts';
import { removeOldMarks } from './deleted-marks.ts';

/** By name. */
export type Listed = Map<string, ObjectVersion>;

export interface ListingParts {
  bucket: Bucket;
  /** Learns which mounts have which sessions. Rejects with BucketError. */
  learnOwners: () => Promise<void>;
  /** A listing begins: what is stored from now on may be missing in it. */
  begins: () => void;
  /** How long `inTime` waits for each page. */
  pageMs: number;
  /** ms since the epoch. */
  nowMs: () => number;
}

const RETRY = { minMs: 500, maxMs: 15_000 };

export class Listing {
  readonly #parts: ListingParts;
  #first: Promise<Listed> | undefined;
  /** When the last page came, or the listing began. */
  #pageMs = 0;
  #error: string | undefined;

  constructor(parts: ListingParts) {
    this.#parts = parts;
  }

  /** Why there is none yet. */
  get error(): string | undefined {
    return this.#error;
  }

  begin(): void {
    this.#pageMs = performance.now();
    this.#first = this.#list();
    this.#first.catch(() => {});
  }

  /** Rejects with BucketError, or where a page is late; the listing then runs on unused. */
  async inTime(): Promise<Listed> {
    if (this.#first === undefined) this.begin();
    const { pageMs } = this.#parts;
    for (;;) {
      const leftMs = this.#pageMs + pageMs - performance.now();
      if (leftMs <= 0) throw new Error(`no answer within ${pageMs} ms`);
      const listed = await inTime(this.#first ?? this.#list(), leftMs, undefined);
      if (listed !== undefined) return listed;
    }
  }

  /** Lists until that succeeds and `use` takes it. Resolves to false when the signal is aborted first. Never rejects. */
  async untilKnown(use: (listed: Listed) => Promise<void>, signal: AbortSignal): Promise<boolean> {
    for (let attempt = 0; ; attempt++) {
      await backOff(attempt, RETRY, signal);
      if (signal.aborted) return false;
      try {
        await use(await this.#list());
        this.#error = undefined;
        return true;
      } catch (error) {
        this.failed(error);
      }
    }
  }

  failed(error: unknown): void {
    this.#error = reasonOf(error).error;
  }

  /** Owners come first: what is listed after that may be newer, and is no worse for it. */
  async #list(): Promise<Listed> {
    const { bucket, learnOwners, begins, nowMs } = this.#parts;
    begins();
    await learnOwners();
    const listed: Listed = new Map();
    const marks: ObjectVersion[] = [];
    for await (const objects of listPages(bucket, `${OBJECT_ROOT}/`)) {
      this.#pageMs = performance.now();
      for (const object of objects) {
        if (isDeletedMark(object)) marks.push(object);
        else listed.set(object.name, object);
      }
    }
    void removeOldMarks(bucket, marks, nowMs());
    return listed;
  }
}

/** The objects of one session. Rejects with BucketError. */
export async function listSession(bucket: Bucket, session: string): Promise<Listed> {
  const listed: Listed = new Map();
  // Below a user's name lie also the sessions of that user.
  for await (const objects of listPages(bucket, `${toObjectName(session, 'directory')}/`))
    for (const object of objects)
      if (sessionOf(object.name) === session && !isDeletedMark(object)) listed.set(object.name, object);
  return listed;
}
