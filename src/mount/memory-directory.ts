/**
 * A directory that is in memory only and has no name: a tmpfs that is mounted where only one short-lived process sees it, and
 * kept by the descriptor alone. Nothing is written to any disk for it, and it is gone with the last process that holds it,
 * however that dies.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, openSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { SessionfsError } from '../lib/errors.ts';
import { messageOf } from '../lib/system-error.ts';

/** Mounts it over a directory that is there in any case, says so, and waits to be told to end. */
const SCRIPT = 'mount -t tmpfs -o "mode=0700,size=$2" sessionfs "$1" && echo mounted && exec cat >/dev/null';
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
      hint: 'Cloud mode keeps sessions in memory. Allow the container to mount (CAP_SYS_ADMIN), or set SESSION_CACHE_PATH to a directory of a tmpfs.',
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

async function tryOne(
  namespace: readonly string[],
  over: string,
  limitBytes: number,
): Promise<number | string> {
  const args = [...namespace, 'sh', '-c', SCRIPT, 'sh', over, String(limitBytes)];
  const child = spawn('unshare', args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.on('error', () => {});
  const exited = new Promise<string>((resolve) => {
    child.on('close', () => resolve(stderr.trim().split('\n', 1)[0] || 'unshare(1) failed'));
    child.on('error', (error) => resolve(`cannot run unshare(1): ${messageOf(error)}`));
  });
  const failure = await Promise.race([
    once(child.stdout, 'data').then(
      () => undefined,
      () => undefined,
    ),
    exited,
  ]);
  if (failure !== undefined) return failure;
  try {
    return openSync(`/proc/${child.pid}/root${over}`, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    return messageOf(error);
  } finally {
    child.stdin.end();
    await exited;
  }
}
