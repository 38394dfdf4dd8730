/**
 * Several sealed files in one: a magic, the length of an index, the index (JSON: path and length of each file), then the files one
 * after the other, byte by byte as they were. docs/file-format.md has it too.
 */
import { SessionfsError } from '../../lib/errors.ts';

const MAGIC = Buffer.from('SFST\u0001\0\0\0', 'latin1');
const HEADER_BYTES = MAGIC.length + 4;

/** By path in the mount. */
export type SealedByPath = ReadonlyMap<string, Buffer>;

export function packArchive(files: SealedByPath): Buffer {
  const index = Buffer.from(JSON.stringify([...files].map(([path, { length }]) => [path, length])));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(index.length);
  return Buffer.concat([MAGIC, length, index, ...files.values()]);
}

/** Throws CACHE_FORMAT for bytes that are no archive, or not all of one. The files' own seals say whether they are whole. */
export function unpackArchive(bytes: Buffer): Map<string, Buffer> {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged();
  let at = HEADER_BYTES + bytes.readUInt32LE(MAGIC.length);
  const files = new Map<string, Buffer>();
  for (const [path, length] of indexOf(bytes.subarray(HEADER_BYTES, at))) {
    if (at + length > bytes.length) throw damaged();
    files.set(path, bytes.subarray(at, at + length));
    at += length;
  }
  return files;
}

function indexOf(text: Buffer): [string, number][] {
  let index: unknown;
  try {
    index = JSON.parse(text.toString());
  } catch {
    throw damaged();
  }
  if (!Array.isArray(index) || !index.every(isEntry)) throw damaged();
  return index;
}

function isEntry(entry: unknown): entry is [string, number] {
  return (
    Array.isArray(entry) && typeof entry[0] === 'string' && Number.isSafeInteger(entry[1]) && entry[1] >= 0
  );
}

export function damaged(): SessionfsError {
  return new SessionfsError('CACHE_FORMAT', 'an archive of a removed session is damaged', {
    hint: 'sessionfs restore --list DIR lists the others.',
  });
}
