/** Finds a sessionfs mount by the name that a user typed, without a system call that a dead daemon could leave hanging. */
import { readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SessionfsError } from '../lib/errors.ts';
import { FILESYSTEM_TYPE, findMount } from '../mount/mountinfo.ts';
import { readRestartState } from '../supervisor/restart-notice.ts';
import { ANSWER_TIMEOUT_MS, readMountStatus, type StatusReading } from './mount-status.ts';
import { serversOf } from './process-watch.ts';

/** As the kernel has it. */
const LINKS_MAX = 40;

type IsMounted = (path: string) => Promise<boolean>;

/**
 * The mount point as the kernel lists it. `directory` is absolute. A link is followed step by step, and nothing that is mounted is
 * looked at: that would already ask the daemon. Throws NOT_MOUNTED.
 */
export async function locateMount(directory: string, isMounted: IsMounted = isMountPoint): Promise<string> {
  let named: string | undefined = directory;
  for (let links = 0; named !== undefined && links < LINKS_MAX; links++) {
    const path = attempt(resolveParent, named);
    if (path !== undefined && (await isMounted(path))) return path;
    named = path && attempt(targetOf, path);
  }
  throw notMounted(directory);
}

export async function isMountPoint(path: string): Promise<boolean> {
  return (await findMount(path))?.type === FILESYSTEM_TYPE;
}

type Answered = Extract<StatusReading, { kind: 'answered' }>;

/**
 * What the daemon of the mount at `path` says. `purpose`, for the error: what the command does with it. Throws NOT_MOUNTED,
 * MOUNT_NOT_ANSWERING, MOUNT_NOT_PERMITTED.
 */
export async function statusOf(path: string, purpose: string): Promise<Answered> {
  return requireAnswer(await readMountStatus(path), path, purpose);
}

/** Throws MOUNT_READ_ONLY. */
export function requireWritable({ readOnly, mountPoint }: Answered['status']): void {
  if (readOnly === undefined) return;
  throw new SessionfsError(
    'MOUNT_READ_ONLY',
    `the mount on ${mountPoint} is read-only: it shows a copy of ${readOnly.source}`,
    { hint: 'Use the mount that the copy was made of.' },
  );
}

/** As `statusOf`, for a status that was read. */
export async function requireAnswer(
  reading: StatusReading,
  path: string,
  purpose: string,
): Promise<Answered> {
  switch (reading.kind) {
    case 'answered':
      return reading;
    case 'hung':
      throw (await restarting(path)) ?? (await notAnswering(path, ANSWER_TIMEOUT_MS));
    case 'denied':
      throw notPermitted(`ask the mount on ${path} ${purpose}`);
    case 'stale':
      throw deadMount(path);
    case 'absent':
      throw notMounted(path);
  }
}

/** For a daemon that starts, or takes over. */
const START_TIMEOUT_MS = 10_000;

/**
 * Before a mount on `directory`, an absolute path: the calls of the start would wait for ever for a mount that is there and does not
 * answer. Throws MOUNT_NOT_ANSWERING.
 */
export async function requireNoHungMount(directory: string): Promise<void> {
  const path = await locateMount(directory).catch(() => undefined);
  if (path === undefined) return;
  const { kind } = await readMountStatus(path, START_TIMEOUT_MS);
  if (kind === 'hung') throw (await restarting(path)) ?? (await notAnswering(path, START_TIMEOUT_MS));
}

function notMounted(directory: string): SessionfsError {
  return new SessionfsError('NOT_MOUNTED', `no sessionfs is mounted on ${directory}`, {
    hint: 'sessionfs mount DIR mounts it; sessionfs status lists what is mounted.',
  });
}

/** Its daemon died: the name is still in the mount table, and every access to it fails. */
function deadMount(directory: string): SessionfsError {
  return new SessionfsError('NOT_MOUNTED', `the daemon of the mount on ${directory} has died`, {
    hint: 'sessionfs mount DIR mounts it again, with all that was written; sessionfs unmount DIR takes the dead mount away.',
  });
}

/** What its supervisor says, where it is replacing a daemon; the mount itself is not asked. */
async function restarting(path: string): Promise<SessionfsError | undefined> {
  const mount = await findMount(path);
  const state = mount && readRestartState(mount.device);
  if (state === undefined) return undefined;
  const { deaths, since, log, supervisor } = state;
  const died = deaths === 1 ? 'The daemon has died' : `Daemons have died ${deaths} times`;
  return new SessionfsError(
    'MOUNT_NOT_ANSWERING',
    `no daemon serves the mount on ${path}. ${died} since ${since}; calls on the mount wait until the next one is ready`,
    { hint: `Process ${supervisor.pid} goes on starting daemons. Why they die is in ${log}.` },
  );
}

/** It is mounted, and says nothing. Names the processes that serve it, and their log, where these can be seen. */
export async function notAnswering(directory: string, timeoutMs: number): Promise<SessionfsError> {
  const mount = await findMount(directory);
  const servers = mount === undefined || process.platform !== 'linux' ? [] : serversOf(mount.device);
  const named = servers.map(({ pid, isStopped }) => `${pid}${isStopped ? ' (stopped)' : ''}`).join(' and ');
  const log = servers.find((server) => server.log !== undefined)?.log;
  return new SessionfsError(
    'MOUNT_NOT_ANSWERING',
    `the mount on ${directory} did not answer for ${timeoutMs / 1000} s${named === '' ? '' : `; it is served by process ${named}`}`,
    {
      hint: hangHint(
        servers.filter(({ isStopped }) => isStopped).map(({ pid }) => pid),
        log,
      ),
    },
  );
}

function hangHint(stopped: readonly number[], log: string | undefined): string {
  if (stopped.length > 0) {
    const where = log === undefined ? '' : ` Its log is ${log}.`;
    return `kill -CONT ${stopped.join(' ')} lets it go on; calls on the mount wait until then.${where}`;
  }
  return `Look at its log${log === undefined ? '' : `, ${log}`}. If its daemon hangs, end that process: what was written is in the cache, and the next mount has it.`;
}

export function notPermitted(what: string): SessionfsError {
  return new SessionfsError('MOUNT_NOT_PERMITTED', `not permitted to ${what}`, {
    hint: 'Run it as root or as the user who owns the mount.',
  });
}

/** Without a look at the directory itself. */
function resolveParent(directory: string): string {
  const name = basename(directory);
  if (name === '.' || name === '..') return realpathSync.native(directory);
  return join(realpathSync.native(dirname(directory)), name);
}

/** Not normalized: what comes before a `..` may be a link. Throws where `path` is no link. */
function targetOf(path: string): string {
  const target = readlinkSync(path);
  return target.startsWith('/') ? target : `${dirname(path)}/${target}`;
}

function attempt(resolve: (path: string) => string, directory: string): string | undefined {
  try {
    return resolve(directory);
  } catch {
    return undefined;
  }
}
