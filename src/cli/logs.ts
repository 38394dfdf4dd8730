/** `sessionfs logs`: the log of a mount, for people on a terminal, as it is for programs. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { locateMount } from '../api/locate.ts';
import { serversOf } from '../api/process-watch.ts';
import { loadConfig } from '../config/load.ts';
import { integer } from '../config/parsers.ts';
import { SessionfsError } from '../lib/errors.ts';
import { toolEnvironment } from '../lib/system-tools.ts';
import { findMount } from '../mount/mountinfo.ts';
import { humanLine } from '../observe/human-line.ts';
import { flagValue, type Invocation } from './command.ts';

const LINES = 50;

export async function run(invocation: Invocation): Promise<number> {
  const { given, directory, env } = invocation;
  const lines = flagValue(invocation, '--lines', integer(0, 1_000_000, 'lines'), LINES);
  const config = loadConfig(env, directory === undefined ? {} : { mountPoint: directory });
  const file = given.get('--log-file') ?? (await logOf(config.mountPoint)) ?? `${config.cachePath}.log`;
  if (!existsSync(file))
    throw new SessionfsError('LOG_NOT_FOUND', `there is no log ${file}`, {
      hint: 'A mount in the foreground logs to its stderr: see the terminal, journalctl or docker logs. Name another file with --log-file.',
    });
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

/** -F goes on with the new file when the log is rotated. Ctrl-C reaches tail as well, and ends both. */
function show(file: string, { lines, follow, raw }: Show): Promise<number> {
  const args = ['-n', String(lines), ...(follow ? ['-F'] : []), '--', file];
  const tail = spawn('tail', args, { stdio: ['ignore', 'pipe', 'inherit'], env: toolEnvironment() });
  const forPeople = !raw && process.stdout.isTTY === true;
  const colors = !process.env.NO_COLOR;
  createInterface({ input: tail.stdout }).on('line', (line) => {
    process.stdout.write(forPeople ? humanLine(line, colors) : `${line}\n`);
  });
  // Its reader is gone (logs | head): that is an end, and no error.
  process.stdout.on('error', () => tail.kill());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => tail.kill());
  return new Promise((resolve, reject) => {
    tail.once('error', reject);
    tail.once('close', (code) => resolve(code ?? 0));
  });
}
