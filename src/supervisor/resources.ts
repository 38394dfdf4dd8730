/** What a mount needs before its first daemon, and what the supervisor then owns for as long as it lasts. */
import { randomUUID } from 'node:crypto';
import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/load.ts';
import type { Driver } from '../drivers/choose.ts';
import { openFuseDevice, openUnusedDevice } from '../drivers/direct/device.ts';
import { findPlainSessions, requirePlainSessions } from '../fs/startup/plain-sessions.ts';
import { SessionfsError } from '../lib/errors.ts';
import { messageOf } from '../lib/system-error.ts';
import { isInMemory, openMemoryDirectory, pathOfDescriptor } from '../mount/memory-directory.ts';
import { type MountPlace, removeDeadMounts } from '../mount/mount.ts';
import { isPlaceAt, MountFolder, openPlace } from '../mount/mount-folder.ts';
import { checkMountPoint, replacedMountPoint, resolveMountPoint } from '../mount/mount-point.ts';
import { mountsOfOurs } from '../mount/mountinfo.ts';
import type { Logger } from '../observe/log.ts';
import { MEMORY_DESCRIPTOR, type OwnedDescriptors } from './messages.ts';

/** The cache of a daemon that has none on disk. */
export const MEMORY_CACHE = join(pathOfDescriptor(MEMORY_DESCRIPTOR), 'sessionfs-in-memory');
/** For the journal, and for sessions that are on their way. */
const MEMORY_HEADROOM_BYTES = 128 * 1024 * 1024;

/** Where the mount will be. */
export interface PreparedPlace extends MountPlace {
  /** The folder below it. */
  folder: MountFolder;
  /** Names in it that hold plain sessions. */
  plainSessions: string[];
}

/** Throws SessionfsError, and holds nothing open then. */
export async function preparePlace(path: string, driver: Driver, log: Logger): Promise<PreparedPlace> {
  const mountPoint = await resolveMountPoint(path);
  const wasDead = (await checkMountPoint(mountPoint)) === 'stale';
  const covered = wasDead && driver === 'direct' ? await coverDeadMount(mountPoint, log) : undefined;
  if (covered !== undefined) return covered;
  if (wasDead) {
    await removeDeadMounts(mountPoint);
    log.warn({ mountPoint }, 'A dead mount that an earlier run had left was removed');
    await checkMountPoint(mountPoint);
  }
  const folder = MountFolder.open(mountPoint);
  try {
    if (!isPlaceAt(folder.fd, mountPoint)) throw replacedMountPoint(mountPoint);
    const plainSessions = folder.listed(() => requirePlainSessions(folder.path, mountPoint));
    return { mountPoint, place: folder.fd, covers: undefined, folder, plainSessions };
  } catch (error) {
    folder.release();
    throw error;
  }
}

/**
 * The lowest dead mount stays until the new one ends: no process finds the folder below between the two. Undefined where that
 * folder cannot be looked at, or is not empty: then the dead mount goes first.
 */
async function coverDeadMount(mountPoint: string, log: Logger): Promise<PreparedPlace | undefined> {
  const [lowest, ...others] = await mountsOfOurs(mountPoint);
  if (lowest === undefined) return undefined;
  const folder = await MountFolder.openBelow(mountPoint, others.length + 1);
  if (folder === undefined) return undefined;
  try {
    const { sessions, foreign } = folder.listed(() => findPlainSessions(folder.path));
    if (sessions.length + foreign.length > 0) {
      folder.release();
      return undefined;
    }
    await removeDeadMounts(mountPoint, 1);
    log.warn({ mountPoint }, 'A dead mount that an earlier run had left is covered by the new one');
    const place = openPlace(mountPoint);
    return { mountPoint, place, covers: lowest.device, folder, plainSessions: [] };
  } catch (error) {
    folder.release();
    throw error;
  }
}

