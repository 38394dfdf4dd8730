/**
 * `sessionfs run` without root: a user namespace in which the caller is root, and a mount namespace that belongs to it. There
 * mount(8) and the direct driver work as they are; no process outside sees the mount. The command gets a user namespace of
 * its own below, in which the caller's numbers are what they are outside. native-notes/05-user-namespaces.md has what was tried.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import type { Config } from '../config/load.ts';
import { codeOf } from '../lib/system-error.ts';
import { toolEnvironment } from '../lib/system-tools.ts';
import { mayMount } from '../mount/may-mount.ts';

export interface NamespaceCaller {
  readonly uid: number;
  readonly gid: number;
}

export type OwnNamespace =
  | { readonly kind: 'permitted'; readonly caller: NamespaceCaller }
  /** Why it cannot be had, for the log. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Ends what it starts with a signal that it can act on, when its parent dies. */
const DIES_WITH_PARENT = ['setpriv', '--pdeathsig', 'TERM', '--'];
/** A mount that is unmounted outside must not live on within: a FUSE connection ends with its last mount in any namespace. */
const NAMESPACES = ['--user', '--map-root-user', '--mount', '--propagation', 'slave'];
const ENTER = ['unshare', ...NAMESPACES, '--', ...DIES_WITH_PARENT];
const DEVICE = '/dev/fuse';
const PROBE_TIMEOUT_MS = 10_000;

/** Mounts a connection that is not served on a folder that every machine has, then goes one namespace deeper. */
const PROBE = `
  mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 sessionfs-probe /dev 3<>${DEVICE} || exit 1
  exec "$@"`;

/** Whether this process cannot mount here as it is, but asks for a driver that could in a namespace of its own. */
export function wantsOwnNamespace({ fuseDriver }: Pick<Config, 'fuseDriver'>): boolean {
  return process.platform === 'linux' && fuseDriver !== 'fuse-native' && !mayMount();
}

/** Tries all of it out, which leaves nothing behind and takes some 20 ms. Never throws. */
export function ownNamespace({ owner }: Pick<Config, 'owner'>): OwnNamespace {
  const caller = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const reason = foreignOwner(owner, caller) ?? deviceProblem() ?? probeProblem(caller);
  return reason === undefined ? { kind: 'permitted', caller } : { kind: 'refused', reason };
}

/** The command line that runs `command` as root of new namespaces, in the calling process's place. */
export function inOwnNamespace(command: readonly string[]): string[] {
  return [...ENTER, ...command];
}

/** The command line that runs `command` with the caller's own numbers, inside of the namespace that `inOwnNamespace` makes. */
export function asCaller({ uid, gid }: NamespaceCaller, command: readonly string[]): string[] {
  return [
    'unshare',
    '--user',
    `--map-user=${uid}`,
    `--map-group=${gid}`,
    '--',
    ...DIES_WITH_PARENT,
    ...command,
  ];
}

/** The namespace has one user and one group. */
function foreignOwner(owner: Config['owner'], caller: NamespaceCaller): string | undefined {
  if (owner === undefined || (owner.uid === caller.uid && owner.gid === caller.gid)) return undefined;
  return `SESSION_OWNER is ${owner.uid}:${owner.gid}, and there everything belongs to ${caller.uid}:${caller.gid}`;
}

function deviceProblem(): string | undefined {
  try {
    accessSync(DEVICE, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    const code = codeOf(error);
    return code === 'ENOENT'
      ? `${DEVICE} is not there: modprobe fuse`
      : `${DEVICE} may not be opened (${code}): chmod 0666 ${DEVICE}, as udev makes it where that runs`;
  }
}

function probeProblem(caller: NamespaceCaller): string | undefined {
  const [file = '', ...args] = inOwnNamespace(['sh', '-c', PROBE, 'sh', ...asCaller(caller, ['true'])]);
  const { status, stderr, error } = spawnSync(file, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    timeout: PROBE_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    env: toolEnvironment(),
  });
  if (status === 0) return undefined;
  if (codeOf(error) === 'ENOENT') return 'unshare(1) is not installed: it is in the package util-linux';
  const said = error?.message ?? (stderr.trim().split('\n', 1)[0] || `unshare ended with status ${status}`);
  // busybox has both programs, with fewer options.
  if (said.includes('unrecognized option')) return `${said}: install unshare(1) and setpriv(1) of util-linux`;
  const setting = forbiddenBy();
  return setting === undefined ? said : `${said} (${setting})`;
}

/** The settings that keep ordinary users from it, by the values that do so. */
const FORBIDDING: readonly (readonly [setting: string, value: string])[] = [
  ['user.max_user_namespaces', '0'],
  ['kernel.unprivileged_userns_clone', '0'],
  ['kernel.apparmor_restrict_unprivileged_userns', '1'],
];

function forbiddenBy(): string | undefined {
  const found = FORBIDDING.find(([setting, value]) => sysctl(setting) === value);
  return found && `${found[0]} is ${found[1]} here`;
}

/** Undefined where this kernel does not know it. */
function sysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
