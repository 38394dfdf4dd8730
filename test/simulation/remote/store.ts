/** A bucket of the world: objects with generations, metadata and preconditions, on the simulated clock. */
import {
  ABSENT,
  type ObjectPage,
  type ObjectVersion,
  type StoredObject,
} from '../../../src/bucket/bucket.ts';
import { BucketError } from '../../../src/bucket/bucket-error.ts';
import { splitMetadata } from '../../../src/bucket/upload.ts';
import { crc32c } from '../../../src/lib/crc32c.ts';
import type { Machine } from '../platform/machine.ts';

export interface Change {
  readonly store: SimulatedStore;
  readonly name: string;
  readonly before: StoredObject | undefined;
  readonly after: StoredObject | undefined;
  /** The process that asked for it; an operator has no name. */
  readonly by: string;
}

const OLD_VERSIONS_KEPT = 400;

export class SimulatedStore {
  readonly name: string;
  readonly objects = new Map<string, StoredObject>();
  /** Versions that were replaced or deleted, for an operator to bring back. */
  readonly old: StoredObject[] = [];
  readonly #machine: Machine;
  readonly #pageSize: number;
  readonly #changed: (change: Change) => void;
  #generation: number;

  constructor(machine: Machine, name: string, changed: (change: Change) => void) {
    this.#machine = machine;
    this.name = name;
    this.#pageSize = machine.chance.pick([3, 1000]);
    this.#generation = machine.between(1_000, 9_000);
    this.#changed = changed;
  }

  list(prefix: string, page: string | undefined): ObjectPage {
    const names = [...this.objects.keys()]
      .filter((name) => name.startsWith(prefix) && (page === undefined || name > page))
      .sort();
    const these = names.slice(0, this.#pageSize);
    const nextPage = these.length < names.length ? these.at(-1) : undefined;
    return { objects: these.map((name) => this.head(name)), nextPage };
  }

  get(name: string): StoredObject {
    const object = this.objects.get(name);
    if (object === undefined) throw new BucketError('missing', `there is no ${name}`);
    return { ...object, bytes: Buffer.from(object.bytes) };
  }

  head(name: string): ObjectVersion {
    const { bytes: _, ...version } = this.get(name);
    return version;
  }

  put(
    by: string,
    name: string,
    bytes: Buffer,
    ifGeneration: string,
    stored: Readonly<Record<string, string>>,
  ): ObjectVersion {
    this.#require(name, ifGeneration);
    this.#replace(by, name, {
      name,
      bytes,
      size: bytes.length,
      crc32c: crc32c(bytes),
      generation: String(this.#generation++),
      updatedMs: this.#machine.wallMs,
      ...splitMetadata(stored),
    });
    return this.head(name);
  }

  delete(by: string, name: string, ifGeneration: string): void {
    if (!this.objects.has(name)) throw new BucketError('missing', `there is no ${name}`);
    this.#require(name, ifGeneration);
    this.#replace(by, name, undefined);
  }

  /** An operator copies an old version over what is there; `metadata`: with what its writer put on it. */
  bringBack({ name, bytes, metadata }: StoredObject, withMetadata: boolean): void {
    const ifGeneration = this.objects.get(name)?.generation ?? ABSENT;
    this.put('', name, bytes, ifGeneration, withMetadata ? metadata : {});
  }

  #replace(by: string, name: string, after: StoredObject | undefined): void {
    const before = this.objects.get(name);
    if (after === undefined) this.objects.delete(name);
    else this.objects.set(name, after);
    if (before !== undefined) this.old.push(before);
    if (this.old.length > OLD_VERSIONS_KEPT) this.old.shift();
    this.#changed({ store: this, name, before, after, by });
  }

  #require(name: string, ifGeneration: string): void {
    const generation = this.objects.get(name)?.generation ?? ABSENT;
    if (generation !== ifGeneration)
      throw new BucketError('precondition', `${name} has generation ${generation}`);
  }
}
