/** From Google's two ways of describing an object, a JSON resource and the headers of a download, to an ObjectVersion. */
import type { ObjectVersion, PastKind, PastVersion } from '../bucket.ts';
import { splitMetadata } from '../upload.ts';

/** Throws TypeError when what makes a version is missing: the answer came from something that is not the store. */
export function versionOfResource(resource: unknown): ObjectVersion {
  const object = (typeof resource === 'object' && resource !== null ? resource : {}) as Record<
    string,
    unknown
  >;
  return {
    name: text(object.name, 'name'),
    generation: generation(object.generation),
    // Some emulators leave it out for an empty object.
    size: integer(object.size ?? 0),
    crc32c: decodeCrc32c(text(object.crc32c, 'crc32c')),
    updatedMs: instant(object.updated),
    ...customOf(object.metadata),
  };
}

/**
 * The same of a listing of versions; undefined: a server that does not know soft delete listed an object instead. With versioning and
 * soft delete a version ends when it is replaced, and is soft-deleted later.
 */
export function pastVersionOf(kind: PastKind, resource: unknown): PastVersion | undefined {
  const { name, generation: id, size, metadata, ...times } = (resource ?? {}) as Record<string, unknown>;
  const { timeCreated, timeDeleted, softDeleteTime } = times;
  if (kind === 'soft-deleted' && softDeleteTime === undefined) return undefined;
  const ended = timeDeleted ?? (kind === 'soft-deleted' ? softDeleteTime : undefined);
  return {
    name: text(name, 'name'),
    id: generation(id),
    size: integer(size ?? 0),
    createdMs: instant(timeCreated),
    endedMs: ended === undefined ? undefined : instant(ended),
    kind,
    uploadId: customOf(metadata).uploadId,
  };
}

/** What a writer put on it, of a JSON resource. */
function customOf(metadata: unknown): ReturnType<typeof splitMetadata> {
  const custom = Object.entries(metadata ?? {}).map(([key, value]) => [key, String(value)]);
  return splitMetadata(Object.fromEntries(custom));
}

export type ResponseHeaders = Readonly<Record<string, string | undefined>>;

/** As above. Names in `headers` are lowercase, as Node has them; `length`: of the body, for a store that does not say. */
export function versionOfHeaders(name: string, headers: ResponseHeaders, length: number): ObjectVersion {
  const custom = Object.entries(headers)
    .filter(([key]) => key.startsWith('x-goog-meta-'))
    .map(([key, value]) => [key.slice('x-goog-meta-'.length), String(value)]);
  const hash = /(?:^|[,\s])crc32c=([^,\s]+)/.exec(headers['x-goog-hash'] ?? '')?.[1];
  return {
    name,
    generation: generation(headers['x-goog-generation']),
    size: integer(headers['x-goog-stored-content-length'] ?? length),
    crc32c: decodeCrc32c(text(hash, 'x-goog-hash')),
    // Without it the object counts as old: at worst it is stored again before it had to be.
    updatedMs: headers['last-modified'] === undefined ? 0 : instant(headers['last-modified']),
    ...splitMetadata(Object.fromEntries(custom)),
  };
}

function decodeCrc32c(encoded: string): number {
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length !== 4) throw new TypeError('no valid CRC-32C');
  return bytes.readUInt32BE();
}

function text(value: unknown, field: string): string {
  if (typeof value !== 'string' || value === '') throw new TypeError(`no ${field}`);
  return value;
}

function generation(value: unknown): string {
  const digits = String(value);
  if (!/^\d{1,20}$/.test(digits)) throw new TypeError('no generation');
  return digits;
}

function integer(value: unknown): number {
  const size = /^\d{1,15}$/.test(String(value)) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw new TypeError('no size');
  return size;
}

function instant(value: unknown): number {
  const ms = Date.parse(String(value));
  if (Number.isNaN(ms)) throw new TypeError('no time');
  return ms;
}
