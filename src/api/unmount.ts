/** Ends a mount: the daemon is asked to stop, and all is flushed, unmounted and the processes gone when the promise resolves. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, systemClock } from '../lib/clock.ts';
import { SessionfsError } from '../lib/errors.ts';
import { listText } from '../lib/human.ts';
import { codeOf } from '../lib/system-error.ts';
import { removeDeadMounts, unmountByForce } from '../mount/mount.ts';
import { MountFolder } from '../mount/mount-folder.ts';
import { resolveMountPoint } from '../mount/mount-point.ts';
import { findMount } from '../mount/mountinfo.ts';
import { findMountUsers, type MountUser, stillUsing } from '../mount/users.ts';
import { isMountPoint, locateMount, notPermitted, requireAnswer } from './locate.ts';
import { type MountStatus, readMountStatus } from './mount-status.ts';
import { isRunning, serversOf, servesMount, supervises } from './process-watch.ts';

const POLL_MS = 50;
const LOOK_MS = 200;
const USERS_SHOWN = 5;
/** A mount that is to be ended by force is expected to hang. */
const FORCE_ANSWER_MS = 2000;
const FORCE_WAIT_MS = 10_000;

export const UNMOUNT_TIMEOUT_S = 60;

export interface Unmounted {
  /** As the kernel listed it. */
  readonly mountPoint: string;
  readonly how:
    | 'flushed'
    | 'by-force'
    /** Its daemon had died. */
    | 'dead'
    /** Nothing was mounted, but the last mount had left the folder shut. */
    | 'folder-opened';
  /** Where it was asked. */
  readonly cachePath?: string | undefined;
}

/**
 * Flushes and ends the mount that `directory` names, an absolute path. Rejects with NOT_MOUNTED, MOUNT_NOT_ANSWERING,
 * MOUNT_NOT_PERMITTED, UNMOUNT_TIMEOUT, MOUNT_IN_USE; of the last the mount is gone all the same. `timeoutMs` 0: for ever.
 */
export async function unmountFlushed(directory: string, timeoutMs: number): Promise<Unmounted> {
  const path = await locateMount(directory).catch((error: unknown) => openFolder(directory, error));
  if (typeof path !== 'string') return path;
  const reading = await readMountStatus(path);
  if (reading.kind === 'stale') {
    await removeDeadMounts(path);
    giveFolderBack(path);
    return { mountPoint: path, how: 'dead' };
  }
  const { status } = await requireAnswer(reading, path, 'for its processes');
  try {
    await stop(path, status.pids, timeoutMs);
  } finally {
    if (!(await isMountPoint(path))) giveFolderBack(path);
  }
  return { mountPoint: path, how: 'flushed', cachePath: status.cachePath };
}

/**
 * Ends the processes that serve the mount where they are, without a flush, and takes the mount away: for one that hangs. What was
 * written is in the cache and its journal, as after any kill.
 */
export async function unmountForced(directory: string): Promise<Unmounted> {
  const path = await locateMount(directory);
  const mount = await findMount(path);
  if (mount === undefined)
    throw new SessionfsError('NOT_MOUNTED', `nothing is mounted on ${path}`, {
      hint: 'sessionfs status lists what is mounted.',
    });
  const reading = await readMountStatus(path, FORCE_ANSWER_MS);
  const pids = reading.kind === 'answered' ? reading.status.pids : undefined;
  // The supervisor first: it would start another daemon.
  const named = pids === undefined ? [] : [pids.supervisor, pids.daemon];
  const seen = process.platform === 'linux' ? serversOf(mount.device).map(({ pid }) => pid) : [];
  const own = [...new Set([...named, ...seen])].filter((pid) =>
    pid === pids?.supervisor ? supervises(pid, pids.daemon, mount) : servesMount(pid, mount),
  );
  for (const pid of own) requestStop(path, pid, 'SIGKILL');
  await waitUntilGone(path, { timeoutMs: FORCE_WAIT_MS, isGone: async () => !own.some(isRunning) });
  if (await isMountPoint(path)) await unmountByForce(path);
  giveFolderBack(path);
  return { mountPoint: path, how: 'by-force' };
}

/** Nothing is mounted, but an earlier mount may have left the folder shut: it is given back. Otherwise throws `error`. */
async function openFolder(directory: string, error: unknown): Promise<Unmounted> {
  const path = await resolveMountPoint(directory);
  if (!giveFolderBack(path)) throw error;
  return { mountPoint: path, how: 'folder-opened' };
}

