/** From a command line to an exit status; every error ends here, in one form. */
import { exitStatus, SessionfsError, USAGE_HINT, usage } from '../lib/errors.ts';
import { printableText } from '../lib/human.ts';
import type { Secrets } from '../lib/secrets.ts';
import { messageOf } from '../lib/system-error.ts';
import { parseCommandLine } from './arguments.ts';
import { commands } from './commands.ts';
import { writeError } from './output.ts';

/** Never throws: prints what went wrong to stderr and returns the exit status for it. */
export async function dispatch(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  secrets: Secrets,
): Promise<number> {
  try {
    const parsed = parseCommandLine(commands, args);
    if (parsed === undefined) return 0;
    const run = await parsed.spec.load();
    return await run({ ...parsed, commands, env, secrets });
  } catch (thrown) {
    const error = withoutDirectory(thrown) ?? thrown;
    writeError(`${printableText(describe(error, env, args[0]))}\n`);
    return error instanceof SessionfsError ? error.exitStatus : exitStatus.INTERNAL;
  }
}

/** What node:path says of a relative path where the working directory was deleted. */
function withoutDirectory(error: unknown): SessionfsError | undefined {
  if ((error as { syscall?: unknown } | null)?.syscall !== 'uv_cwd') return undefined;
  return usage('a path is relative to the working directory, which has been deleted', {
    hint: 'Change to another one, or name the path from / on.',
  });
}

function describe(error: unknown, env: NodeJS.ProcessEnv, command: string | undefined): string {
  const debug = env.LOG_LEVEL === 'debug' || env.LOG_LEVEL === 'trace';
  const stack = debug && error instanceof Error ? `\n${error.stack}` : '';
  if (error instanceof SessionfsError) {
    const hint = hintOf(error, command);
    return `sessionfs: ${error.message}${hint === undefined ? '' : `\n  ${hint}`}${stack}`;
  }
  const hint = 'This is a defect of sessionfs: please report it, with what LOG_LEVEL=debug prints.';
  return `sessionfs: internal error: ${messageOf(error)}\n  ${hint}${stack}`;
}

/** Where nothing better is known, the help of the command, if there is one. */
function hintOf({ hint }: SessionfsError, command: string | undefined): string | undefined {
  const isKnown = commands.some(({ name }) => name === command);
  return hint === USAGE_HINT && isKnown ? `sessionfs ${command} --help lists what it takes.` : hint;
}
