/** Whether a directory is fit to be the cache, said before anything is mounted. */
import fs from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { readCacheFile } from '../../lib/cache-file.ts';
import { SessionfsError } from '../../lib/errors.ts';
import { actsAsRoot } from '../../lib/private-path.ts';
import { codeOf } from '../../lib/system-error.ts';

export const CACHE_VERSION = 1;
const FORMAT_NAME = 'sessionfs-cache';
const FORMAT_FILE = 'format.json';
const FORMAT_BYTES_MAX = 1 << 16;
const FORMAT_HINT = 'Choose another SESSION_CACHE_PATH, or restore this file from a copy of the cache.';
const FORMAT_FILE_NEW = 'format.json.new';
/** What may lie in a directory that is to become a cache: an interrupted start, or a fresh ext4 volume. */
const HARMLESS = new Set(['lock', FORMAT_FILE_NEW, 'lost+found']);
const NEW_FILE = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_NOFOLLOW;
const DIRECTORIES = ['journal', 'tmp', 'sessions'];

/** The key id in `<cachePath>/format.json`; undefined: not a cache yet. Throws CACHE_FORMAT for a foreign or newer one. */
export function readKeyId(cachePath: string): string | undefined {
  let text: string;
  try {
    text = readCacheFile(join(cachePath, FORMAT_FILE), FORMAT_BYTES_MAX, FORMAT_HINT);
  } catch (error) {
    if (error instanceof SessionfsError) throw error;
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw notWritable(cachePath, error);
  }
  return parseFormat(cachePath, text);
}

function parseFormat(cachePath: string, text: string): string {
  const value = parseJson(text);
  if (
    value?.format !== FORMAT_NAME ||
    typeof value.keyId !== 'string' ||
    !/^[0-9a-f]{16}$/.test(value.keyId)
  ) {
    throw new SessionfsError(
      'CACHE_FORMAT',
      `${join(cachePath, FORMAT_FILE)} is not a sessionfs cache's format file`,
      {
        hint: FORMAT_HINT,
      },
    );
  }
  if (value.version !== CACHE_VERSION) {
    throw new SessionfsError(
      'CACHE_FORMAT',
      `the cache ${cachePath} has version ${value.version}, not ${CACHE_VERSION}`,
      {
        hint: 'Start the version of sessionfs that wrote it, or choose another SESSION_CACHE_PATH.',
      },
    );
  }
  return value.keyId;
}

/** Undefined for what is not JSON: it is handled as any other file that is not ours. */
function parseJson(
  text: string,
): { format?: unknown; version?: unknown; keyId?: unknown } | null | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Creates what is missing and narrows the directory to 0700; throws as Cache.open does. */
export function prepareCacheDirectory(
  cachePath: string,
  keyId: string,
  acceptedKeyIds: readonly string[],
): void {
  try {
    makePrivate(cachePath);
    const stored = readKeyId(cachePath);
    if (stored === undefined) checkEmpty(cachePath);
    else if (stored !== keyId && !acceptedKeyIds.includes(stored)) throw wrongKey(cachePath, stored, keyId);
    // First: a start that is interrupted here leaves a cache, not a directory that is neither empty nor one.
    if (stored !== keyId) writeFormat(cachePath, keyId);
    for (const name of DIRECTORIES) makePrivate(join(cachePath, name));
    checkCase(cachePath);
    // Files synced in them later must not hang on a name that a power cut takes.
    for (const directory of [cachePath, dirname(resolve(cachePath))]) syncDirectory(directory);
  } catch (error) {
    throw error instanceof SessionfsError ? error : notWritable(cachePath, error);
  }
}

/** `a.json` and `A.json` are two files of the mount. */
function checkCase(cachePath: string): void {
  const inodeOf = (name: string) => fs.lstatSync(join(cachePath, name), { throwIfNoEntry: false })?.ino;
  if (inodeOf('SESSIONS') !== inodeOf('sessions')) return;
  throw new SessionfsError(
    'CACHE_CASE_INSENSITIVE',
    `the disk of the cache ${cachePath} takes upper and lower case for the same name`,
    {
      hint: 'Set SESSION_CACHE_PATH to a directory on a case-sensitive disk (on macOS: a case-sensitive APFS volume).',
    },
  );
}