/** Returns whether there was a folder that was shut. Throws MOUNT_NOT_PERMITTED. */
function giveFolderBack(path: string): boolean {
  let folder: MountFolder;
  try {
    folder = MountFolder.open(path);
  } catch {
    return false;
  }
  try {
    const { isShut } = folder;
    folder.giveBack();
    return isShut;
  } catch {
    throw notPermitted(`open the folder ${path}, which is shut`);
  } finally {
    folder.release();
  }
}

/** The supervisor passes the signal on; where it has died, the daemon ends the mount by itself. */
async function stop(
  path: string,
  { supervisor, daemon }: MountStatus['pids'],
  timeoutMs: number,
): Promise<void> {
  const mount = await findMount(path);
  const hasSupervisor = mount !== undefined && supervises(supervisor, daemon, mount);
  if (!hasSupervisor && (mount === undefined || !servesMount(daemon, mount))) throw notServing(path, daemon);
  requestStop(path, hasSupervisor ? supervisor : daemon);
  const processes = hasSupervisor ? [supervisor, daemon] : [daemon];
  const watch = new UserWatch(path);
  await waitUntilGone(path, {
    timeoutMs,
    isGone: async () => {
      const isMounted = await isMountPoint(path);
      if (isMounted) await watch.look();
      return !isMounted && !processes.some(isRunning);
    },
  });
  const left = await stillUsing(watch.users);
  if (left.length > 0) throw inUse(path, left);
}

/** The processes that use the mount while it ends. The daemon waits half a second for them, then unmounts all the same. */
class UserWatch {
  readonly #path: string;
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** At the last look while it was mounted. */
  users: MountUser[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  async look(): Promise<void> {
    if (systemClock.monotonicMs() - this.#lookedMs < LOOK_MS) return;
    const users = (await findMountUsers(this.#path)).filter(({ pid }) => pid !== process.pid);
    // Once the mount is gone, what a process had there no longer shows its path.
    if (await isMountPoint(this.#path)) this.users = users;
    this.#lookedMs = systemClock.monotonicMs();
  }
}

function inUse(path: string, users: readonly MountUser[]): SessionfsError {
  const shown = users.map(({ pid, command, how }) => `${pid} (${command}: ${how})`);
  return new SessionfsError(
    'MOUNT_IN_USE',
    `${path} is flushed and unmounted, but was in use by ${listText(shown, USERS_SHOWN)}`,
    {
      hint: 'What they have open there fails with ENOTCONN from now on: end them. Stop applications before the mount.',
    },
  );
}

/** Another user's mount can name any process as its own, and so can one that is seen from another container. */
function notServing(path: string, pid: number): SessionfsError {
  return new SessionfsError(
    'MOUNT_NOT_PERMITTED',
    `process ${pid}, which the mount on ${path} names as its daemon, does not serve it: it is one of another container, or the mount is not what it says`,
    {
      hint: 'In another container: unmount it there, or stop that container. Else see who made the mount: grep fuse.sessionfs /proc/self/mountinfo shows its user_id.',
    },
  );
}

/** Call it with a process that serves the mount. */
export function requestStop(path: string, pid: number, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (codeOf(error) === 'ESRCH' && signal === 'SIGKILL') return;
    if (codeOf(error) === 'EPERM') throw notPermitted(`stop process ${pid}, which serves ${path}`);
    throw error;
  }
}

export interface Wait {
  /** 0: for ever. */
  readonly timeoutMs: number;
  isGone(): Promise<boolean>;
  readonly clock?: Clock;
}

/** Throws UNMOUNT_TIMEOUT; the daemon goes on finishing all the same. */
export async function waitUntilGone(
  path: string,
  { timeoutMs, isGone, clock = systemClock }: Wait,
): Promise<void> {
  const deadlineMs = timeoutMs === 0 ? Number.POSITIVE_INFINITY : clock.monotonicMs() + timeoutMs;
  while (!(await isGone())) {
    if (clock.monotonicMs() >= deadlineMs) {
      throw new SessionfsError('UNMOUNT_TIMEOUT', `${path} is still mounted after ${timeoutMs / 1000} s`, {
        hint: `It goes on finishing: look at its log, run the command again, or see who uses it with fuser -vm ${path}`,
      });
    }
    await sleep(POLL_MS);
  }
}
