/** Looks at another process by its id. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { kernelIsAtLeast } from '../lib/kernel-version.ts';
import { type ProcessStat, parseProcessStat } from '../lib/process-stat.ts';
import { codeOf } from '../lib/system-error.ts';
import type { MountRecord } from '../mount/mountinfo.ts';

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
  return statOf(String(pid))?.state === 'Z';
}

/**
 * Whether the kernel shows that the process serves this very mount: what a mount says about itself proves nothing, as it may be
 * another user's. The process must belong to the user who made the mount, or to this one, and hold its connection. Where the
 * kernel does not tell who holds it (before Linux 6.17, without CAP_SYS_PTRACE in a container), it must at least run sessionfs.
 */
export function servesMount(pid: number, mount: MountRecord): boolean {
  if (!isRunning(pid)) return false;
  if (process.platform !== 'linux') return true;
  if (mount.root !== '/') return false;
  const users = usersOf(pid);
  const isMakers = users.length > 0 && users.every((user) => user === mount.userId);
  const holding = holdsConnection(String(pid), connectionOf(mount.device));
  if (holding === undefined) return isMakers && runsSessionfs(pid);
  return holding && (isMakers || users.every((user) => user === process.geteuid?.()));
}

/** Whether it is the supervisor of a daemon that serves the mount: with fuse-native it holds no connection itself. */
export function supervises(pid: number, daemon: number, mount: MountRecord): boolean {
  if (servesMount(pid, mount)) return true;
  if (process.platform !== 'linux' || !isRunning(pid) || !servesMount(daemon, mount)) return false;
  return statOf(String(daemon))?.parent === pid && runsSessionfs(pid);
}

/** Real, effective, saved and filesystem user. */
function usersOf(pid: number): number[] {
  const line = /^Uid:\s*(.*)$/m.exec(readProc(`${pid}/status`))?.[1] ?? '';
  return line.split(/\s+/).filter(Boolean).map(Number);
}

function runsSessionfs(pid: number): boolean {
  const [, ...args] = readProc(`${pid}/cmdline`).split('\0');
  return args.some((argument) => /(^|\/)(daemon\/main\.js|cli\/main\.js|sessionfs)$/.test(argument));
}

/** Empty for a process that has ended. */
function readProc(file: string): string {
  try {
    return readFileSync(`/proc/${file}`, 'latin1');
  } catch {
    return '';
  }
}

function statOf(pid: string): ProcessStat | undefined {
  return parseProcessStat(readProc(`${pid}/stat`));
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

/** The processes that hold the kernel connection of the mount with this device, as far as they can be seen (Linux 6.17). */
export function serversOf(device: string): Server[] {
  const connection = connectionOf(device);
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => holdsConnection(pid, connection) === true).map(serverOf);
}

function connectionOf(device: string): string {
  return device.slice(device.indexOf(':') + 1);
}

/** Undefined: this process may not look, or this kernel does not tell. */
function holdsConnection(pid: string, connection: string): boolean | undefined {
  let descriptors: string[];
  try {
    descriptors = readdirSync(`/proc/${pid}/fd`);
  } catch {
    return undefined;
  }
  const devices = descriptors.filter((fd) => linkOf(`/proc/${pid}/fd/${fd}`) === '/dev/fuse');
  if (devices.length === 0) return false;
  const infos = devices.map((fd) => readProc(`${pid}/fdinfo/${fd}`));
  const held = infos.map((info) => /^fuse_connection:\s*(\d+)$/m.exec(info)?.[1]);
  if (held.includes(connection)) return true;
  return tellsConnections() ? false : undefined;
}

function tellsConnections(): boolean {
  return kernelIsAtLeast(6, 17);
}

function serverOf(pid: string): Server {
  const log = linkOf(`/proc/${pid}/fd/2`);
  const state = statOf(pid)?.state;
  const isFile = log?.startsWith('/') === true && !log.startsWith('/dev/');
  return { pid: Number(pid), isStopped: state === 'T' || state === 't', log: isFile ? log : undefined };
}
