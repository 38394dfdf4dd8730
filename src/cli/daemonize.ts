/** `sessionfs mount --daemonize`: the same command again, in a session of its own, and an answer when it has mounted. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { SessionfsError } from '../lib/errors.ts';
import { programFile } from '../lib/own-files.ts';
import { requirePrivatePath } from '../lib/private-path.ts';
import { nodeArguments } from '../lib/process-protection.ts';
import type { Secrets } from '../lib/secrets.ts';
import { messageOf } from '../lib/system-error.ts';
import { print } from './command.ts';
import { errorOf, isLaunchReport, LAUNCHED, type LaunchReport } from './launcher.ts';
import { sendSecrets } from './passed-secrets.ts';

export interface DaemonizeOptions {
  /** Absolute, as are the two files. */
  readonly mountPoint: string;
  /** For the daemon's command line, each with its value: `--flag=value`. */
  readonly flags: readonly string[];
  /** Appended to; made 0600. */
  readonly logFile: string;
  /** It was asked for by name: it stays after a start that fails. */
  readonly logIsNamed: boolean;
  readonly pidFile: string;
  /** Where local mode makes a key if there is none. */
  readonly keyFile: string;
  readonly secrets: Secrets;
}

const MAIN = programFile('cli/main');

/** Prints pid and mount point, and returns 0, once the mount answers. Throws the daemon's own error where it failed. */
export async function daemonize(options: DaemonizeOptions): Promise<number> {
  const { keyFile, logFile, logIsNamed } = options;
  const [hadKey, hadLog] = [existsSync(keyFile), logIsNamed || existsSync(logFile)];
  const child = launch(options);
  sendSecrets(child, options.secrets);
  const stopForwarding = forwardSignals(child);
  let notices: readonly string[] = [];
  try {
    const launched = await reportOf(child, options.logFile);
    const error = errorOf(launched);
    if (error !== undefined) {
      // What it says is on the terminal.
      if (!hadLog) rmSync(logFile, { force: true });
      throw error;
    }
    if (launched.type === 'ready') notices = launched.notices;
  } finally {
    stopForwarding();
    child.unref();
  }
  print(`sessionfs: process ${child.pid} serves ${options.mountPoint}, log in ${options.logFile}`);
  if (!hadKey && existsSync(keyFile)) {
    process.stderr.write(
      `sessionfs: a new encryption key was made in ${keyFile}. Back this file up: without it these sessions can never be opened again\n`,
    );
  }
  for (const notice of notices) process.stderr.write(`sessionfs: ${notice}\n`);
  return 0;
}

function launch({ mountPoint, flags, logFile, pidFile }: DaemonizeOptions): ChildProcess {
  const log = openLog(logFile);
  try {
    return spawn(
      process.execPath,
      [
        ...nodeArguments(process.execArgv),
        MAIN,
        'mount',
        ...flags,
        `--pid-file=${pidFile}`,
        '--',
        mountPoint,
      ],
      {
        detached: true,
        stdio: ['ignore', log, log, 'ipc'],
        env: { ...process.env, [LAUNCHED]: '1' },
      },
    );
  } finally {
    closeSync(log);
  }
}

function openLog(path: string): number {
  try {
    requirePrivatePath(path, 'the log', '--log-file');
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    requirePrivatePath(path, 'the log', '--log-file');
    return openSync(path, 'a', 0o600);
  } catch (error) {
    if (error instanceof SessionfsError) throw error;
    throw new SessionfsError('CONFIG_INVALID', `cannot write the log ${path}: ${messageOf(error)}`, {
      hint: 'Name another file with --log-file.',
      cause: error,
    });
  }
}

function reportOf(child: ChildProcess, logFile: string): Promise<LaunchReport> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => {
      if (isLaunchReport(message)) resolve(message);
      else reject(new Error('the daemon sent a message that is not a launch report'));
    });
    child.once('error', (error) => reject(error));
    child.once('exit', (code, signal) => {
      const end = signal === null ? `ended with status ${code}` : `was ended by ${signal}`;
      reject(
        new SessionfsError('MOUNT_FAILED', `the daemon ${end} before the mount answered`, {
          hint: `Its log says why: ${logFile}`,
        }),
      );
    });
  });
}

/** The daemon is in a session of its own and does not get Ctrl-C: who gives up waiting gives up the mount. */
function forwardSignals(child: ChildProcess): () => void {
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  process.on('SIGINT', forward).on('SIGTERM', forward);
  return () => process.off('SIGINT', forward).off('SIGTERM', forward);
}
