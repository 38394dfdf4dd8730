/** Looks at another process by its id. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { parseProcessStat } from '../lib/process-stat.ts';
import { codeOf } from '../lib/system-error.ts';

/** False for a zombie too: it holds nothing any more, and in a container without an init it is never collected. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
  return !isZombie(pid);
}

function isZombie(pid: number): boolean {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.state === 'Z';
  } catch {
    return false;
  }
}

/**
 * False where the process is known not to serve any FUSE mount. A mount can be seen in another container than its daemon's,
 * where the daemon's id means another process. True where that cannot be told.
 */
export function mayServeFuse(pid: number): boolean {
  const directory = `/proc/${pid}/fd`;
  try {
    return readdirSync(directory).some((fd) => linkOf(`${directory}/${fd}`) === '/dev/fuse');
  } catch {
    return true;
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
