/** What libfuse 2 needs to mount, and how it is told: as root it mounts by itself, otherwise fusermount does it. */
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { SessionfsError } from '../../lib/errors.ts';
import { fusermountHint } from './packages.ts';

const CONFIGURATION = '/etc/fuse.conf';
/** The first path at which the libfuse of fuse-native searches for it. */
const BUILT_IN_FUSERMOUNT = '/usr/local/bin/fusermount';

/** macFUSE knows none of them. nonempty: what lies below was judged already. */
const LINUX_OPTIONS = ['subtype=sessionfs', 'noatime', 'nonempty', 'big_writes'];

/** Names and attributes may be a second old to the kernel: libfuse 2 has no way to take them back. */
export const CACHED_SECONDS = 1;

/**
 * One argument for libfuse. Reads go to the core each time (direct_io): the kernel's pages would show the pieces of a version
 * that is held back, and libfuse 2 has no way to drop them.
 */
export function libfuseMountOptions(
  { allowOther, readOnly }: { allowOther: boolean; readOnly: boolean },
  platform: string = process.platform,
): string {
  const options = [
    'fsname=sessionfs',
    'default_permissions',
    'use_ino',
    'direct_io',
    ...(platform === 'linux' ? LINUX_OPTIONS : []),
    `attr_timeout=${CACHED_SECONDS}`,
    `entry_timeout=${CACHED_SECONDS}`,
    ...(allowOther ? ['allow_other'] : []),
    ...(readOnly ? ['ro'] : []),
  ];
  return `-o${options.join(',')}`;
}

/** Whether other users than the mounting one may be let in. */
export function mayAllowOther(isRoot: boolean, configuration = CONFIGURATION): boolean {
  if (isRoot) return true;
  try {
    return /^\s*user_allow_other\s*$/m.test(readFileSync(configuration, 'utf8'));
  } catch {
    return false;
  }
}

/**
 * libfuse 2 runs `fusermount`; today's packages install fusermount3, so that during `mount` it goes by that name. Throws
 * DRIVER_UNAVAILABLE where there is neither, and what `mount` throws.
 */
export function withFusermount(env: NodeJS.ProcessEnv, mount: () => void): void {
  const found = findFusermount(env);
  if (basename(found) === 'fusermount') {
    mount();
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), 'sessionfs-fusermount-'));
  const path = env.PATH;
  try {
    symlinkSync(found, join(directory, 'fusermount'));
    env.PATH = `${directory}${delimiter}${path}`;
    mount();
  } finally {
    env.PATH = path;
    rmSync(directory, { recursive: true });
  }
}

/** The program that mounts for an ordinary user, fusermount or fusermount3. Throws DRIVER_UNAVAILABLE. */
export function findFusermount(env: NodeJS.ProcessEnv): string {
  const builtIn = isExecutable(BUILT_IN_FUSERMOUNT) ? BUILT_IN_FUSERMOUNT : undefined;
  const found = builtIn ?? onPath('fusermount', env) ?? onPath('fusermount3', env);
  if (found === undefined) throw noFusermount();
  return found;
}

function onPath(tool: string, env: NodeJS.ProcessEnv): string | undefined {
  const directories = (env.PATH ?? '').split(delimiter).filter((directory) => directory !== '');
  return directories.map((directory) => join(directory, tool)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function noFusermount(): SessionfsError {
  return new SessionfsError(
    'DRIVER_UNAVAILABLE',
    'without root fusermount3 must mount, and it is not installed',
    {
      hint: fusermountHint({
        readRelease: () => readFileSync('/etc/os-release', 'utf8'),
        arch: process.arch,
        platform: process.platform,
      }),
    },
  );
}
