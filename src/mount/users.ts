import { readdir, readFile, readlink, statfs } from 'node:fs/promises';
import { codeOf } from '../lib/system-error.ts';

/** A process that keeps a mount busy. */
export interface MountUser {
  pid: number;
  /** Its short name, or '' where that cannot be read. */
  command: string;
  how: 'working directory' | 'root directory' | 'open file' | 'mapped file';
  /** What it holds, as it sees it. */
  path: string;
}

/**
 * Returns the processes that work in `directory`, or have a file at or below it open: one record a process, with the first
 * reason found. It sees only the processes of its own PID namespace that it may inspect. Links under /proc are read, never
 * followed, so that nothing here waits for the mount's daemon.
 */
export async function findMountUsers(directory: string, proc = '/proc'): Promise<MountUser[]> {
  const pids = (await readdir(proc).catch((): string[] => [])).filter((name) => /^\d+$/.test(name));
  const users = await Promise.all(pids.map((pid) => userOf(`${proc}/${pid}`, Number(pid), directory)));
  return users.filter((user) => user !== undefined);
}

async function userOf(folder: string, pid: number, directory: string): Promise<MountUser | undefined> {
  const reason =
    (await linkBelow(`${folder}/cwd`, 'working directory', directory)) ??
    (await linkBelow(`${folder}/root`, 'root directory', directory)) ??
    (await openFileBelow(`${folder}/fd`, directory)) ??
    (await mappedFileBelow(`${folder}/maps`, directory));
  return reason && { pid, command: (await readText(`${folder}/comm`)).trimEnd(), ...reason };
}

/** Those of the users that still have what they had, now that its daemon is gone and every use of it fails. */
export async function stillUsing(users: readonly MountUser[], proc = '/proc'): Promise<MountUser[]> {
  const lost = await Promise.all(users.map(({ pid, how }) => hasLost(`${proc}/${pid}`, how)));
  return users.filter((_, index) => lost[index]);
}

async function hasLost(folder: string, how: MountUser['how']): Promise<boolean> {
  if (how === 'working directory') return isDead(`${folder}/cwd`);
  if (how === 'root directory') return isDead(`${folder}/root`);
  // A mapping may have no descriptor that could be asked.
  if (how === 'mapped file') return (await readText(`${folder}/comm`)) !== '';
  const descriptors = await readdir(`${folder}/fd`).catch((): string[] => []);
  const dead = await Promise.all(descriptors.map((descriptor) => isDead(`${folder}/fd/${descriptor}`)));
  return dead.includes(true);
}

/** statfs(2) is never answered from the kernel's own copy. */
function isDead(path: string): Promise<boolean> {
  return statfs(path).then(
    () => false,
    (error: unknown) => codeOf(error) === 'ENOTCONN' || codeOf(error) === 'ECONNABORTED',
  );
}

type Reason = Pick<MountUser, 'how' | 'path'>;

async function linkBelow(
  link: string,
  how: MountUser['how'],
  directory: string,
): Promise<Reason | undefined> {
  const path = await readlink(link).catch(() => '');
  return isBelow(path, directory) ? { how, path } : undefined;
}

async function openFileBelow(folder: string, directory: string): Promise<Reason | undefined> {
  for (const descriptor of await readdir(folder).catch(() => [])) {
    const reason = await linkBelow(`${folder}/${descriptor}`, 'open file', directory);
    if (reason && !(await isPlaceOnly(`${folder}info/${descriptor}`))) return reason;
  }
  return undefined;
}

/** From <fcntl.h>. sessionfs itself holds the folder below its mount by such a descriptor, whose path is the same. */
const O_PATH = 0o10000000;

async function isPlaceOnly(fdinfo: string): Promise<boolean> {
  const flags = /^flags:\s*([0-7]+)$/m.exec(await readText(fdinfo))?.[1] ?? '0';
  return (Number.parseInt(flags, 8) & O_PATH) !== 0;
}

/** `7f00-7f01 r--s 00000000 00:3e 12   /path`: the path is the sixth field and may hold blanks. */
async function mappedFileBelow(maps: string, directory: string): Promise<Reason | undefined> {
  for (const line of (await readText(maps)).split('\n')) {
    const path = /^(?:\S+ +){5}(\/.*)$/.exec(line)?.[1] ?? '';
    if (isBelow(path, directory)) return { how: 'mapped file', path };
  }
  return undefined;
}

/** Processes come and go, and some may not be looked at: what cannot be read holds nothing that could be reported. */
function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