/** Before a mount, for a folder that nothing is mounted on. Throws MOUNT_POINT_NOT_EMPTY, and system errors. */
export function requirePlainMountPoint(mountPoint: string): void {
  requirePlainSessions(mountPoint, mountPoint);
}

/** Throws MOUNT_POINT_NOT_EMPTY, and holds nothing open then: an import moves what it takes. */
export function requireNothingToImport(place: PreparedPlace): void {
  const { mountPoint, plainSessions } = place;
  if (plainSessions.length === 0) return;
  releasePlace(place);
  throw new SessionfsError(
    'MOUNT_POINT_NOT_EMPTY',
    `${mountPoint} holds plain sessions, which a read-only mount does not import`,
    { hint: 'Name an empty folder.' },
  );
}

export function releasePlace({ place, folder }: PreparedPlace): void {
  if (place !== folder.fd) closeSync(place);
  folder.release();
}

/**
 * Which process makes the mount, and when.
 * - 'before-load': the supervisor, at once. The mount point was a dead mount of ours: its users wait for the daemon, and their
 *   calls do not fail until that is loaded.
 * - 'after-load': the supervisor, once the daemon is loaded. A start that fails never shows a mount, and plain sessions are read
 *   before the mount hides them.
 * - 'by-daemon': libfuse, in the daemon, once that is loaded.
 */
export type MountOrder = 'before-load' | 'after-load' | 'by-daemon';

export function mountOrder(driver: Driver, coversDead: boolean): MountOrder {
  if (driver === 'fuse-native') return 'by-daemon';
  return coversDead ? 'before-load' : 'after-load';
}

/** A directory of a tmpfs that was named is memory as well; any other one is not used in cloud mode. */
export function withTmpfs(config: Config): Config {
  const isNamed = config.cacheInMemory && config.cacheIsNamed && isInMemory(config.cachePath);
  return isNamed ? { ...config, cacheInMemory: false } : config;
}

export async function openDescriptors(
  config: Config,
  driver: Driver,
  { mountPoint, folder, plainSessions }: PreparedPlace,
): Promise<OwnedDescriptors> {
  const memoryFd = config.cacheInMemory
    ? await openMemoryDirectory(mountPoint, 2 * config.cloudMemoryLimitBytes + MEMORY_HEADROOM_BYTES)
    : undefined;
  const fuseFd = driver === 'direct' ? openFuseDevice() : openUnusedDevice();
  const folderFd = driver === 'direct' && plainSessions.length === 0 ? undefined : folder.fd;
  return { fuseFd, inFlightFd: openInFlight(memoryFd), memoryFd, folderFd };
}

/** But for the folder's, which is its own. */
export function closeDescriptors({ fuseFd, inFlightFd, memoryFd }: OwnedDescriptors): void {
  for (const fd of [fuseFd, inFlightFd, memoryFd]) if (fd !== undefined) closeSync(fd);
}

/**
 * A file that has no name and lives as long as a process has it open: in memory where this machine has a place for that. Throws
 * MEMORY_UNAVAILABLE where none of `places` takes it.
 */
export function openInFlight(
  memoryFd: number | undefined,
  places: readonly string[] = ['/dev/shm', tmpdir()],
): number {
  const tried = memoryFd === undefined ? places : [pathOfDescriptor(memoryFd)];
  let cause: unknown;
  for (const directory of tried) {
    try {
      return openUnnamed(directory);
    } catch (error) {
      cause = error;
    }
  }
  throw new SessionfsError(
    'MEMORY_UNAVAILABLE',
    `no file for the calls under way can be made in ${tried.join(' or ')}: ${messageOf(cause)}`,
    { hint: 'Let this user write to /dev/shm, or to the folder that TMPDIR names.', cause },
  );
}

function openUnnamed(directory: string): number {
  const path = join(directory, `sessionfs-${process.pid}-${randomUUID()}`);
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  unlinkSync(path);
  return fd;
}
