import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childrenOf, daemonOf, isDaemon } from '../../crash/support/processes.ts';
import { cleanUp, type Scope } from '../../support/cleanup.ts';
import { DaemonProcess, type Exit } from '../../support/daemon-process.ts';
import { cleanEnvironment } from '../../support/environment.ts';
import {
  checkout,
  type OrdinaryUser,
  ordinaryUser,
  requireUserNamespaces,
} from '../../support/ordinary-user.ts';

const HANG_MS = 90_000;
const POLL_MS = 20;

export interface RootlessOptions {
  user?: OrdinaryUser;
  env?: Readonly<Record<string, string>>;
  /** Further arguments of `sessionfs run DIR`. */
  args?: readonly string[];
  /** A command that runs `sessionfs run`. */
  under?: readonly string[];
}

export interface RootlessRun {
  readonly user: OrdinaryUser;
  readonly mountPoint: string;
  readonly process: DaemonProcess;
  /** The process that the user started. */
  readonly outside: number;
  /** Throws before it is there. */
  supervisor(): number;
  daemon(): number;
  command(): number;
  /** Resolves when no process holds its output any more: neither the command nor the daemon. */
  ended(): Promise<Exit>;
}

/** An ordinary user to whom user namespaces and /dev/fuse are open, as on a desktop. */
export async function userWithFuse(scope: Scope): Promise<OrdinaryUser> {
  const user = ordinaryUser(scope, { fuseMode: 0o666 });
  requireUserNamespaces(user);
  return user;
}

/** Starts `sessionfs run ~/sessions -- COMMAND` as an ordinary user; all that it started is gone after the test. */
export async function startRootless(
  scope: Scope,
  command: readonly string[],
  { user, env, args = [], under = [] }: RootlessOptions = {},
): Promise<RootlessRun> {
  const owner = user ?? (await userWithFuse(scope));
  const mountPoint = join(owner.home, 'sessions');
  if (!existsSync(mountPoint)) owner.directory('sessions');
  const sessionfs = [`${checkout}/bin/sessionfs`, 'run', mountPoint, ...args, '--', ...command];
  const [file = '', ...rest] = owner.as([...under, ...sessionfs]);
  const run = new DaemonProcess(file, rest, cleanEnvironment({ DIR: mountPoint, ...env }), '/');
  cleanUp(scope, async () => {
    run.killAll();
    await run.waitForExit(HANG_MS);
  });
  const supervisor = () => only(childrenOf(run.pid), 'supervisor');
  const daemon = () => only([daemonOf(supervisor()) ?? 0], 'daemon');
  return {
    user: owner,
    mountPoint,
    process: run,
    outside: run.pid,
    supervisor,
    daemon,
    command: () =>
      only(
        childrenOf(supervisor()).filter((pid) => !isDaemon(pid)),
        'command',
      ),
    ended: () => run.waitForExit(HANG_MS),
  };
}

export function startRootlessShell(
  scope: Scope,
  script: string,
  options: RootlessOptions = {},
): Promise<RootlessRun> {
  return startRootless(scope, ['sh', '-c', script], options);
}

/** Resolves when nothing of it is left: a process that has closed its output may need a moment more. */
export async function gone(run: RootlessRun): Promise<void> {
  for (let look = 0; look < 100 && run.process.processes().length > 0; look++) await sleep(POLL_MS);
  assert.deepEqual(run.process.processes(), [], run.process.log());
}

function only(pids: readonly number[], what: string): number {
  const [pid] = pids;
  if (pid === undefined || pid === 0 || pids.length > 1) throw new Error(`which is the ${what}? ${pids}`);
  return pid;
}
