/** At most one sessionfs uses a cache. The lock is flock(2)'s: it ends with the process that holds it, however it dies. */
import { spawnSync } from 'node:child_process';
import fs, { constants } from 'node:fs';
import { join } from 'node:path';
import { readCacheFile } from '../../lib/cache-file.ts';
import { SessionfsError } from '../../lib/errors.ts';
import { requirePrivatePath } from '../../lib/private-path.ts';
import { codeOf } from '../../lib/system-error.ts';
import { toolEnvironment } from '../../lib/system-tools.ts';
import { checkOutsideMount } from './format.ts';

export interface CacheLock {
  /** Another process may take the lock from now on. */
  release(): void;
}

/** open(2) of macOS takes the lock itself; Linux has neither that flag nor a flock in Node, but a flock(1). */
const DARWIN_O_EXLOCK = 0x20;
const FLOCK_BUSY = 1;
const PID_BYTES_MAX = 64;
const FLOCK_TIMEOUT_MS = 10_000;

/**
 * Locks `<cachePath>/lock`; the cache directory must be there. Throws CACHE_LOCKED, naming the process that has it, and
 * CACHE_NOT_WRITABLE where the lock file cannot be opened or the disk knows no locks. The descriptor is close-on-exec: only
 * the flock(1) below ever inherits it, and the lock belongs to the open file, not to that child.
 */
export function acquireCacheLock(cachePath: string): CacheLock {
  const lockPath = join(cachePath, 'lock');
  const fd = openLockFile(cachePath, lockPath);
  try {
    if (process.platform !== 'darwin') runFlock(fd, cachePath, lockPath);
    // A start that failed has removed the file that was opened here.
    if (fs.statSync(lockPath, { throwIfNoEntry: false })?.ino !== fs.fstatSync(fd).ino)
      throw locked(cachePath, lockPath);
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
  writePid(fd);
  let held = true;
  return {
    release: () => {
      if (held) fs.closeSync(fd);
      held = false;
    },
  };
}

/**
 * Makes the cache directory if it is missing, and locks it, before anything is read from it or written to it. Throws
 * CACHE_ON_MOUNT, UNSAFE_PATH, and as `acquireCacheLock` does.
 */
export function lockCache(cachePath: string, mountPoint: string): CacheLock {
  checkOutsideMount(cachePath, mountPoint);
  requirePrivateCache(cachePath);
  try {
    makeDirectory(cachePath);
  } catch (error) {
    throw unusable(cachePath, error);
  }
  // In a sticky directory another user may have been faster.
  requirePrivateCache(cachePath);
  return acquireCacheLock(cachePath);
}

function requirePrivateCache(cachePath: string): void {
  requirePrivatePath(cachePath, 'the cache', 'SESSION_CACHE_PATH');
}

/** With `recursive` alone a read-only disk would say ENOENT. */
function makeDirectory(path: string): void {
  try {
    fs.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    fs.mkdirSync(path, { mode: 0o700 });
  }
}

function openLockFile(cachePath: string, lockPath: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  try {
    const ownLock = process.platform === 'darwin' ? DARWIN_O_EXLOCK : 0;
    const fd = fs.openSync(lockPath, flags | ownLock | constants.O_NONBLOCK, 0o600);
    if (fs.fstatSync(fd).isFile()) return fd;
    fs.closeSync(fd);
  } catch (error) {
    throw codeOf(error) === 'EAGAIN' ? locked(cachePath, lockPath) : unusable(cachePath, error);
  }
  throw new SessionfsError('CACHE_FORMAT', `${lockPath} is not a regular file`, { hint: 'Remove it.' });
}

/** For the message to a second process. On a full disk the lock counts without it. */
function writePid(fd: number): void {
  try {
    fs.ftruncateSync(fd, 0);
    fs.writeSync(fd, `${process.pid}\n`, 0);
  } catch {}
}

function runFlock(fd: number, cachePath: string, lockPath: string): void {
  const result = spawnSync('flock', ['-n', '-x', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', fd],
    timeout: FLOCK_TIMEOUT_MS,
    env: toolEnvironment(),
  });
  if (result.error) {
    throw new SessionfsError(
      'CACHE_NOT_WRITABLE',
      `the cache ${cachePath} cannot be locked: flock did not run`,
      {
        cause: result.error,
        hint: 'Install flock(1): it is in util-linux, and in busybox.',
      },
    );
  }
  if (result.status === FLOCK_BUSY) throw locked(cachePath, lockPath);
  if (result.status !== 0) throw unusable(cachePath, new Error(`flock: ${result.stderr}`.trim()));
}

function locked(cachePath: string, lockPath: string): SessionfsError {
  const pid = pidIn(lockPath);
  const holder = pid ? `process ${pid}` : 'another process';
  return new SessionfsError('CACHE_LOCKED', `the cache ${cachePath} is in use by ${holder}`, {
    hint: 'Stop that process, or give each mount its own SESSION_CACHE_PATH.',
  });
}

/** Undefined: it does not say. */
function pidIn(lockPath: string): string | undefined {
  try {
    return /^\d{1,10}(?=\n)/.exec(readCacheFile(lockPath, PID_BYTES_MAX, ''))?.[0];
  } catch {
    return undefined;
  }
}

function unusable(cachePath: string, cause: unknown): SessionfsError {
  const reason = codeOf(cause) ?? String(cause);
  return new SessionfsError('CACHE_NOT_WRITABLE', `the cache ${cachePath} cannot be written: ${reason}`, {
    cause,
    hint: 'The cache must be a writable directory on a local disk.',
  });
}
