import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

export interface MountEntry {
  mountPoint: string;
  type: string;
  /** The connection's number under /sys/fs/fuse/connections: the minor number of the mount's device. */
  connection: number;
}

/** Every mount this process sees; reading the table never blocks on a mount. */
export function mounts(): MountEntry[] {
  return readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n').map(parseMountInfo);
}

/** `36 35 0:98 / /mnt rw,noatime shared:1 - fuse.sessionfs sessionfs rw`: optional fields end at the lone dash. */
function parseMountInfo(line: string): MountEntry {
  const [mount = '', filesystem = ''] = line.split(' - ', 2);
  const [, , device = '', , mountPoint = ''] = mount.split(' ');
  const [type = ''] = filesystem.split(' ');
  return { mountPoint: decodeOctal(mountPoint), type, connection: Number(device.split(':')[1]) };
}

function decodeOctal(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

export function mountAt(mountPoint: string): MountEntry | undefined {
  return mounts().findLast((mount) => mount.mountPoint === mountPoint);
}

/** Takes every mount at or below `directory` away, served or not, and wakes the calls that wait on it. */
export function unmountBelow(directory: string): void {
  const below = mounts().filter(({ mountPoint }) => `${mountPoint}/`.startsWith(`${directory}/`));
  for (const mount of below.reverse()) {
    if (mount.type.startsWith('fuse')) abortConnection(mount.connection);
    // Forced, which aborts a FUSE connection where fusectl is not mounted.
    spawnSync('umount', ['-f', '-l', mount.mountPoint]);
  }
}

function abortConnection(connection: number): void {
  try {
    writeFileSync(`/sys/fs/fuse/connections/${connection}/abort`, '1');
  } catch {
    // The connection ended meanwhile, or fusectl is not mounted here: umount does the rest.
  }
}
