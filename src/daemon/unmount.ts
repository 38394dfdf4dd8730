/** Takes a mount away under its users. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from '../drivers/connection.ts';
import type { CoreClient } from '../drivers/host/core-client.ts';
import { removeDeadMounts, unmount, unmountLazily } from '../mount/mount.ts';
import { findMount } from '../mount/mountinfo.ts';
import type { Logger } from '../observe/log.ts';

export interface Unmounted {
  /** The mount was taken out of the tree although processes still use it; they get ENOTCONN from now on. */
  lazy: boolean;
  /** The processes that still use it, where they can be seen. */
  holders: string[];
}

export interface MountEnding {
  mountPoint: string;
  /** The mount's, as `major:minor`: what else may be mounted there by now is left alone. */
  device: string;
  connection: Connection;
  /** Writes down what can be before anything is taken away; hangs where no path leads to the mount. */
  settle: () => Promise<void>;
  log: Logger;
}

const BUSY_RETRIES = 10;
const BUSY_RETRY_MS = 50;
/** Each takes a fifth of a second. */
const ENDING_LOOKS = 10;

/**
 * The kernel thread has ended, or is about to, when it returns; where even that cannot be done, the log says so, and the
 * thread ends with the mount's last user. Never rejects.
 */
export async function endMount(ending: MountEnding): Promise<Unmounted> {
  const unmounted = await endOwn(ending);
  // The one that it covered.
  await removeDeadMounts(ending.mountPoint).catch(() => {});
  return unmounted;
}

async function endOwn(ending: MountEnding): Promise<Unmounted> {
  const { mountPoint, device, log } = ending;
  try {
    const mount = await findMount(mountPoint);
    if (mount?.device === device) return await takeAway(ending);
    return await endOutOfSight(
      ending,
      'The mount was unmounted by another process and is still in use; it is ended',
    );
  } catch (error) {
    if (await ending.connection.thread.hasEnded()) return { lazy: false, holders: [] };
    log.error(
      { mountPoint, error: String(error) },
      'The mount could not be ended; umount(8) it to end the daemon',
    );
    return { lazy: true, holders: [] };
  }
}

async function takeAway(ending: MountEnding): Promise<Unmounted> {
  const { mountPoint, connection, settle, log } = ending;
  await settle();
  for (let attempt = 1; ; attempt++) {
    const result = await unmount(mountPoint);
    if (result.kind === 'unmounted') {
      connection.unmounted();
      // A mount namespace that was made meanwhile has a copy, which may live for long.
      if (await endsByItself(connection.thread)) return { lazy: false, holders: [] };
      return endOutOfSight(ending, 'Another mount namespace still has the mount; it is ended there as well');
    }
    if (attempt < BUSY_RETRIES) {
      await sleep(BUSY_RETRY_MS);
      continue;
    }
    const holders = result.holders.map(({ pid, command }) => `${pid} (${command})`);
    log.warn({ mountPoint, holders }, 'The mount is in use; it is unmounted lazily');
    await detach(mountPoint, connection);
    return { lazy: true, holders };
  }
}

/** As it does where no other mount namespace has the mount, no matter how busy the machine is. */
async function endsByItself(thread: CoreClient): Promise<boolean> {
  for (let look = 0; look < ENDING_LOOKS; look++) if (await thread.hasEnded()) return true;
  return false;
}

/** It was unmounted lazily, or covered, or another mount namespace has a copy of it. */
async function endOutOfSight(
  { connection, mountPoint, log }: MountEnding,
  reason: string,
): Promise<Unmounted> {
  if (await connection.thread.hasEnded()) return { lazy: false, holders: [] };
  log.warn({ mountPoint }, reason);
  await connection.endOutOfSight();
  return { lazy: true, holders: [] };
}

/** The thread may be woken by a path only, which a lazy unmount leaves to those who are inside already. */
async function detach(mountPoint: string, { thread }: Connection): Promise<void> {
  await thread.keepAccess(mountPoint);
  await unmountLazily(mountPoint);
  thread.post({ type: 'stop' });
}
