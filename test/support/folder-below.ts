/** What lies below a mount, and an application that never stops making sessions. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { cleanUp, type Scope } from './cleanup.ts';

/** Every distribution has it. */
const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];

export interface FolderBelow {
  /** As stat prints it, `750`. */
  mode: string;
  /** Everything in it. */
  names: string[];
}

/** Looks as root, in a namespace where nothing of ours is mounted there. */
export function folderBelow(mountPoint: string): FolderBelow {
  const script =
    'while grep -q " $1 .* - fuse.sessionfs " /proc/self/mountinfo; do umount -l "$1" || exit 1; done; ' +
    'stat -c %a "$1" && find "$1" -mindepth 1';
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', mountPoint],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
  const [mode = '', ...names] = stdout.trimEnd().split('\n');
  return { mode, names };
}

/** A folder that an ordinary user may write, and reach. */
export function openToAll(mountPoint: string, mode = 0o777): void {
  for (let parent = dirname(mountPoint); (statSync(parent).mode & 0o1) === 0; parent = dirname(parent))
    chmodSync(parent, 0o755);
  chmodSync(mountPoint, mode);
}

export type Writer = 'an ordinary user' | 'root';

/** Makes session after session with a file in each, whatever fails, until it is stopped. */
export class RestlessApplication {
  readonly #child: ChildProcess;

  constructor(scope: Scope, mountPoint: string, writer: Writer) {
    const script =
      'n=0; while :; do n=$((n+1)); mkdir -p "$1/s-$n" 2>/dev/null && ' +
      'echo "{\\"n\\":$n}" 2>/dev/null >"$1/s-$n/creds.json"; rm -rf "$1/s-$n" 2>/dev/null; done';
    const command = [...(writer === 'root' ? [] : NOBODY), 'sh', '-c', script, 'sh', mountPoint];
    this.#child = spawn(command[0] ?? '', command.slice(1), { stdio: 'ignore', detached: true });
    cleanUp(scope, () => this.stop());
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    process.kill(-(child.pid ?? 0), 'SIGKILL');
    await exited;
  }
}

/** The exit status of `mkdir` in the folder, as an ordinary user. */
export function mkdirStatus(mountPoint: string): number | null {
  const [file = '', ...args] = [...NOBODY, 'mkdir', `${mountPoint}/new-session`];
  return spawnSync(file, args).status;
}
