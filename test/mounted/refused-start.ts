import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type ErrorCode, exitStatus } from '../../src/lib/errors.ts';
import { cliMain } from '../support/cli-main.ts';
import { cleanEnvironment } from '../support/environment.ts';
import { mounts } from '../support/mounts.ts';

export interface Attempt {
  /** All that the attempt may touch lies below this directory. */
  within: string;
  /** Of `sessionfs mount`. */
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** A command that runs the one that follows it, perhaps with fewer rights. */
  under?: readonly string[];
}

export interface Refusal {
  code: ErrorCode;
  message: RegExp;
  hint: RegExp;
}

/** The time limit only guards against a start that succeeds, and then goes on. */
const HANG_MS = 60_000;
const LOOKS = 100;

/**
 * The start fails with the error's own exit status and says so in two lines of stderr, what is wrong and what to do, beside
 * which there is only the log; and leaves no mount, no process and no held lock that was not there before. Returns stderr.
 */
export function assertRefused(attempt: Attempt, { code, message, hint }: Refusal): string {
  const before = traces(attempt.within);
  const { status, stdout, stderr } = run(attempt);
  const said = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
  assert.deepEqual([status, stdout, said.length], [exitStatus[code], '', 2], stderr);
  assert.match(said[0] ?? '', /^sessionfs: \S/);
  assert.match(said[0] ?? '', message);
  assert.match(said[1] ?? '', /^ {2}\S/);
  assert.match(said[1] ?? '', hint);
  // With --daemonize the command ends when the daemon has told why, and that one a moment later.
  for (let look = 0; look < LOOKS && !isDeepStrictEqual(traces(attempt.within), before); look++)
    spawnSync('sleep', ['0.1']);
  assert.deepEqual(traces(attempt.within), before);
  return stderr;
}

function run({ args, env = {}, under = [] }: Attempt) {
  const [command = '', ...rest] = [...under, process.execPath, cliMain, 'mount', ...args];
  const options = { env: cleanEnvironment(env), encoding: 'utf8', timeout: HANG_MS } as const;
  return spawnSync(command, rest, options);
}

/** What a running daemon would show, one a line. */
export function traces(directory: string): string[] {
  const below = (path: string) => `${path}/`.startsWith(`${directory}/`);
  const mounted = mounts().filter(({ mountPoint }) => below(mountPoint));
  return [
    ...mounted.map(({ mountPoint, type }) => `mount ${mountPoint} ${type}`),
    ...processesNaming(directory).map((pid) => `process ${pid}`),
    ...lockFiles(directory).filter(isHeld),
  ].sort();
}

function processesNaming(text: string): string[] {
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(text));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function lockFiles(directory: string): string[] {
  return readdirSync(directory)
    .map((name) => join(directory, name, 'lock'))
    .filter((path) => existsSync(path));
}

function isHeld(path: string): boolean {
  return spawnSync('flock', ['-n', path, 'true']).status !== 0;
}