function makePrivate(directory: string): void {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  narrow(directory);
  fs.accessSync(directory, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
}

/** What others could write may hold what others have planted. */
function narrow(directory: string): void {
  const { mode } = fs.statSync(directory);
  if ((mode & 0o077) === 0) return;
  if ((mode & 0o022) !== 0 && actsAsRoot()) requireEmpty(directory);
  fs.chmodSync(directory, 0o700);
}

function requireEmpty(directory: string): void {
  const planted = fs.readdirSync(directory).find((name) => !HARMLESS.has(name));
  if (planted === undefined) return;
  throw new SessionfsError(
    'UNSAFE_PATH',
    `the cache directory ${directory} could be written by other users, and holds ${planted}`,
    {
      hint: `See that no other user has put anything there, then run: chmod 700 ${directory}`,
    },
  );
}

function checkEmpty(cachePath: string): void {
  const other = fs.readdirSync(cachePath).find((name) => !HARMLESS.has(name));
  if (other === undefined) return;
  throw new SessionfsError(
    'CACHE_FORMAT',
    `${cachePath} is not a sessionfs cache and not empty: it has ${other}`,
    {
      hint: 'Choose an empty or new directory as SESSION_CACHE_PATH.',
    },
  );
}

/** Durable on return: a cache with sessions in it is never without its format file. */
function writeFormat(cachePath: string, keyId: string): void {
  const temporary = join(cachePath, FORMAT_FILE_NEW);
  fs.rmSync(temporary, { force: true });
  const fd = fs.openSync(temporary, NEW_FILE, 0o600);
  try {
    fs.writeSync(fd, `${JSON.stringify({ format: FORMAT_NAME, version: CACHE_VERSION, keyId })}\n`);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(temporary, join(cachePath, FORMAT_FILE));
  syncDirectory(cachePath);
}

/** A parent that may not be opened is left to the disk. */
function syncDirectory(path: string): void {
  let fd: number;
  try {
    fd = fs.openSync(path, 'r');
  } catch (error) {
    if (codeOf(error) === 'EACCES' || codeOf(error) === 'EPERM') return;
    throw error;
  }
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Throws CACHE_ON_MOUNT when one of the two would hide or feed the other. */
export function checkOutsideMount(cachePath: string, mountPoint: string): void {
  const mount = resolveUntouched(mountPoint);
  // Lexically first: resolving a path inside a mount would wait for the daemon that is about to serve it.
  const onMount =
    isWithin(resolve(cachePath), resolve(mountPoint)) || isWithin(resolveUntouched(cachePath), mount);
  if (!onMount && !isWithin(mount, resolveUntouched(cachePath))) return;
  const [inner, outer] = onMount ? [cachePath, mountPoint] : [mountPoint, cachePath];
  throw new SessionfsError(
    'CACHE_ON_MOUNT',
    `${inner} lies inside ${outer}; the cache needs a place of its own`,
    {
      hint: 'Choose a SESSION_CACHE_PATH beside the mount point, as the default is.',
    },
  );
}

function isWithin(path: string, directory: string): boolean {
  const between = relative(directory, path);
  return between !== '..' && !between.startsWith(`..${sep}`);
}

const LINKS_MAX = 40;

/**
 * realpath(3) of a path that need not exist, without a request to a filesystem mounted on it: readlink(2) of a mount
 * point is answered by the kernel, where lstat(2) asks the daemon. After too many links, the rest is taken as it is.
 */
function resolveUntouched(path: string, linksLeft = LINKS_MAX): string {
  const absolute = resolve(path);
  const parent = dirname(absolute);
  const isRoot = parent === absolute;
  if (isRoot) return absolute;
  const realParent = resolveUntouched(parent, linksLeft);
  const place = join(realParent, basename(absolute));
  const target = linksLeft > 0 ? linkTarget(place) : undefined;
  return target === undefined ? place : resolveUntouched(resolve(realParent, target), linksLeft - 1);
}

/** Undefined: nothing is there, or it is no symbolic link. */
function linkTarget(path: string): string | undefined {
  try {
    return fs.readlinkSync(path);
  } catch {
    return undefined;
  }
}

function wrongKey(cachePath: string, stored: string, keyId: string): SessionfsError {
  return new SessionfsError(
    'KEY_WRONG',
    `the cache ${cachePath} is sealed with key ${stored}, not with ${keyId}`,
    {
      hint: 'Set SESSION_ENCRYPTION_KEY to that key, or name it in SESSION_ENCRYPTION_KEYS_PREVIOUS.',
    },
  );
}

function notWritable(cachePath: string, cause: unknown): SessionfsError {
  return new SessionfsError(
    'CACHE_NOT_WRITABLE',
    `the cache directory ${cachePath} cannot be used: ${codeOf(cause)}`,
    {
      cause,
      hint: 'Make it a directory that the user who runs sessionfs may read and write, on a disk that is not read-only.',
    },
  );
}
