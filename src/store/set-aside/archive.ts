/**
 * Several sealed files in one: a magic, the length of an index, the index (JSON: path and length of each file), then the files one
 * after the other, byte by byte as they were. docs/file-format.md has it too.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { SessionfsError } from '../../lib/errors.ts';
import { ifMissing } from '../../lib/system-error.ts';

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
  const index = indexIn(bytes);
  let at = HEADER_BYTES + bytes.readUInt32LE(MAGIC.length);
  const files = new Map<string, Buffer>();
  for (const [path, length] of index) {
    if (at + length > bytes.length) throw damaged();
    files.set(path, bytes.subarray(at, at + length));
    at += length;
  }
  return files;
}

/** Of an archive on the disk, without its files; undefined: it is gone. `files` undefined: it is damaged. Throws system errors. */
export function archiveFile(path: string): { bytes: number; files: number | undefined } | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    return ifMissing(error);
  }
  try {
    const bytes = fstatSync(fd).size;
    const header = Buffer.alloc(HEADER_BYTES);
    readSync(fd, header);
    const length = Math.min(header.readUInt32LE(MAGIC.length), bytes);
    const start = Buffer.alloc(HEADER_BYTES + length);
    readSync(fd, start, 0, start.length, 0);
    return { bytes, files: archivedFiles(start) };
  } finally {
    closeSync(fd);
  }
}

/** How many files the beginning of an archive says that it has; undefined: it is no archive. */
export function archivedFiles(bytes: Buffer): number | undefined {
  try {
    return indexIn(bytes).length;
  } catch {
    return undefined;
  }
}

/** Throws CACHE_FORMAT. */
function indexIn(bytes: Buffer): [string, number][] {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged();
  return indexOf(bytes.subarray(HEADER_BYTES, HEADER_BYTES + bytes.readUInt32LE(MAGIC.length)));
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
