/**
 * A directory that is in memory only and has no name: a tmpfs that is mounted where only one short-lived process sees it, and
 * kept by the descriptor alone. Nothing is written to any disk for it, and it is gone with the last process that holds it,
 * however that dies.
 */
import { constants, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { SessionfsError } from '../lib/errors.ts';
import { openInNamespace } from './namespace-view.ts';

/** Mounts it over a directory that is there in any case. */
const SCRIPT = 'mount -t tmpfs -o "mode=0700,size=$2" sessionfs "$1"';
const TMPFS_MAGIC = 0x01021994;
const NAMESPACES = [
  ['--mount', '--propagation', 'private'],
  // A user without the right to mount has it in a user namespace of their own, where the kernel allows one.
  ['--user', '--map-root-user', '--mount', '--propagation', 'private'],
];

/** `over`: any directory. Returns a descriptor of the new one, mode 0700; bytes beyond `limitBytes` get ENOSPC. Throws MEMORY_UNAVAILABLE. */
export async function openMemoryDirectory(over: string, limitBytes: number): Promise<number> {
  const reasons: string[] = [];
  for (const namespace of NAMESPACES) {
    const made = await tryOne(namespace, over, limitBytes);
    if (typeof made === 'number') return made;
    reasons.push(made);
  }
  throw new SessionfsError(
    'MEMORY_UNAVAILABLE',
    `no directory in memory could be made: ${reasons.join('; ')}`,
    {
      hint: 'Cloud mode keeps sessions in memory. Allow the container to mount (CAP_SYS_ADMIN; in a unit of systemd RestrictNamespaces=mnt), or set SESSION_CACHE_PATH to a directory of a tmpfs.',
    },
  );
}

/** Whether what lies at this path, or would, is in memory only. */
export function isInMemory(path: string): boolean {
  try {
    return statfsSync(path).type === TMPFS_MAGIC;
  } catch {
    const parent = dirname(path);
    return parent !== path && isInMemory(parent);
  }
}

/** A path by which a process that has the descriptor reaches what lies in the directory. */
export function pathOfDescriptor(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

function tryOne(namespace: readonly string[], over: string, limitBytes: number): Promise<number | string> {
  return openInNamespace({
    namespace,
    script: SCRIPT,
    args: [over, String(limitBytes)],
    path: over,
    flags: constants.O_RDONLY | constants.O_DIRECTORY,
  });
}
