/** Records in the custom metadata of empty objects: reading one costs no download. */
import type { Bucket, ObjectVersion } from '../../bucket/bucket.ts';
import { BucketError, isMissing } from '../../bucket/bucket-error.ts';
import type { Seen, Write } from '../protocol.ts';

type Metadata = Readonly<Record<string, string>>;

/** Converts a record to and from metadata. `read` throws what `field` throws. */
export interface Codec<R> {
  read(field: Fields): R;
  write(record: R): Metadata;
}

/** Stores keep no empty value. */
const EMPTY = '-';
const NAME_MAX = 200;

/** Undefined: the bucket has no such object. */
export async function readLeaseRecord<R>(
  bucket: Bucket,
  name: string,
  codec: Codec<R>,
): Promise<Seen<R> | undefined> {
  try {
    return seen(await bucket.head(name), codec);
  } catch (error) {
    if (isMissing(error) && error.about !== 'bucket') return undefined;
    throw error;
  }
}

export async function writeLeaseRecord<R>(
  bucket: Bucket,
  name: string,
  codec: Codec<R>,
  { record, ifGeneration }: Write<R>,
): Promise<Seen<R>> {
  const { generation } = await bucket.put(name, new Uint8Array(0), {
    ifGeneration,
    metadata: codec.write(record),
  });
  return { generation, record };
}

/** Throws 'corrupt' for an object that sessionfs did not write. */
export function seen<R>(version: ObjectVersion, codec: Codec<R>): Seen<R> {
  return { generation: version.generation, record: codec.read(new Fields(version)) };
}

/** More lost races in a row than mounts can cause: a store that refuses for another reason must not be asked without a pause. */
const LOST_RACES_MAX = 8;

/**
 * Repeats a compare-and-swap that lost a race, at once, until `attempt` returns something. Rejects with 'throttled' when it loses
 * too often in a row: the caller's own retry then backs off.
 */
export async function untilWon<T>(name: string, attempt: () => Promise<T | undefined>): Promise<T> {
  for (let lost = 0; lost < LOST_RACES_MAX; lost++) {
    const result = await attempt();
    if (result !== undefined) return result;
  }
  throw new BucketError(
    'throttled',
    `${name} changes again and again, or the bucket refuses every change of it`,
  );
}

export function printText(text: string): string {
  return text === '' ? EMPTY : text;
}

export function printFlag(flag: boolean): string {
  return flag ? '1' : '0';
}

/** Makes a name fit for metadata: printable ASCII, not empty, no blanks around it. */
export function printableName(name: string): string {
  const printable = name
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .slice(0, NAME_MAX)
    .trim();
  return printable === '' || printable === EMPTY ? '?' : printable;
}

/** What is written must be read again. */
export const COUNT_MAX = 999_999_999_999_999;

/** Of an object that sessionfs did not write as it is. */
export function corruptField(name: string, key: string): BucketError {
  return new BucketError('corrupt', `${name} has no valid "${key}" in its metadata`, {
    hint: 'Something else than sessionfs changed it. Stop the mounts that use this session, delete this object, and start them again.',
  });
}

/** Typed fields of metadata. Each method throws 'corrupt' if the value is missing or malformed. */
export class Fields {
  readonly #version: ObjectVersion;

  constructor(version: ObjectVersion) {
    this.#version = version;
  }

  text(key: string): string {
    const value = this.#version.metadata[key];
    if (value === undefined) throw this.corrupt(key);
    return value === EMPTY ? '' : value;
  }

  count(key: string, max = COUNT_MAX): number {
    const text = this.text(key);
    const value = Number(text);
    if (!/^\d{1,15}$/.test(text) || value > max) throw this.corrupt(key);
    return value;
  }

  flag(key: string): boolean {
    const text = this.text(key);
    if (text !== '0' && text !== '1') throw this.corrupt(key);
    return text === '1';
  }

  corrupt(key: string): BucketError {
    return corruptField(this.#version.name, key);
  }
}
