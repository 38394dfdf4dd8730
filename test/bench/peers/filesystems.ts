/** Other filesystems that encrypt, each on a directory of its own, from Debian's packages. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { childrenOf } from '../../crash/support/processes.ts';
import { cleanUp, type Scope } from '../../support/cleanup.ts';
import { DaemonProcess } from '../../support/daemon-process.ts';
import { mountAnswers } from '../../support/mount-answers.ts';
import { unmountBelow } from '../../support/mounts.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import type { Peer } from '../measurement.ts';
import type { Requests } from '../requests.ts';

export interface Opened {
  readonly directory: string;
  /** Those that serve it. */
  processes(): number[];
  /** What it was asked for, where it counts that. */
  requests?(): Requests;
}

/** A filesystem that a program in the foreground serves. */
interface Served {
  /** As /proc/self/mountinfo names it. */
  readonly type: string;
  /** Makes an empty filesystem in `directory`; returns the command that serves it at `mountPoint`, in the foreground. */
  command(directory: string, mountPoint: string): { args: readonly string[]; env?: Record<string, string> };
}

interface PeerProgram extends Served {
  readonly versionArgs: readonly string[];
  readonly packages: string;
}

const PASSWORD = 'benchmark';
/** CryFS derives its key for ten seconds, and longer on a busy machine. */
const MOUNT_HANG_MS = 180_000;

export const peers: Readonly<Record<Peer, PeerProgram>> = {
  gocryptfs: {
    type: 'fuse.gocryptfs',
    versionArgs: ['-version'],
    packages: 'gocryptfs fuse3',
    command(directory, mountPoint) {
      const sealed = join(directory, 'sealed');
      mkdirSync(sealed);
      const password = ['-extpass', `echo ${PASSWORD}`];
      run('gocryptfs', ['-q', '-init', '-scryptn', '10', ...password, sealed]);
      return { args: ['gocryptfs', '-q', '-fg', '-nosyslog', ...password, sealed, mountPoint] };
    },
  },
  cryfs: {
    type: 'fuse.cryfs',
    versionArgs: ['--version'],
    packages: 'cryfs',
    command(directory, mountPoint) {
      const sealed = join(directory, 'sealed');
      mkdirSync(sealed);
      const script = `printf %s ${PASSWORD} | cryfs -f --create-missing-basedir "$0" "$1"`;
      const env = {
        CRYFS_FRONTEND: 'noninteractive',
        CRYFS_NO_UPDATE_CHECK: 'true',
        CRYFS_LOCAL_STATE_DIR: join(directory, 'state'),
      };
      return { args: ['sh', '-c', script, sealed, mountPoint], env };
    },
  },
  rclone: {
    type: 'fuse.rclone',
    versionArgs: ['version'],
    packages: 'rclone fuse3',
    command(directory, mountPoint) {
      const sealed = join(directory, 'sealed');
      mkdirSync(sealed);
      const env = {
        RCLONE_CONFIG: join(directory, 'rclone.conf'),
        RCLONE_CONFIG_SECRET_TYPE: 'crypt',
        RCLONE_CONFIG_SECRET_REMOTE: sealed,
        RCLONE_CONFIG_SECRET_PASSWORD: run('rclone', ['obscure', PASSWORD]).trim(),
        RCLONE_CACHE_DIR: join(directory, 'cache'),
      };
      // Without a full cache it cannot change a file in place.
      return { args: ['rclone', 'mount', '--vfs-cache-mode', 'full', 'secret:', mountPoint], env };
    },
  },
};

function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args[0]} failed: ${stderr ?? error?.message}`);
  return stdout;
}

/** Of each, as it says itself; undefined: it is not installed. */
export function versionOf(command: string, versionArgs: readonly string[]): string | undefined {
  const { stdout, stderr, error } = spawnSync(command, versionArgs, { encoding: 'utf8' });
  if (error !== undefined) return undefined;
  return /\d+\.\d+(\.\d+)?[^\s,;]*/.exec(`${stdout}${stderr}`)?.[0] ?? 'of an unknown version';
}

export async function openPeer(scope: Scope, name: Peer): Promise<Opened> {
  const peer = peers[name];
  if (versionOf(name, peer.versionArgs) === undefined)
    throw new Error(`not installed (Debian, Ubuntu: apt-get install ${peer.packages})`);
  return serve(scope, peer);
}

/** Resolves when it is mounted; gone with its scope. */
export async function serve(scope: Scope, { type, command }: Served): Promise<Opened> {
  const directory = temporaryDirectory(scope);
  const plain = join(directory, 'plain');
  mkdirSync(plain);
  const { args, env = {} } = command(directory, plain);
  const [program = '', ...rest] = args;
  const daemon = new DaemonProcess(program, rest, { ...process.env, ...env }, directory);
  cleanUp(scope, async () => {
    daemon.killAll();
    await daemon.waitForExit(10_000);
    unmountBelow(plain);
  });
  await mountAnswers(daemon, plain, type, MOUNT_HANG_MS);
  return { directory: plain, processes: () => withChildren(daemon.pid) };
}

export function withChildren(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(withChildren)];
}
