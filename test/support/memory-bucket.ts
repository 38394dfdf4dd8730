/** A bucket in memory that a test can look into, hold up and break. */
import {
  ABSENT,
  type Bucket,
  type ChangeOptions,
  type Condition,
  type GetOptions,
  OBJECT_BYTES_MAX,
  type ObjectPage,
  type ObjectVersion,
  type PutOptions,
  type StoredObject,
} from '../../src/bucket/bucket.ts';
import { BucketError, tooLarge } from '../../src/bucket/bucket-error.ts';
import { crc32c } from '../../src/lib/crc32c.ts';

export type Call = { operation: 'list' | 'get' | 'head' | 'put' | 'delete'; name: string };

/** Far more than any test needs. */
const CALLS_MAX = 20_000;

/**
 * Fails the test that runs, from outside of what asks: that may take any error for a reason to ask again. It waits, so that the
 * event loop turns.
 */
function endTest({ operation, name }: Call): Promise<never> {
  setImmediate(() => {
    throw new Error(`asked ${CALLS_MAX} times, now to ${operation} ${name}: is that a loop?`);
  });
  return new Promise(() => {});
}

export class MemoryBucket implements Bucket {
  readonly address = 'memory://test';
  readonly objects = new Map<string, StoredObject>();
  /** Every call, in the order in which it took effect or failed. */
  readonly calls: Call[] = [];
  /** Called before each call takes effect: throws, or waits, as it likes. */
  before: (call: Call) => Promise<void> | void = () => {};
  /** Called after it took effect: throwing loses the answer. */
  after: (call: Call) => void = () => {};
  ageRuleDays: number | undefined;
  pageSize = 1000;
  #generation = 1000;
  nowMs = () => Date.now();
  monotonicMs = () => performance.now();

  async list(prefix: string, page = '0'): Promise<ObjectPage> {
    await this.#begin({ operation: 'list', name: prefix });
    const all = [...this.objects.values()].filter(({ name }) => name.startsWith(prefix));
    const end = Number(page) + this.pageSize;
    return { objects: all.slice(Number(page), end), nextPage: end < all.length ? String(end) : undefined };
  }

  async get(name: string, { maxBytes = OBJECT_BYTES_MAX }: GetOptions = {}): Promise<StoredObject> {
    await this.#begin({ operation: 'get', name });
    const object = this.#required(name);
    if (object.bytes.length > maxBytes) throw tooLarge(name, maxBytes);
    return object;
  }

  async head(name: string): Promise<ObjectVersion> {
    await this.#begin({ operation: 'head', name });
    const { bytes: _, ...version } = this.#required(name);
    return version;
  }

  async put(
    name: string,
    bytes: Uint8Array,
    { ifGeneration, metadata, uploadId, deadlineMs }: PutOptions,
  ): Promise<ObjectVersion> {
    const call: Call = { operation: 'put', name };
    const copy = Buffer.from(bytes);
    await this.#begin(call, deadlineMs);
    const there = this.objects.get(name);
    if (uploadId !== undefined && there?.uploadId === uploadId && there.crc32c === crc32c(copy)) return there;
    this.#require(name, ifGeneration);
    const version = this.store(name, copy, metadata, uploadId);
    this.after(call);
    return version;
  }

  async delete(name: string, { ifGeneration, deadlineMs }: ChangeOptions): Promise<void> {
    const call: Call = { operation: 'delete', name };
    await this.#begin(call, deadlineMs);
    if (!this.objects.has(name)) return;
    this.#require(name, ifGeneration);
    this.objects.delete(name);
    this.after(call);
  }

  async deleteAfterDays(): Promise<number | undefined> {
    return this.ageRuleDays;
  }

  ignored: readonly Condition[] = [];

  async ignoredConditions(): Promise<readonly Condition[]> {
    return this.ignored;
  }

  close(): void {}

  /** As another mount would. */
  store(
    name: string,
    bytes: Buffer,
    metadata: Readonly<Record<string, string>> = {},
    uploadId: string | undefined = undefined,
  ): StoredObject {
    const object = {
      name,
      bytes,
      size: bytes.length,
      crc32c: crc32c(bytes),
      generation: String(this.#generation++),
      updatedMs: this.nowMs(),
      metadata: { ...metadata },
      uploadId,
    };
    this.objects.set(name, object);
    return object;
  }

  /** A change has no effect after `deadlineMs`, by `monotonicMs`, as with every driver. */
  async #begin(call: Call, deadlineMs = Number.POSITIVE_INFINITY): Promise<void> {
    if (this.calls.length >= CALLS_MAX) return endTest(call);
    try {
      await this.before(call);
    } finally {
      this.calls.push(call);
    }
    if (this.monotonicMs() >= deadlineMs)
      throw new BucketError('unreachable', `cannot ${call.operation} ${call.name}: the time for it is over`);
  }

  #required(name: string): StoredObject {
    const object = this.objects.get(name);
    if (object === undefined) throw new BucketError('missing', `there is no ${name}`);
    return object;
  }

  #require(name: string, ifGeneration: string): void {
    const generation = this.objects.get(name)?.generation ?? ABSENT;
    if (generation !== ifGeneration)
      throw new BucketError('precondition', `${name} has generation ${generation}`);
  }
}
