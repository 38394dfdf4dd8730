/** `sessionfs logs`: the log of a mount, for people on a terminal, as it is for programs. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { isatty } from 'node:tty';
import { locateMount } from '../api/locate.ts';
import { serversOf } from '../api/process-watch.ts';
import { loadConfig } from '../config/load.ts';
import { integer } from '../config/parsers.ts';
import { SessionfsError } from '../lib/errors.ts';
import { codeOf, messageOf } from '../lib/system-error.ts';
import { toolEnvironment } from '../lib/system-tools.ts';
import { findMount } from '../mount/mountinfo.ts';
import { humanLine } from '../observe/human-line.ts';
import { flagValue, type Invocation } from './command.ts';
import { STDOUT, writeOut } from './output.ts';

const LINES = 50;

export async function run(invocation: Invocation): Promise<number> {
  const { given, directory, env } = invocation;
  const lines = flagValue(invocation, '--lines', integer(0, 1_000_000, 'lines'), LINES);
  const config = loadConfig(env, directory === undefined ? {} : { mountPoint: directory });
  const file = given.get('--log-file') ?? (await logOf(config.mountPoint)) ?? `${config.cachePath}.log`;
  requireReadable(file);
  return show(file, { lines, follow: given.has('--follow'), raw: given.has('--json') });
}

/** The file that the processes of the mount log to; undefined: there is no mount, or its processes cannot be seen. */
async function logOf(directory: string): Promise<string | undefined> {
  const path = await locateMount(directory).catch(() => undefined);
  const mount = path === undefined ? undefined : await findMount(path);
  if (mount === undefined || process.platform !== 'linux') return undefined;
  return serversOf(mount.device).find(({ log }) => log !== undefined)?.log;
}

interface Show {
  readonly lines: number;
  readonly follow: boolean;
  readonly raw: boolean;
}

/** -F goes on with the new file when the log is rotated. Ctrl-C reaches tail as well, and ends both. Throws OUTPUT_NOT_WRITTEN. */
async function show(file: string, { lines, follow, raw }: Show): Promise<number> {
  const args = ['-n', String(lines), ...(follow ? ['-F'] : []), '--', file];
  const forPeople = !raw && isatty(STDOUT);
  const tail = spawn('tail', args, {
    stdio: ['ignore', forPeople ? 'pipe' : 'inherit', 'inherit'],
    env: toolEnvironment(),
  });
  const colors = !process.env.NO_COLOR;
  if (tail.stdout !== null)
    createInterface({ input: tail.stdout }).on('line', (line) => writeOut(humanLine(line, colors)));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => tail.kill());
  // A signal ended it, or its reader is gone (logs | head): that is an end, and no error.
  const [status] = await once(tail, 'close');
  if (!status) return 0;
  throw new SessionfsError('OUTPUT_NOT_WRITTEN', `tail could not print ${file}, and ended with ${status}`, {
    hint: 'Its message above says why: make room on the disk that the output goes to, or send it elsewhere.',
  });
}

/** Throws LOG_NOT_FOUND. */
function requireReadable(file: string): void {
  try {
    if (statSync(file).isDirectory()) throw new Error('it is a directory');
    accessSync(file, constants.R_OK);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR')
      throw new SessionfsError('LOG_NOT_FOUND', `there is no log ${file}`, {
        hint: 'A mount in the foreground logs to its stderr: see the terminal, journalctl or docker logs. Name another file with --log-file.',
      });
    throw new SessionfsError('LOG_NOT_FOUND', `the log ${file} cannot be read: ${messageOf(error)}`, {
      hint: 'Run it as root or as the user who owns the mount, or name another file with --log-file.',
      cause: error,
    });
  }
}
