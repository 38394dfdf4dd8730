/** A key file: one line of 64 hex digits, readable by its owner only. */

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { syncDirectorySync } from '../lib/durable-files.ts';
import { errnoOf, isDiskFull } from '../lib/errno.ts';
import { SessionfsError } from '../lib/errors.ts';
import { codeOf, messageOf } from '../lib/system-error.ts';
import { parseKeyHex, RAW_KEY_SIZE } from './keyring.ts';

/** A key file is 65 bytes; what is far longer is another file, and is not read whole. */
const READ_MAX = 1024;
const READABLE_BY_OTHERS = 0o044;
const WRITABLE_BY_OTHERS = 0o022;
const ROOT = 0;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** The raw key, which the caller owns, and warnings where others may read or replace it. Throws KEY_MISSING, KEY_MALFORMED. */
export function readKeyFile(path: string): { raw: Buffer; warnings: string[] } {
  const fd = openForReading(path);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile())
      throw new SessionfsError('KEY_MALFORMED', `the key file ${path} is not a regular file`);
    return { raw: parseKeyHex(readText(fd), `the key in ${path}`), warnings: warningsOf(path, stat) };
  } finally {
    closeSync(fd);
  }
}

function warningsOf(path: string, { mode, uid }: Stats): string[] {
  const warnings: string[] = [];
  const own = process.geteuid?.() ?? uid;
  if (uid !== own && uid !== ROOT)
    warnings.push(
      `the key file ${path} belongs to user ${uid}, who can replace the key; run: chown ${own} ${path}`,
    );
  if ((mode & WRITABLE_BY_OTHERS) !== 0)
    warnings.push(`the key file ${path} can be written by other users; run: chmod 600 ${path}`);
  else if ((mode & READABLE_BY_OTHERS) !== 0)
    warnings.push(`the key file ${path} can be read by other users; run: chmod 600 ${path}`);
  return warnings;
}

/**
 * Makes a random key in a new file, 0600. The name appears only with the whole key behind it, and file and name are on
 * stable storage on return. An existing file is never replaced: the key of another process that was faster is taken.
 * Throws CACHE_NOT_WRITABLE.
 */
export function createKeyFile(path: string): Buffer {
  const raw = randomBytes(RAW_KEY_SIZE);
  try {
    mkdirSync(dirname(path), { recursive: true });
    if (publish(path, `${raw.toString('hex')}\n`)) return raw;
  } catch (error) {
    throw new SessionfsError('CACHE_NOT_WRITABLE', `cannot write the key file ${path}: ${messageOf(error)}`, {
      hint: isDiskFull(errnoOf(error))
        ? 'Free space on its disk, or set SESSION_CACHE_PATH to a place on another one.'
        : 'Make its directory writable, or set SESSION_CACHE_PATH to a place that is.',
      cause: error,
    });
  }
  return readKeyFile(path).raw;
}

/** Writes a key that the caller made to a new file, 0600, on stable storage on return. Throws KEY_FILE_EXISTS, KEY_FILE_NOT_WRITABLE. */
export function newKeyFile(path: string, hex: string): void {
  let isNew: boolean;
  try {
    isNew = publish(path, `${hex}\n`);
  } catch (error) {
    throw new SessionfsError(
      'KEY_FILE_NOT_WRITABLE',
      `cannot write the key file ${path}: ${messageOf(error)}`,
      {
        hint: 'Name a file in a folder that exists, and that you may write to.',
        cause: error,
      },
    );
  }
  if (isNew) return;
  throw new SessionfsError('KEY_FILE_EXISTS', `${path} is there already, and is left as it is`, {
    hint: 'A key that is overwritten is lost, with all that it sealed: name another file.',
  });
}

/** False when the name is taken. */
function publish(path: string, text: string): boolean {
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  try {
    writeDurably(temporary, text);
    claimName(temporary, path);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  syncDirectorySync(dirname(path));
  return true;
}

const NO_HARD_LINKS = ['EPERM', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP'];

/** Fails with EEXIST where the name is taken. Without hard links only the cache's lock keeps two processes apart. */
function claimName(temporary: string, path: string): void {
  try {
    linkSync(temporary, path);
  } catch (error) {
    if (!NO_HARD_LINKS.includes(codeOf(error) ?? '')) throw error;
    renameSync(temporary, path);
  }
}

function writeDurably(path: string, text: string): void {
  const fd = openSync(path, NEW_FILE, 0o600);
  try {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    bytes.fill(0);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function openForReading(path: string): number {
  try {
    // O_NONBLOCK: a pipe in the file's place must not hang the start.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new SessionfsError('KEY_MISSING', `cannot read the key file ${path}: ${messageOf(error)}`, {
      hint: 'Name an existing file that this user may read, with one line of 64 hex digits.',
      cause: error,
    });
  }
}

function readText(fd: number): string {
  const bytes = Buffer.alloc(READ_MAX);
  const length = readSync(fd, bytes, 0, READ_MAX, 0);
  const text = bytes.toString('latin1', 0, length).trim();
  bytes.fill(0);
  return text;
}
