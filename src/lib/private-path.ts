/**
 * Whether root alone decides what a path leads to. Where another user may swap or link a component, what root creates, changes or
 * removes there is of that user's choice.
 */
import fs, { type Stats } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { SessionfsError } from './errors.ts';

const ROOT = 0;
const WRITABLE_BY_OTHERS = 0o022;
/** S_ISVTX, which Node does not name. */
const STICKY = 0o1000;
const LINKS_MAX = 40;

/** Whether this process may do what other users of the machine may not: as root of a namespace that has more than one user. */
export function actsAsRoot(uidMap = '/proc/self/uid_map'): boolean {
  if (process.platform !== 'linux' || process.geteuid?.() !== ROOT) return false;
  try {
    const lines = fs.readFileSync(uidMap, 'latin1').trim().split('\n');
    return lines.reduce((users, line) => users + Number(line.trim().split(/\s+/)[2]), 0) > 1;
  } catch {
    return true;
  }
}

export interface Exposure {
  place: string;
  /** Completes "the path is not root's alone: PLACE …". */
  reason: string;
  /** A command that mends it, where one does that harms nothing else. */
  mend?: string;
}

/** What another user may change of `path`; undefined: nothing. What does not exist yet is root's to make. */
export function exposureOf(path: string): Exposure | undefined {
  return walk('/', resolve(path).split('/').filter(Boolean), LINKS_MAX);
}

/** Cloud mode's directory in memory has no name that others could reach. */
const DESCRIPTORS = '/proc/self/fd/';

/** Throws UNSAFE_PATH where root would work in a place that another user may change. `setting`: what names another place. */
export function requirePrivatePath(path: string, what: string, setting: string): void {
  if (path.startsWith(DESCRIPTORS) || !actsAsRoot()) return;
  const exposure = exposureOf(path);
  if (exposure === undefined) return;
  const { place, reason, mend } = exposure;
  throw new SessionfsError('UNSAFE_PATH', `${what} ${path} is not safe for root: ${place} ${reason}`, {
    hint: `Name a place that only root may change with ${setting}${mend === undefined ? '' : `, or run: ${mend}`}. docs/operations.md says how to move a cache there.`,
  });
}

function walk(from: string, names: readonly string[], linksLeft: number): Exposure | undefined {
  let directory = from;
  for (const [index, name] of names.entries()) {
    const stats = fs.lstatSync(directory);
    const exposed = exposedDirectory(directory, stats);
    if (exposed !== undefined) return exposed;
    const place = join(directory, name);
    const found = lstatIfThere(place);
    if (found === undefined) return undefined;
    // In a sticky directory an entry is its owner's; in any other one only root can have made it.
    if (!isTrusted(found) && (isSticky(stats) || !found.isSymbolicLink())) return ofAnother(place, found);
    if (found.isSymbolicLink()) {
      if (linksLeft === 0) return undefined;
      const target = resolve(directory, fs.readlinkSync(place));
      return walk('/', [...target.split('/').filter(Boolean), ...names.slice(index + 1)], linksLeft - 1);
    }
    directory = place;
  }
  return undefined;
}

/** Its owner was judged as an entry of the directory before. */
function exposedDirectory(directory: string, stats: Stats): Exposure | undefined {
  if ((stats.mode & WRITABLE_BY_OTHERS) === 0 || isSticky(stats) || narrowVolume(directory, stats))
    return undefined;
  const mode = (stats.mode & 0o777).toString(8);
  return {
    place: directory,
    reason: `can be written by other users (mode ${mode})`,
    mend: `chmod go-w ${directory}`,
  };
}

function ofAnother(place: string, { uid }: Stats): Exposure {
  return { place, reason: `belongs to user ${uid}` };
}

function isTrusted({ uid }: Stats): boolean {
  return uid === ROOT;
}

function isSticky({ mode }: Stats): boolean {
  return (mode & STICKY) !== 0;
}

/**
 * The root of a volume that a container runtime made is open to all users (an emptyDir of Kubernetes is): root owns it, and makes
 * each entry its owner's with the sticky bit, which takes nothing from the others.
 */
function narrowVolume(directory: string, { dev, mode }: Stats): boolean {
  if (fs.lstatSync(dirname(directory)).dev === dev) return false;
  try {
    fs.chmodSync(directory, (mode & 0o7777) | STICKY);
    return true;
  } catch {
    return false;
  }
}

/** What cannot be looked at, below a file for one, cannot be opened either: that error says more. */
function lstatIfThere(path: string): Stats | undefined {
  try {
    return fs.lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
