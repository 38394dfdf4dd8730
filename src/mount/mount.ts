/**
 * Mounting and unmounting a connection with mount(8) and umount(8), for which one must be root in the user namespace. What
 * fusermount mounted for an ordinary user, it unmounts for that user too.
 */
import { spawn } from 'node:child_process';
import { closeSync, readFileSync } from 'node:fs';
import { SessionfsError } from '../lib/errors.ts';
import { messageOf } from '../lib/system-error.ts';
import { toolEnvironment } from '../lib/system-tools.ts';
import { CONTAINER_HINT } from './hints.ts';
import { MAX_IO_BYTES } from './io-size.ts';
import { isPlaceAt, openPlace } from './mount-folder.ts';
import { alreadyMounted, isStaleMount, replacedMountPoint } from './mount-point.ts';
import { FILESYSTEM_TYPE, findMount, type MountRecord, mountsOfOurs } from './mountinfo.ts';
import { findMountUsers, type MountUser } from './users.ts';

export interface MountOptions {
  /** Shown by mount(8) and df(1). */
  source: string;
  /** Let users other than the mounting one in; permissions are checked by the kernel either way. */
  allowOther: boolean;
  /** The kernel refuses every change; default: false. */
  readOnly?: boolean;
}

/** What is mounted on. */
export interface MountPlace {
  /** Resolved: how the mount table spells it. */
  mountPoint: string;
  /** A descriptor of the directory, or of the dead mount over it: the mount is made there, whatever has the name meanwhile. */
  place: number;
  /** The device of that dead mount. */
  covers: string | undefined;
}

export type UnmountResult =
  | { kind: 'unmounted' }
  /** Nothing has changed. `holders` may be incomplete, even empty: not every process can be seen. */
  | { kind: 'busy'; holders: MountUser[] };

const NOT_PERMITTED = /not permitted|permission denied|superuser|only root/i;

/**
 * Makes the connection `fd` appear at a place, and returns once the mount table says so; it need not be served yet. Throws
 * MOUNT_NOT_PERMITTED, MOUNT_FAILED, or MOUNT_POINT_BUSY, and leaves no mount behind then.
 */
export async function mountDirect(fd: number, at: MountPlace, options: MountOptions): Promise<MountRecord> {
  const { mountPoint } = at;
  const args = ['-t', FILESYSTEM_TYPE, '-o', mountOptions(options), options.source, PLACE_PATH];
  const { status, stderr } = await runAtPlace('mount', args, [fd, at.place]);
  if (status !== 0) throw mountError(mountPoint, stderr);
  const stacked = (await mountsOfOurs(mountPoint)).filter(({ device }) => device !== at.covers);
  const mount = stacked.find(({ device }) => device === deviceOf(fd)) ?? stacked.at(-1);
  if (!isPlaceAt(at.place, mountPoint) || mount === undefined) {
    await runAtPlace('umount', ['-l', PLACE_PATH], ['ignore', at.place]);
    throw replacedMountPoint(mountPoint);
  }
  // Two that start at once both find the mount point free; the one that came second gives way.
  if (mount !== stacked[0]) {
    await unmountByForce(mountPoint);
    throw alreadyMounted(mountPoint);
  }
  return mount;
}

/** Of a mounted connection, as `major:minor`. Undefined on a kernel that does not say (before Linux 6.17). */
function deviceOf(fd: number): string | undefined {
  try {
    const minor = /^fuse_connection:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
    return minor && `0:${minor}`;
  } catch {
    return undefined;
  }
}

/** As `mountDirect`, on a directory that no other user can replace. */
export async function mountOnOwn(fd: number, directory: string, options: MountOptions): Promise<MountRecord> {
  const place = placeOf(directory);
  try {
    return await mountDirect(fd, { mountPoint: directory, place, covers: undefined }, options);
  } finally {
    closeSync(place);
  }
}

function placeOf(directory: string): number {
  try {
    return openPlace(directory);
  } catch (cause) {
    throw mountError(directory, messageOf(cause));
  }
}

/** Where a tool finds the place: its descriptor 4. */
const PLACE_PATH = '/proc/self/fd/4';
const UNKNOWN_OPTION = /(invalid|unrecognized|unknown) option/i;

/** util-linux would look up what the descriptor is called, and use that name. busybox takes the path as it is. */
async function runAtPlace(tool: string, args: string[], descriptors: Descriptors): Promise<Finished> {
  return runWith(['-c', '-i'], tool, args, descriptors);
}

/** With options that only the tools of util-linux have. */
async function runWith(
  options: string[],
  tool: string,
  args: string[],
  descriptors: Descriptors = [],
): Promise<Finished> {
  const finished = await run(tool, [...options, ...args], descriptors);
  return finished.status !== 0 && UNKNOWN_OPTION.test(finished.stderr)
    ? run(tool, args, descriptors)
    : finished;
}

/**
 * The mounting process is root in its namespace, hence the ids; the kernel checks modes and owners itself
 * (default_permissions). max_read keeps a READ within one reply, whatever the size of a page.
 */
