/** What the bucket has: asked for at the start, waited for only so long, and then asked for until it comes. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Bucket, Known, ObjectVersion } from '../../bucket/bucket.ts';
import { reasonOf } from '../../bucket/bucket-error.ts';
import { isDeletedMark } from '../../bucket/deleted-mark.ts';
import { listPages } from '../../bucket/list-all.ts';
import { backOff } from '../../lib/backoff.ts';
import { inTime } from '../../lib/in-time.ts';
import { folderOf, OBJECT_ROOT } from '../../naming/object-name.ts';
import type { ForeignObjects } from '../foreign-objects.ts';
import { removeOldMarks } from './deleted-marks.ts';

/** By name. */
export type Listed = Map<string, ObjectVersion>;
/** The bucket's files, as they come. Rejects with BucketError. */
export type Pages = AsyncIterable<readonly ObjectVersion[]>;

export interface ListingParts {
  bucket: Bucket;
  /** Learns which mounts have which sessions. Rejects with BucketError. */
  learnOwners: () => Promise<void>;
  /** What the ledger has noted. */
  known: Known;
  /** A listing begins: what is stored from now on may be missing in it. */
  begins: () => void;
  /** How long `inTime` waits for each page. */
  pageMs: number;
  /** ms since the epoch. */
  nowMs: () => number;
}

type PageIterator = AsyncIterator<readonly ObjectVersion[]>;

interface Begun {
  pages: PageIterator;
  /** The first one. */
  page: ReturnType<PageIterator['next']>;
}

const RETRY = { minMs: 500, maxMs: 15_000 };

export class Listing {
  readonly #parts: ListingParts;
  /** The first page was asked for ahead, while the mount is made. */
  #first: Begun | undefined;
  #error: string | undefined;

  constructor(parts: ListingParts) {
    this.#parts = parts;
  }

  /** Why there is none yet. */
  get error(): string | undefined {
    return this.#error;
  }

  begin(): void {
    this.#first = this.#ask();
  }

  /** The pages of a listing. Rejects with BucketError, or where one is late: the rest then never comes. */
  async *inTime(): Pages {
    const { pages, page: first } = this.#first ?? this.#ask();
    this.#first = undefined;
    const { pageMs } = this.#parts;
    for (let page = first; ; page = pages.next()) {
      const result = await inTime(page, pageMs, 'late' as const);
      if (result === 'late') throw new Error(`no answer within ${pageMs} ms`);
      if (result.done) return;
      yield result.value;
    }
  }

  /** Lists until that succeeds and `use` takes it. Resolves to false when the signal is aborted first. Never rejects. */
  async untilKnown(use: (pages: Pages) => Promise<void>, signal: AbortSignal): Promise<boolean> {
    for (let attempt = 0; ; attempt++) {
      await backOff(attempt, RETRY, signal);
      if (signal.aborted) return false;
      try {
        await use(this.#list());
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

  #ask(): Begun {
    const pages = this.#list();
    const page = pages.next();
    page.catch(() => {});
    return { pages, page };
  }

  /** Owners come first: what is listed after that may be newer, and is no worse for it. */
  async *#list(): AsyncGenerator<readonly ObjectVersion[]> {
    const { bucket, learnOwners, begins, known, nowMs } = this.#parts;
    begins();
    await learnOwners();
    const marks: ObjectVersion[] = [];
    for await (const objects of listPages(bucket, `${OBJECT_ROOT}/`, known)) {
      marks.push(...objects.filter(isDeletedMark));
      yield objects.filter((object) => !isDeletedMark(object));
      // Also with a bucket that has its pages at hand others have their turn.
      await nextTurn();
    }
    void removeOldMarks(bucket, marks, nowMs());
  }
}

/** The objects of one session. Rejects with BucketError. */
export async function listSession(
  bucket: Bucket,
  session: string,
  foreign: ForeignObjects,
  known?: Known,
): Promise<Listed> {
  const listed: Listed = new Map();
  // Below a user's name lie also the sessions of that user.
  for await (const objects of listPages(bucket, folderOf(session), known))
    for (const object of objects)
      if (foreign.sessionOf(object.name) === session && !isDeletedMark(object))
        listed.set(object.name, object);
  return listed;
}
