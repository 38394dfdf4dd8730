/** A user without any rights, as on a developer's machine: real uid and gid, no group besides, no capability. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Scope } from './cleanup.ts';
import { fuseDevice } from './fuse-device.ts';
import { repository } from './repository.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** In no password file: nothing needs a name. */
export const UID = 64001;
export const GID = 64002;

/** Where this user finds the checkout, no matter which users may read the folders above it. */
export const checkout = '/mnt';

const DROP = `setpriv --reuid=${UID} --regid=${GID} --clear-groups --`;
/**
 * A mount namespace of its own hides the mounts on /mnt and /dev/fuse, and takes them away with its last process. Mounts in it
 * are shared, as systemd makes them.
 */
const BECOME = [
  'mount --make-rshared /',
  `mount --bind "$0" ${checkout}`,
  'mount --bind "$1" /dev/fuse',
  'shift',
  'cd "$HOME"',
  `exec ${DROP} "$@"`,
].join(' && ');

/** Without the folders of root, which a search for a program would be refused. */
const PATH = [dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'].join(
  ':',
);

export interface OrdinaryUser {
  /** A directory of its own. */
  readonly home: string;
  /** The command line that runs `command` as this user, in its home. */
  as(command: readonly string[]): string[];
  /** A new directory in its home, which belongs to it. */
  directory(name: string): string;
}

/** `fuseMode` of /dev/fuse as this user sees it: 0o666 is what udev makes on desktops. The one of the machine stays as it is. */
export function ordinaryUser(scope: Scope, { fuseMode = 0o600 } = {}): OrdinaryUser {
  const device = fuseDevice(scope, fuseMode);
  const home = temporaryDirectory(scope);
  chownSync(home, UID, GID);
  return {
    home,
    as: (command) => [
      'env',
      `HOME=${home}`,
      `PATH=${PATH}`,
      'unshare',
      '--mount',
      'sh',
      '-c',
      BECOME,
      repository,
      device,
      ...command,
    ],
    directory: (name) => {
      const path = join(home, name);
      mkdirSync(path);
      chownSync(path, UID, GID);
      return path;
    },
  };
}

/** Fails where this machine forbids ordinary users what the tests are about. */
export function requireUserNamespaces(user: OrdinaryUser): void {
  const [file = '', ...args] = user.as(['unshare', '--user', '--map-root-user', '--mount', 'true']);
  const { status, stderr } = spawnSync(file, args, { encoding: 'utf8' });
  assert.equal(status, 0, `this machine permits ordinary users no user namespaces: ${stderr}`);
}
