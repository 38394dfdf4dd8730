/** `mount()` and `attach()`: a mount as an object. */
import { resolve } from 'node:path';
import { loadMountPoint } from '../config/load.ts';
import { SessionfsError } from '../lib/errors.ts';
import type { Mount, MountOptions, MountStatus, UnmountOptions } from './contract.ts';
import { flushMount } from './flush.ts';
import { filesBeside, launchMount } from './launch.ts';
import { locateMount, requireAnswer, statusOf } from './locate.ts';
import { readMountStatus } from './mount-status.ts';
import { type MountOrder, mountOrder } from './options.ts';
import { UNMOUNT_TIMEOUT_S, unmountFlushed, unmountForced } from './unmount.ts';

/**
 * Mounts, and resolves once the mount answers. The mount is a process of its own and outlives this one. A sessionfs that is mounted
 * there already, in the same mode, is taken as it is. Rejects with a SessionfsError.
 */
export async function mount(options: MountOptions = {}): Promise<Mount> {
  const order = mountOrder(options, process.env);
  options.signal?.throwIfAborted();
  const present = await mountedAlready(order, options);
  if (present !== undefined) return present;
  const { mountPoint } = order.config;
  try {
    const { pid, notices } = await launch(order, options);
    return new MountHandle(await locateMount(mountPoint), { pid, notices, attached: false });
  } catch (error) {
    // Another process was faster.
    if (error instanceof SessionfsError && error.code === 'MOUNT_POINT_BUSY')
      return (await mountedAlready(order, options)) ?? rethrow(error);
    options.signal?.throwIfAborted();
    throw error;
  }
}

/** The mount that is there. Rejects with NOT_MOUNTED, MOUNT_NOT_ANSWERING, MOUNT_NOT_PERMITTED. */
export async function attach(folder?: string): Promise<Mount> {
  const path = await locateMount(loadMountPoint(process.env, folder));
  const { status } = await statusOf(path, 'for its status');
  return new MountHandle(path, { pid: status.pids.supervisor, notices: [], attached: true });
}

function rethrow(error: unknown): never {
  throw error;
}

/** Undefined where nothing is mounted, or a mount whose daemon has died: it is mounted over. */
async function mountedAlready(
  { config }: MountOrder,
  { readOnly = false }: MountOptions,
): Promise<Mount | undefined> {
  const path = await locateMount(config.mountPoint).catch(() => undefined);
  if (path === undefined) return undefined;
  const reading = await readMountStatus(path);
  if (reading.kind === 'stale' || reading.kind === 'absent') return undefined;
  const { status } = await requireAnswer(reading, path, 'for its status');
  if ((status.readOnly !== undefined) !== readOnly)
    throw otherMount(path, readOnly ? 'and not read-only' : 'read-only');
  if (!readOnly && status.mode !== config.storageType) throw otherMount(path, `in mode ${status.mode}`);
  if (!readOnly && config.cacheIsNamed && !config.cacheInMemory && status.cachePath !== config.cachePath)
    throw otherMount(path, `with the cache ${status.cachePath}`);
  return new MountHandle(path, { pid: status.pids.supervisor, notices: [], attached: true });
}

function otherMount(path: string, how: string): SessionfsError {
  return new SessionfsError('MOUNT_POINT_BUSY', `sessionfs is mounted on ${path} already, ${how}`, {
    hint: `Ask for the same, or unmount it first: sessionfs unmount ${path}`,
  });
}

function launch({ config, flags, env, secrets }: MountOrder, { logFile, readOnly, signal }: MountOptions) {
  const files = filesBeside(config, readOnly === true);
  return launchMount({
    ...files,
    ...(logFile === undefined ? {} : { logFile: resolve(logFile) }),
    logIsNamed: logFile !== undefined,
    mountPoint: config.mountPoint,
    flags,
    env,
    secrets,
    signal,
  });
}

interface Facts {
  readonly pid: number;
  readonly attached: boolean;
  readonly notices: readonly string[];
}

class MountHandle implements Mount {
  readonly folder: string;
  readonly pid: number;
  readonly attached: boolean;
  readonly notices: readonly string[];

  constructor(folder: string, { pid, attached, notices }: Facts) {
    this.folder = folder;
    this.pid = pid;
    this.attached = attached;
    this.notices = notices;
  }

  async status(): Promise<MountStatus> {
    return (await statusOf(this.folder, 'for its status')).status;
  }

  flush(session?: string): Promise<MountStatus> {
    return flushMount(this.folder, session);
  }

  async unmount({ force = false, timeout = UNMOUNT_TIMEOUT_S * 1000 }: UnmountOptions = {}): Promise<void> {
    if (force) await unmountForced(this.folder);
    else await unmountFlushed(this.folder, timeout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.unmount();
    } catch (error) {
      if (!(error instanceof SessionfsError && error.code === 'NOT_MOUNTED')) throw error;
    }
  }
}
