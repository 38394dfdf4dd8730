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

export interface Server {
  readonly pid: number;
  /** By SIGSTOP or a debugger. */
  readonly isStopped: boolean;
  /** The file that it logs to, if it is one. */
  readonly log: string | undefined;
}

/** The processes that hold the kernel connection of the mount with this device, as far as they can be seen (Linux 6.0). */
export function serversOf(device: string): Server[] {
  const connection = device.slice(device.indexOf(':') + 1);
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => holdsConnection(pid, connection)).map(serverOf);
}

function holdsConnection(pid: string, connection: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      if (linkOf(`/proc/${pid}/fd/${fd}`) !== '/dev/fuse') return false;
      const info = readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1');
      return /^fuse_connection:\s*(\d+)$/m.exec(info)?.[1] === connection;
    });
  } catch {
    return false;
  }
}

function serverOf(pid: string): Server {
  const log = linkOf(`/proc/${pid}/fd/2`);
  let state: string | undefined;
  try {
    state = parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.state;
  } catch {
    // It has just ended.
  }
  const isFile = log?.startsWith('/') === true && !log.startsWith('/dev/');
  return { pid: Number(pid), isStopped: state === 'T' || state === 't', log: isFile ? log : undefined };
}
