/** `sessionfs mount`: serves a mount in the foreground until SIGTERM or SIGINT, or starts a daemon that does. */

import { resolve } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { generatedKeyPath } from '../lib/generated-key-path.ts';
import { forbidCoreFiles, forbidTracing } from '../lib/process-protection.ts';
import type { Secrets } from '../lib/secrets.ts';
import { type Arguments, parseArguments, usage } from './arguments.ts';
import type { Command } from './command.ts';
import { daemonize } from './daemonize.ts';
import { takeLauncher } from './launcher.ts';
import { receiveSecrets } from './passed-secrets.ts';
import { serve } from './serve.ts';
import { flagsOf, settingFlags } from './setting-flags.ts';

export const mount: Command = {
  name: 'mount',
  summary: 'mount DIR and serve it until SIGTERM',
  synopsis: '[DIR] [FLAGS]',
  flags: [
    ...settingFlags,
    { flag: '--daemonize', meaning: 'return when the mount answers and keep serving it in the background' },
    {
      flag: '--log-file',
      placeholder: 'FILE',
      meaning: 'log file of a daemonized mount; default: CACHE.log',
    },
    {
      flag: '--pid-file',
      placeholder: 'FILE',
      meaning: 'file that holds the process id of the supervisor; default with --daemonize: CACHE.pid',
    },
  ],
  run,
};

async function run(args: readonly string[], env: NodeJS.ProcessEnv, given: Secrets): Promise<number> {
  forbidTracing();
  forbidCoreFiles(env);
  const parsed = parseArguments(args, mount.flags);
  const launcher = takeLauncher(env);
  const secrets = launcher === undefined ? given : await receiveSecrets();
  const config = loadConfig({ ...env, ...secrets }, flagsOf(parsed));
  const pidFile = absolute(parsed.given.get('--pid-file'));
  const logFile = absolute(parsed.given.get('--log-file'));
  if (parsed.given.has('--daemonize')) {
    return daemonize({
      mountPoint: config.mountPoint,
      flags: settingFlags.flatMap(({ flag }) => inlined(flag, parsed)),
      logFile: logFile ?? `${config.cachePath}.log`,
      logIsNamed: logFile !== undefined,
      pidFile: pidFile ?? `${config.cachePath}.pid`,
      keyFile: generatedKeyPath(config.cachePath),
      secrets,
    });
  }
  if (logFile !== undefined)
    throw usage('--log-file needs --daemonize: in the foreground the log goes to stderr');
  return serve({ config, secrets, pidFile, launcher });
}

function inlined(flag: string, { given }: Arguments): string[] {
  const value = given.get(flag);
  return value === undefined ? [] : [`${flag}=${value}`];
}

function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path);
}
