/** The disk with the cache: whose it is, how full, how fast, and whether what it keeps is read again. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config } from '../../config/load.ts';
import { sizeText } from '../../lib/human.ts';
import { requirePrivatePath } from '../../lib/private-path.ts';
import { codeOf } from '../../lib/system-error.ts';
import { FILESYSTEM_TYPE, findMountSync } from '../../mount/mountinfo.ts';
import { type Finding, failure, finding } from './finding.ts';

const FREE_LOW_BYTES = 256 * 1024 * 1024;
const FREE_NONE_BYTES = 16 * 1024 * 1024;
const SYNCS = 5;
const SYNC_SLOW_MS = 50;
const NEW_FILE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export interface MountPointChecks {
  /** Throws where the mount point holds what a mount would hide. */
  requirePlainMountPoint(path: string): void;
  /** Rejects where the mount that is there does not answer: NOT_MOUNTED, MOUNT_NOT_ANSWERING, MOUNT_NOT_PERMITTED. */
  requireAnswer(path: string): Promise<void>;
}

export async function diskFindings(config: Config, checks: MountPointChecks): Promise<Finding[]> {
  const point = await mountPointFinding(config.mountPoint, checks);
  if (config.cacheInMemory)
    return [point, finding('cache', 'ok', 'in memory: cloud mode keeps nothing on the disk')];
  const place = existing(config.cachePath);
  try {
    requirePrivatePath(config.cachePath, 'the cache', 'SESSION_CACHE_PATH');
  } catch (error) {
    return [point, failure('cache', error)];
  }
  const where = existsSync(config.cachePath) ? '' : ', made by the first mount';
  return [
    point,
    finding('cache', 'ok', `${config.cachePath}${where}`),
    spaceFinding(place),
    speedFinding(place),
  ];
}

async function mountPointFinding(path: string, checks: MountPointChecks): Promise<Finding> {
  try {
    // A mount that hangs is not looked into.
    const mount = findMountSync(path);
    if (mount?.type === FILESYSTEM_TYPE) return await mountedFinding(path, checks);
    if (mount !== undefined) return finding('mount point', 'ok', `${path}, mounted now`);
    if (lstatSync(path).isFile())
      return finding('mount point', 'failed', `${path} is a file`, 'Name a directory.');
    checks.requirePlainMountPoint(path);
    return finding('mount point', 'ok', path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT')
      return finding('mount point', 'warning', `${path} does not exist`, `mkdir ${path}`);
    return failure('mount point', error);
  }
}

async function mountedFinding(path: string, checks: MountPointChecks): Promise<Finding> {
  try {
    await checks.requireAnswer(path);
    return finding('mount point', 'ok', `${path}, mounted now`);
  } catch (error) {
    const code = codeOf(error);
    // A new mount covers one whose daemon has died.
    const result = code === 'NOT_MOUNTED' ? 'warning' : code === 'MOUNT_NOT_PERMITTED' ? 'unknown' : 'failed';
    return failure('mount point', error, result);
  }
}

/** The nearest directory that is there. */
export function existing(path: string): string {
  return existsSync(path) || path === '/' ? path : existing(dirname(path));
}

function spaceFinding(directory: string): Finding {
  try {
    const { bavail, bsize, files, ffree } = statfsSync(directory);
    const free = bavail * bsize;
    const text = `${sizeText(free)} free on the disk of ${directory}`;
    if (files > 0 && ffree < files / 100)
      return finding(
        'space',
        'warning',
        `${text}, but almost no inodes`,
        'Each file of a session takes one.',
      );
    if (free >= FREE_LOW_BYTES) return finding('space', 'ok', text);
    return finding(
      'space',
      free < FREE_NONE_BYTES ? 'failed' : 'warning',
      text,
      'Free space, or name another place with SESSION_CACHE_PATH.',
    );
  } catch (error) {
    return failure('space', error, 'unknown');
  }
}

function speedFinding(directory: string): Finding {
  try {
    const times = Array.from({ length: SYNCS }, () => roundTrip(directory, Buffer.alloc(4096, 1)).syncMs);
    const median = times.sort((a, b) => a - b)[Math.floor(SYNCS / 2)] ?? 0;
    const text = `an fsync takes ${median.toFixed(1)} ms (median of ${SYNCS})`;
    return median <= SYNC_SLOW_MS
      ? finding('fsync', 'ok', text)
      : finding('fsync', 'warning', text, 'Pairing an account syncs often: put the cache on a local disk.');
  } catch (error) {
    return {
      ...failure('fsync', error),
      hint: `A mount could not write its cache: make ${directory} writable for this user, or set SESSION_CACHE_PATH.`,
    };
  }
}

/** Writes the bytes to a new file, syncs it, reads them again and removes it. Throws system errors. */
export function roundTrip(directory: string, bytes: Buffer): { read: Buffer; syncMs: number } {
  const path = join(directory, `.sessionfs-doctor-${randomBytes(8).toString('hex')}`);
  const fd = openSync(path, NEW_FILE, 0o600);
  try {
    writeSync(fd, bytes, 0, bytes.length, 0);
    const before = performance.now();
    fsyncSync(fd);
    return { syncMs: performance.now() - before, read: readFileSync(path) };
  } finally {
    closeSync(fd);
    rmSync(path, { force: true });
  }
}
