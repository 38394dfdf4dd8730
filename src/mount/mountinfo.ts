/** The kernel's table of mounts. Reading it touches no mount. */
import { execFile, execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

export const FILESYSTEM_TYPE = 'fuse.sessionfs';
const DARWIN_MOUNT = '/sbin/mount';

export interface MountRecord {
  mountPoint: string;
  type: string;
  source: string;
  /** The device number, as `major:minor`; the minor one names the connection under /sys/fs/fuse/connections. */
  device: string;
  /** Linux: the path within its filesystem that is shown there, / unless it was bind-mounted. */
  root?: string;
  /** FUSE: the user who made the mount; no user can name another one. */
  userId?: number;
}

/**
 * The mount that is seen at `mountPoint` (the last one made there), or undefined. The path must be absolute and free of
 * symbolic links: see `resolveMountPoint`.
 */
export async function findMount(
  mountPoint: string,
  table = '/proc/self/mountinfo',
): Promise<MountRecord | undefined> {
  const records = await readMounts(table);
  return records.findLast((record) => record.mountPoint === mountPoint);
}

/** Those of sessionfs that are stacked at `mountPoint`, the lowest first. */
export async function mountsOfOurs(
  mountPoint: string,
  table = '/proc/self/mountinfo',
): Promise<MountRecord[]> {
  const records = await readMounts(table);
  return records.filter((record) => record.mountPoint === mountPoint && record.type === FILESYSTEM_TYPE);
}

export interface SeenMount extends MountRecord {
  /** A process in whose mount namespace it is, where that is not this one's. */
  readonly pid: number | undefined;
}

/**
 * All mounts of sessionfs on this machine, also those of mount namespaces (`sessionfs run` without root, containers) whose
 * processes this one may look at. Each once, by its device.
 */
export async function allMounts(proc = '/proc'): Promise<SeenMount[]> {
  const own = (await readMounts(`${proc}/self/mountinfo`)).map((record) => ({ ...record, pid: undefined }));
  const found = new Map<string, SeenMount>();
  for (const record of [...own, ...(process.platform === 'linux' ? foreignMounts(proc) : [])])
    if (record.type === FILESYSTEM_TYPE && !found.has(record.device)) found.set(record.device, record);
  return [...found.values()];
}

function foreignMounts(proc: string): SeenMount[] {
  const pids = readdirSync(proc).filter((name) => /^\d+$/.test(name));
  return pids.flatMap((name) => {
    try {
      const pid = Number(name);
      return parseMountinfo(readFileSync(`${proc}/${name}/mountinfo`, 'utf8')).map((record) => ({
        ...record,
        pid,
      }));
    } catch {
      // It has ended, or is not this user's.
      return [];
    }
  });
}

/** As findMount, before a process that was waiting for the mount can have used it and taken it away. */
export function findMountSync(mountPoint: string): MountRecord | undefined {
  const records =
    process.platform === 'darwin'
      ? parseDarwinMounts(execFileSync(DARWIN_MOUNT, { encoding: 'utf8' }))
      : parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'));
  return records.findLast((record) => record.mountPoint === mountPoint);
}

/** Whether the device is mounted anywhere, seen or covered. */
export async function isMounted(device: string, table = '/proc/self/mountinfo'): Promise<boolean> {
  const records = await readMounts(table);
  return records.some((record) => record.device === device);
}

async function readMounts(table: string): Promise<MountRecord[]> {
  if (process.platform !== 'darwin') return parseMountinfo(await readFile(table, 'utf8'));
  const { stdout } = await promisify(execFile)(DARWIN_MOUNT);
  return parseDarwinMounts(stdout);
}

/**
 * `sessionfs@macfuse0 on /Users/x/sessions (macfuse, nodev, nosuid)`: a device is named by its source there, and macFUSE has one
 * type for all that it mounts.
 */
export function parseDarwinMounts(text: string): MountRecord[] {
  return text.split('\n').flatMap((line) => {
    const [, source, mountPoint, type] = /^(.+?) on (.+) \(([^,)]+)[^()]*\)$/.exec(line) ?? [];
    if (source === undefined || mountPoint === undefined || type === undefined) return [];
    const isOurs = /fuse/.test(type) && source.startsWith('sessionfs');
    return [{ device: source, mountPoint, type: isOurs ? FILESYSTEM_TYPE : type, source }];
  });
}

export function parseMountinfo(text: string): MountRecord[] {
  return text
    .split('\n')
    .map(parseLine)
    .filter((record) => record !== undefined);
}

/**
 * `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`: the fields in front of the lone dash
 * are six and any number of optional ones.
 */
function parseLine(line: string): MountRecord | undefined {
  const fields = line.split(' ');
  const dash = fields.indexOf('-', 6);
  const [device, mountPoint, type, source] = [fields[2], fields[4], fields[dash + 1], fields[dash + 2]];
  if (dash < 0 || device === undefined || mountPoint === undefined || type === undefined) return undefined;
  const [root, user] = [fields[3], /(?:^|,)user_id=(\d+)/.exec(fields[dash + 3] ?? '')?.[1]];
  return {
    device,
    mountPoint: unescapeOctal(mountPoint),
    type,
    source: unescapeOctal(source ?? ''),
    ...(root === undefined ? {} : { root: unescapeOctal(root) }),
    ...(user === undefined ? {} : { userId: Number(user) }),
  };
}

/** Blank, tab, newline and backslash are written as a backslash and three octal digits; all else is UTF-8 as it is. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
