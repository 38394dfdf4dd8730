/** From a command line to an exit status; every error ends here, in one form. */
import { exitStatus, SessionfsError } from '../lib/errors.ts';
import { nearestName } from '../lib/nearest-name.ts';
import { quote } from '../lib/quote.ts';
import type { Secrets } from '../lib/secrets.ts';
import { version } from '../lib/version.ts';
import { usage } from './arguments.ts';
import { type Command, print } from './command.ts';
import { exportCommand } from './export.ts';
import { commandHelp, generalHelp } from './help.ts';
import { mount } from './mount.ts';
import { reload } from './reload.ts';
import { run } from './run.ts';
import { status } from './status.ts';
import { unmount } from './unmount.ts';

const commands: readonly Command[] = [mount, unmount, run, reload, status, exportCommand];

/** Never throws: prints what went wrong to stderr and returns the exit status for it. */
export async function dispatch(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  secrets: Secrets,
): Promise<number> {
  try {
    return await runCommand(args, env, secrets);
  } catch (error) {
    process.stderr.write(`${describe(error, env)}\n`);
    return error instanceof SessionfsError ? error.exitStatus : exitStatus.INTERNAL;
  }
}

async function runCommand(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  secrets: Secrets,
): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) throw usage('which command?');
  if (name === '--help' || name === '-h' || name === 'help') return answer(generalHelp(commands));
  if (name === '--version') return answer(version);
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) throw unknownCommand(name);
  if (asksForHelp(rest)) return answer(commandHelp(command));
  return command.run(rest, env, secrets);
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end < 0 ? undefined : end).some((arg) => arg === '--help' || arg === '-h');
}

function answer(text: string): number {
  print(text);
  return 0;
}

function unknownCommand(name: string): SessionfsError {
  const nearest = nearestName(
    name,
    commands.map((command) => command.name),
  );
  return usage(
    `there is no command ${quote(name)}`,
    nearest === undefined ? {} : { hint: `Did you mean ${nearest}?` },
  );
}

function describe(error: unknown, env: NodeJS.ProcessEnv): string {
  const debug = env.LOG_LEVEL === 'debug' || env.LOG_LEVEL === 'trace';
  const stack = debug && error instanceof Error ? `\n${error.stack}` : '';
  if (error instanceof SessionfsError) {
    return `sessionfs: ${error.message}${error.hint === undefined ? '' : `\n  ${error.hint}`}${stack}`;
  }
  const message = error instanceof Error ? error.message : String(error);
  const hint = 'This is a defect of sessionfs: please report it, with what LOG_LEVEL=debug prints.';
  return `sessionfs: internal error: ${message}\n  ${hint}${stack}`;
}
