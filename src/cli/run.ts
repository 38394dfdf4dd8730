/** `sessionfs run`: a mount for as long as a command runs. The container's entry point, or the line before `node bot.js`. */
import { requireNoHungMount } from '../api/locate.ts';
import { receiveSecrets } from '../api/passed-secrets.ts';
import { type Config, loadConfig } from '../config/load.ts';
import { exitStatus, usage } from '../lib/errors.ts';
import { forbidCoreFiles, forbidTracing } from '../lib/process-protection.ts';
import type { Secrets } from '../lib/secrets.ts';
import { createLogger, type Logger } from '../observe/log.ts';
import { warnOfLimits } from '../supervisor/limits.ts';
import { Supervisor } from '../supervisor/supervisor.ts';
import type { Invocation } from './command.ts';
import { ownNamespace, wantsOwnNamespace } from './own-namespace.ts';
import { withReadOnlyCopy } from './read-only.ts';
import { commandWithin, ownedByCaller, runWithin, takeCaller } from './rootless-run.ts';
import { exitStatusOf, RunningCommand } from './running-command.ts';
import { flagsOf, readOnlyFlag } from './setting-flags.ts';

export async function run(invocation: Invocation): Promise<number> {
  const { args, command, env } = invocation;
  forbidTracing();
  const coreLimit = forbidCoreFiles(env);
  const caller = takeCaller(env);
  const secrets = caller === undefined ? invocation.secrets : await receiveSecrets();
  // The command gets no channel of this process.
  if (caller !== undefined && process.connected) process.disconnect();
  if (command.length === 0) throw usage('which command? It follows --: sessionfs run [DIR] -- COMMAND');
  const config = loadConfig({ ...env, ...secrets }, flagsOf(invocation));
  await requireNoHungMount(config.mountPoint);
  const log = createLogger({ level: config.logLevel });
  if (caller === undefined && wantsOwnNamespace(config)) {
    const own = ownNamespace(config);
    if (own.kind === 'permitted') {
      log.info('This user may not mount here: mounting in a user and mount namespace of the command’s own');
      return runWithin(own.caller, args, log, { coreLimit, secrets });
    }
    log.warn({ reason: own.reason }, 'This user may not mount here, nor in a namespace of the command’s own');
  }
  for (const warning of config.warnings) log.warn(warning);
  warnOfLimits(log);
  const [file = '', ...rest] = commandWithin(caller, command);
  const runOn = (mounted: Config) =>
    mountAndRun(
      caller === undefined ? mounted : ownedByCaller(mounted),
      new RunningCommand(file, rest, log, { coreLimit }),
      log,
      { secrets, endsWithLastUser: caller !== undefined },
    );
  if (!invocation.given.has(readOnlyFlag.flag)) return runOn(config);
  return withReadOnlyCopy(config, { ...env, ...secrets }, runOn);
}

async function mountAndRun(
  config: Config,
  command: RunningCommand,
  log: Logger,
  options: { secrets: Secrets; endsWithLastUser: boolean },
): Promise<number> {
  const supervisor = await Supervisor.start(config, log, { ...options, beforeGivingUp: () => command.end() });
  process.on('SIGUSR2', () => supervisor.reload());
  return runMounted(supervisor, command, log);
}

async function runMounted(supervisor: Supervisor, command: RunningCommand, log: Logger): Promise<number> {
  const lost = supervisor.stopped.then(() => 'lost' as const);
  const end = await Promise.race([command.start(), lost]);
  if (end !== 'lost') {
    const report = await supervisor.stop('the command has ended');
    log.info({ ...report, command: end }, 'Mount stopped');
    // A mount that is given up has the command ended first: then that end is not the command's own.
    if (report.exitStatus === 0) return exitStatusOf(end);
  }
  // What the application would find in the folder now is not its sessions.
  await command.end();
  log.fatal({ mountPoint: supervisor.mountPoint }, 'The mount was lost; the command was ended');
  return exitStatus.DAEMON_FAILED;
}
