/** How a command line names a session, or a file of one. */
import { existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { cachePathBeside, loadMountPoint } from '../config/load.ts';
import { usage } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';

export interface NamedSession {
  readonly session: string;
  /** Undefined: the settings name it. */
  readonly mountPoint: string | undefined;
}

/** Of `[DIR/]SESSION`. Throws USAGE. */
export function sessionNamed(named: string): NamedSession {
  const path = withoutLastSlash(named);
  const session = basename(path);
  if (session === '' || session === '.' || session === '..') throw usage(`${quote(named)} names no session`);
  return { session, mountPoint: path.includes('/') ? dirname(path) : undefined };
}

/** A shell completes a folder's name with one. */
export function withoutLastSlash(path: string): string {
  return path.replace(/\/+$/, '');
}

export interface NamedPath {
  /** Undefined: the settings name it. */
  readonly mountPoint: string | undefined;
  /** Undefined: only a mount point is named, or nothing. */
  readonly session: string | undefined;
  /** Below the session; '': all of it. */
  readonly file: string;
}

/**
 * Of `[DIR/]SESSION[/FILE]` or `DIR`. DIR is the longest beginning that is a mount point, or that is given as an absolute or
 * dotted path. Throws USAGE.
 */
export function pathNamed(
  named: string | undefined,
  isMountPoint: (directory: string) => boolean,
): NamedPath {
  if (named === undefined) return { mountPoint: undefined, session: undefined, file: '' };
  const path = withoutLastSlash(named);
  if (path === '') throw usage(`${quote(named)} is neither a mount point nor a session`);
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
    const directory = path.slice(0, end);
    if (isMountPoint(directory)) return { mountPoint: directory, ...splitSession(path.slice(end + 1)) };
  }
  if (!/^\.{0,2}\//.test(path)) return { mountPoint: undefined, ...splitSession(path) };
  throw usage(
    `${quote(named)} names no session: no folder of it has a cache, and none is SESSION_STORAGE_PATH`,
    {
      hint: 'Name the session alone, and its cache with --cache-path, or its bucket with --bucket.',
    },
  );
}

function splitSession(path: string): Pick<NamedPath, 'session' | 'file'> {
  if (path === '') return { session: undefined, file: '' };
  const [session = '', ...rest] = path.split('/').filter(Boolean);
  if (session === '.' || session === '..') throw usage(`${quote(path)} names no session`);
  return { session, file: rest.join('/') };
}

/**
 * Whether a folder is a mount point: by the cache beside it, or by the settings. A new machine has no cache yet, and cloud mode
 * never has one. Throws CONFIG_INVALID.
 */
export function mountPointsOf(env: NodeJS.ProcessEnv): (directory: string) => boolean {
  const set = loadMountPoint(env, undefined);
  return (directory) => existsSync(cachePathBeside(resolve(directory))) || resolve(directory) === set;
}
