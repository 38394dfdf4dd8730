/** The two ends of a `sessionfs run` that starts itself again in a namespace of its own: the one outside, the one within. */
import type { Config } from '../config/load.ts';
import { programFile } from '../lib/own-files.ts';
import { CORE_LIMIT, nodeArguments } from '../lib/process-protection.ts';
import type { Secrets } from '../lib/secrets.ts';
import type { Logger } from '../observe/log.ts';
import { asCaller, inOwnNamespace, type NamespaceCaller } from './own-namespace.ts';
import { exitStatusOf, RunningCommand } from './running-command.ts';

/** Marks the one within: `UID:GID:PARENT`. Never inherited further. */
const WITHIN = 'SESSIONFS_OWN_NAMESPACE';
const MAIN = programFile('cli/main');

/** Outside: passes signals on, and returns the exit status of the one within. `args`: those of `sessionfs run`. */
export async function runWithin(
  caller: NamespaceCaller,
  args: readonly string[],
  log: Logger,
  { coreLimit, secrets }: { coreLimit: string | undefined; secrets: Secrets },
): Promise<number> {
  const [file = '', ...rest] = inOwnNamespace([
    process.execPath,
    ...nodeArguments(process.execArgv),
    MAIN,
    'run',
    ...args,
  ]);
  const within = new RunningCommand(file, rest, log, {
    env: {
      ...process.env,
      [WITHIN]: `${caller.uid}:${caller.gid}:${process.pid}`,
      ...(coreLimit === undefined ? {} : { [CORE_LIMIT]: coreLimit }),
    },
    secrets,
    passesOn: ['SIGUSR2'],
  });
  return exitStatusOf(await within.start());
}

/** Within: who called the one outside; undefined anywhere else. Deletes the mark from `env`. */
export function takeCaller(env: NodeJS.ProcessEnv): NamespaceCaller | undefined {
  const [, uid, gid, parent] = /^(\d+):(\d+):(\d+)$/.exec(env[WITHIN] ?? '') ?? [];
  delete env[WITHIN];
  if (uid === undefined || gid === undefined) return undefined;
  // It died before this process could ask to be told.
  if (process.ppid !== Number(parent)) process.kill(process.pid, 'SIGKILL');
  return { uid: Number(uid), gid: Number(gid) };
}

/** Everything belongs to the caller, the namespace's only user, who is root there: no other number means anything. */
export function ownedByCaller(config: Config): Config {
  return { ...config, owner: { uid: 0, gid: 0, ownsAll: true } };
}

/** The command's command line within. */
export function commandWithin(
  caller: NamespaceCaller | undefined,
  command: readonly string[],
): readonly string[] {
  return caller === undefined ? command : asCaller(caller, command);
}
