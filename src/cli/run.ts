/** `sessionfs run`: a mount for as long as a command runs. The container's entry point, or the line before `node bot.js`. */
import { constants } from 'node:os';
import { assertSupported, loadConfig } from '../config.ts';
import { exitStatus } from '../lib/errors.ts';
import { createLogger, type Logger } from '../observe/log.ts';
import { Supervisor } from '../supervisor.ts';
import { parseArguments, usage } from './arguments.ts';
import type { Command } from './command.ts';
import { type CommandEnd, RunningCommand } from './running-command.ts';
import { flagsOf, settingFlags } from './setting-flags.ts';

export const run: Command = {
  name: 'run',
  summary: 'mount DIR (./sessions), run COMMAND, then flush and unmount; exits with its status',
  synopsis: '[DIR] [FLAGS] -- COMMAND [ARGUMENT…]',
  flags: settingFlags,
  run: runCommand,
};

async function runCommand(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const separator = args.indexOf('--');
  const [file, ...rest] = separator < 0 ? [] : args.slice(separator + 1);
  if (file === undefined) throw usage('which command? It follows --: sessionfs run [DIR] -- COMMAND');
  const config = loadConfig(env, flagsOf(parseArguments(args.slice(0, separator), run.flags)));
  assertSupported(config);
  const log = createLogger({ level: config.logLevel });
  for (const warning of config.warnings) log.warn(warning);
  const command = new RunningCommand(file, rest, log);
  const supervisor = await Supervisor.start(config, log, { beforeGivingUp: () => command.end() });
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
    if (report.exitStatus === 0) return statusOf(end);
  }
  // What the application would find in the folder now is not its sessions.
  await command.end();
  log.fatal({ mountPoint: supervisor.mountPoint }, 'The mount was lost; the command was ended');
  return exitStatus.DAEMON_FAILED;
}

/** As a shell says it. */
function statusOf(end: CommandEnd): number {
  return end.signal === null ? end.code : 128 + (constants.signals[end.signal] ?? 0);
}
