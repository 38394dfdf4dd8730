/**
 * From S3's description of an object to an ObjectVersion. The generation is the ETag, a dot, and what else there is to say of
 * the version: a listing has ETags alone, and a version that the caller knows needs no request of its own.
 */
import type { ObjectVersion } from '../bucket.ts';
import { splitMetadata } from '../upload.ts';
import { TRAILER_BYTES } from './trailer.ts';

const CRC_KEY = 'sessionfs-s3-crc32c';
const TRAILER_KEY = 'sessionfs-s3-trailer';

/** What an ETag alone stands for: it never changes. */
type Described = Pick<ObjectVersion, 'size' | 'crc32c' | 'metadata' | 'uploadId'>;

/** The metadata of an upload, as the store keeps it. */
export function ownMetadata(
  stored: Readonly<Record<string, string>>,
  crc32c: number,
): Record<string, string> {
  return {
    ...stored,
    [CRC_KEY]: crc32c.toString(16).padStart(8, '0'),
    [TRAILER_KEY]: String(TRAILER_BYTES),
  };
}

export interface StoredMetadata {
  /** Bytes at the end of the object that are no content; 0: something else than sessionfs stored it. */
  readonly trailerBytes: number;
  /** Of the content; undefined: something else than sessionfs stored it. */
  readonly crc32c: number | undefined;
  readonly rest: Pick<ObjectVersion, 'metadata' | 'uploadId'>;
}

export function readMetadata(stored: Readonly<Record<string, string>> = {}): StoredMetadata {
  const { [CRC_KEY]: crc, [TRAILER_KEY]: trailer, ...others } = stored;
  const isOwn = /^[0-9a-f]{8}$/.test(crc ?? '') && trailer === String(TRAILER_BYTES);
  return {
    trailerBytes: isOwn ? TRAILER_BYTES : 0,
    crc32c: isOwn ? Number.parseInt(crc as string, 16) : undefined,
    rest: splitMetadata(others),
  };
}

/** The same for the same version, whichever request told of it. */
export function generationOf(etag: string, { size, crc32c, metadata, uploadId }: Described): string {
  const sorted = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  const words = [size, crc32c, uploadId ?? null, ...sorted.flat()];
  return `${etag}.${Buffer.from(JSON.stringify(words)).toString('base64url')}`;
}

/** No ETag has a dot: it is MD5 in hex digits, or like it. */
export function etagOf(generation: string): string {
  return generation.split('.', 1)[0] as string;
}

/** Undefined for a text that is no generation of this module. */
export function describedBy(generation: string): Described | undefined {
  try {
    const words: unknown = JSON.parse(
      Buffer.from(generation.slice(generation.indexOf('.') + 1), 'base64url').toString(),
    );
    if (!Array.isArray(words)) return undefined;
    const [size, crc32c, uploadId, ...pairs] = words as [number, number, string | null, ...string[]];
    if (!Number.isSafeInteger(size) || !Number.isSafeInteger(crc32c)) return undefined;
    const metadata = Object.fromEntries(
      pairs.flatMap((key, index) => (index % 2 === 0 ? [[key, pairs[index + 1] as string]] : [])),
    );
    return { size, crc32c, metadata, uploadId: uploadId ?? undefined };
  } catch {
    return undefined;
  }
}

/** Throws TypeError when there is none: the answer came from something that is no S3 server. */
export function readEtag(etag: unknown): string {
  const text = typeof etag === 'string' ? etag.replace(/^W\//, '').replaceAll('"', '') : '';
  if (!/^[\x21\x23-\x2d\x2f-\x7e]{1,200}$/.test(text)) throw new TypeError('no ETag');
  return text;
}

/** What an answer tells of a version, and what its metadata or content does. */
export function versionOf(
  name: string,
  { ETag, LastModified }: { readonly ETag?: string | undefined; readonly LastModified?: Date | undefined },
  described: Described,
): ObjectVersion {
  const generation = generationOf(readEtag(ETag), described);
  return { name, generation, updatedMs: instantOf(LastModified), ...described };
}

export function instantOf(date: Date | undefined): number {
  const ms = date?.getTime() ?? Number.NaN;
  if (Number.isNaN(ms)) throw new TypeError('no time');
  return ms;
}
