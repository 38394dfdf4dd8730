/** What a mount needs before its first daemon, and what the supervisor then owns for as long as it lasts. */
import { randomUUID } from 'node:crypto';
import { closeSync, constants, existsSync, openSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/load.ts';
import type { Driver } from '../drivers/choose.ts';
import { openFuseDevice, openUnusedDevice } from '../drivers/direct/device.ts';
import { isInMemory, openMemoryDirectory, pathOfDescriptor } from '../mount/memory-directory.ts';
import { cleanUpStaleMount } from '../mount/mount.ts';
import { checkMountPoint, resolveMountPoint } from '../mount/mount-point.ts';
import type { Logger } from '../observe/log.ts';
import { MEMORY_DESCRIPTOR, type OwnedDescriptors } from './messages.ts';

/** The cache of a daemon that has none on disk. */
export const MEMORY_CACHE = join(pathOfDescriptor(MEMORY_DESCRIPTOR), 'sessionfs-in-memory');
/** For the journal, and for sessions that are on their way. */
const MEMORY_HEADROOM_BYTES = 128 * 1024 * 1024;
/** The key's variables go to the daemon and to no other child. */
const SECRET_PREFIX = 'SESSION_ENCRYPTION_KEY';

export async function prepareMountPoint(
  path: string,
  log: Logger,
): Promise<{ mountPoint: string; wasDead: boolean }> {
  const mountPoint = await resolveMountPoint(path);
  const wasDead = (await checkMountPoint(mountPoint)) === 'stale';
  if (wasDead) {
    await cleanUpStaleMount(mountPoint);
    log.warn({ mountPoint }, 'A dead mount that an earlier run had left was removed');
    await checkMountPoint(mountPoint);
  }
  return { mountPoint, wasDead };
}

/**
 * Which process makes the mount, and when.
 * - 'before-load': the supervisor, at once. The mount point was a dead mount of ours: its users must wait for the daemon, and not
 *   find an empty folder until that is loaded.
 * - 'after-load': the supervisor, once the daemon is loaded. A start that fails never shows a mount, and plain sessions are read
 *   before the mount hides them.
 * - 'by-daemon': libfuse, in the daemon, once that is loaded.
 */
export type MountOrder = 'before-load' | 'after-load' | 'by-daemon';

export function mountOrder(driver: Driver, wasDead: boolean, plainSessions: readonly string[]): MountOrder {
  if (driver === 'fuse-native') return 'by-daemon';
  return wasDead && plainSessions.length === 0 ? 'before-load' : 'after-load';
}

/** A directory of a tmpfs that was named is memory as well; any other one is not used in cloud mode. */
export function withTmpfs(config: Config): Config {
  const isNamed = config.cacheInMemory && config.cacheIsNamed && isInMemory(config.cachePath);
  return isNamed ? { ...config, cacheInMemory: false } : config;
}

export async function openDescriptors(
  config: Config,
  driver: Driver,
  mountPoint: string,
): Promise<OwnedDescriptors> {
  const memoryFd = config.cacheInMemory
    ? await openMemoryDirectory(mountPoint, 2 * config.cloudMemoryLimitBytes + MEMORY_HEADROOM_BYTES)
    : undefined;
  const fuseFd = driver === 'direct' ? openFuseDevice() : openUnusedDevice();
  return { fuseFd, inFlightFd: openInFlight(memoryFd), memoryFd };
}

export function closeDescriptors({ fuseFd, inFlightFd, memoryFd }: OwnedDescriptors): void {
  for (const fd of [fuseFd, inFlightFd, memoryFd]) if (fd !== undefined) closeSync(fd);
}

/** A file in memory that has no name and lives as long as a process has it open. */
function openInFlight(memoryFd: number | undefined): number {
  const shared = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const directory = memoryFd === undefined ? shared : pathOfDescriptor(memoryFd);
  const path = join(directory, `sessionfs-${process.pid}-${randomUUID()}`);
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  unlinkSync(path);
  return fd;
}

export function takeSecrets(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const names = Object.keys(env).filter((name) => name.startsWith(SECRET_PREFIX));
  const secrets = Object.fromEntries(names.map((name) => [name, env[name]]));
  for (const name of names) delete env[name];
  return secrets;
}
