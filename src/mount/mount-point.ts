/** The folder a mount is to appear at. All of it is asynchronous: a call on a mount whose server is dead blocks its thread. */
import { realpath, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { SessionfsError } from '../lib/errors.ts';
import { codeOf } from '../lib/system-error.ts';
import { FILESYSTEM_TYPE, findMount } from './mountinfo.ts';

/** The path as the mount table spells it: absolute, without symbolic links, whether or not it exists or answers. */
export async function resolveMountPoint(path: string): Promise<string> {
  const absolute = resolve(path);
  try {
    return await realpath(absolute);
  } catch {
    const parent = await realpath(dirname(absolute)).catch(() => dirname(absolute));
    return join(parent, basename(absolute));
  }
}

/**
 * Whether `directory` (resolved) can be mounted on. 'stale': it is a mount of ours that lost its server, see
 * `removeDeadMounts`. Throws MOUNT_POINT_MISSING, MOUNT_POINT_NOT_A_DIRECTORY, or MOUNT_POINT_BUSY where sessionfs is
 * mounted and answers. Other filesystems mounted there, such as a volume, are no obstacle. Says nothing about emptiness.
 */
export async function checkMountPoint(directory: string): Promise<'free' | 'stale'> {
  const mount = await findMount(directory);
  if (mount?.type === FILESYSTEM_TYPE) {
    if (await isStaleMount(directory)) return 'stale';
    throw alreadyMounted(directory);
  }
  await requireDirectory(directory);
  return 'free';
}

export function alreadyMounted(directory: string): SessionfsError {
  return new SessionfsError('MOUNT_POINT_BUSY', `sessionfs is already mounted on ${directory}`, {
    hint: `Use the mount that is there, or end it first: sessionfs unmount ${directory}`,
  });
}

/** The directory that was found at the start has another name, or none, by now. */
export function replacedMountPoint(directory: string): SessionfsError {
  return new SessionfsError(
    'MOUNT_FAILED',
    `${directory} was replaced by another directory or a link while sessionfs was about to mount on it; nothing is mounted`,
    {
      hint: 'Start again. If it was not you, see who may write its parent directories: namei -l shows them.',
    },
  );
}

async function requireDirectory(directory: string): Promise<void> {
  const found = await stat(directory).catch((cause: unknown) => {
    throw missing(directory, cause);
  });
  if (!found.isDirectory()) {
    throw new SessionfsError(
      'MOUNT_POINT_NOT_A_DIRECTORY',
      `the mount point ${directory} is not a directory`,
      {
        hint: 'Name an empty directory, or move the file away.',
      },
    );
  }
}

function missing(directory: string, cause: unknown): SessionfsError {
  const code = codeOf(cause);
  const [what, hint] =
    code === 'ENOENT'
      ? ['does not exist', `Create it: mkdir -p ${directory}`]
      : code === 'ENOTDIR'
        ? ['lies below a file', 'Name a directory whose parents are directories, or move the file away.']
        : [
            `cannot be read: ${code}`,
            'Check that this user may reach it: namei -l shows the rights on the way.',
          ];
  return new SessionfsError('MOUNT_POINT_MISSING', `the mount point ${directory} ${what}`, { cause, hint });
}

/**
 * The mount at `path` has lost its server for good. Waits as long as a server that is alive takes to answer. statfs(2),
 * because stat(2) may be answered from the kernel's own copy long after the server died.
 */
export async function isStaleMount(path: string): Promise<boolean> {
  try {
    await statfs(path);
    return false;
  } catch (error) {
    return codeOf(error) === 'ENOTCONN' || codeOf(error) === 'ECONNABORTED';
  }
}