function mountOptions({ allowOther, readOnly }: MountOptions): string {
  const options = ['fd=3', 'rootmode=40000', 'user_id=0', 'group_id=0', `max_read=${MAX_IO_BYTES}`];
  options.push('default_permissions', 'nosuid', 'nodev', 'noatime');
  if (allowOther) options.push('allow_other');
  if (readOnly) options.push('ro');
  return options.join(',');
}

function mountError(mountPoint: string, stderr: string): SessionfsError {
  if (NOT_PERMITTED.test(stderr)) {
    return new SessionfsError('MOUNT_NOT_PERMITTED', `not allowed to mount on ${mountPoint}: ${stderr}`, {
      hint: CONTAINER_HINT,
    });
  }
  return new SessionfsError('MOUNT_FAILED', `cannot mount on ${mountPoint}: ${stderr}`, {
    hint: 'mount(8) said why; the last lines of dmesg may say more.',
  });
}

/**
 * Takes the topmost mount away from `mountPoint` (resolved). Its server must still answer. Throws NOT_MOUNTED, or
 * MOUNT_FAILED with what umount(8) said.
 */
export async function unmount(mountPoint: string): Promise<UnmountResult> {
  const stderr = await umount([mountPoint]);
  if (stderr === undefined) return { kind: 'unmounted' };
  if (/(target|resource|device) (is )?busy/i.test(stderr))
    return { kind: 'busy', holders: await findMountUsers(mountPoint) };
  throw await unmountError(mountPoint, stderr);
}

/**
 * Takes the mount out of sight at once; processes that hold it keep what they have, and the connection ends with the last
 * of them. Throws as `unmount` does.
 */
export async function unmountLazily(mountPoint: string): Promise<void> {
  const stderr = await umount(['-l', mountPoint]);
  if (stderr !== undefined) throw await unmountError(mountPoint, stderr);
}

/** As `unmountLazily`, and every call that waits for the daemon fails at once: none serves it any more. */
export async function unmountByForce(mountPoint: string): Promise<void> {
  const stderr = await umount(['-f', '-l', mountPoint]);
  if (stderr !== undefined) throw await unmountError(mountPoint, stderr);
}

/**
 * Removes mounts of ours that have lost their server, from the topmost down to the one before the lowest `keep`; anything else
 * is left alone. Returns how many it removed.
 */
export async function removeDeadMounts(mountPoint: string, keep = 0): Promise<number> {
  for (let removed = 0; ; removed++) {
    const stacked = await mountsOfOurs(mountPoint);
    if (stacked.length <= keep || (await findMount(mountPoint))?.type !== FILESYSTEM_TYPE) return removed;
    if (!(await isStaleMount(mountPoint))) return removed;
    await unmountLazily(mountPoint);
  }
}

/**
 * What it said when it failed; undefined when it did not. Not by way of the helper umount.fuse.sessionfs (bin/mount.sessionfs), which
 * would ask this daemon to unmount.
 */
async function umount(args: string[]): Promise<string | undefined> {
  const { status, stderr } = await runWith(['-i'], 'umount', args);
  if (status === 0) return undefined;
  return NOT_PERMITTED.test(stderr) ? fusermount(args, stderr) : stderr;
}

/** As umount with these arguments; `refused` is what that said, for where there is no fusermount. */
async function fusermount(args: string[], refused: string): Promise<string | undefined> {
  const [mountPoint = ''] = args.slice(-1);
  const flags = args.includes('-l') ? ['-u', '-z'] : ['-u'];
  for (const tool of ['fusermount3', 'fusermount']) {
    const finished = await run(tool, [...flags, '--', mountPoint]).catch(() => undefined);
    if (finished !== undefined) return finished.status === 0 ? undefined : finished.stderr;
  }
  return refused;
}

async function unmountError(mountPoint: string, stderr: string): Promise<SessionfsError> {
  if ((await findMount(mountPoint)) === undefined) {
    return new SessionfsError('NOT_MOUNTED', `nothing is mounted on ${mountPoint}`, {
      hint: 'Name the mount point as it was given to sessionfs mount.',
    });
  }
  return new SessionfsError('MOUNT_FAILED', `cannot unmount ${mountPoint}: ${stderr}`, {
    hint: 'Unmounting needs the rights that mounting needed.',
  });
}

interface Finished {
  status: number | null;
  stderr: string;
}

type Descriptors = (number | 'ignore')[];

/** Runs a tool with the descriptors as its 3, 4 and so on. Its messages are in English whatever the locale. */
function run(tool: string, args: string[], descriptors: Descriptors = []): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool, args, {
      stdio: ['ignore', 'ignore', 'pipe', ...descriptors],
      env: toolEnvironment(),
    });
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    // The first line says what is wrong; util-linux adds where to look further.
    child.on('close', (status) => resolve({ status, stderr: stderr.trim().split('\n', 1)[0] ?? '' }));
    child.on('error', (cause) => {
      const hint = 'Install mount(8) and umount(8): the package mount or util-linux, or busybox.';
      reject(new SessionfsError('MOUNT_FAILED', `cannot run ${tool}: ${messageOf(cause)}`, { cause, hint }));
    });
  });
}
