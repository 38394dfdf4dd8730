/** Starts `sessionfs mount` in a process of its own, in a session of its own, and waits for its answer. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { SessionfsError } from '../lib/errors.ts';
import { generatedKeyPath } from '../lib/generated-key-path.ts';
import { programFile } from '../lib/own-files.ts';
import { requirePrivatePath } from '../lib/private-path.ts';
import { nodeArguments } from '../lib/process-protection.ts';
import type { Secrets } from '../lib/secrets.ts';
import { messageOf } from '../lib/system-error.ts';
import { errorOf, isLaunchReport, LAUNCHED, type LaunchReport } from './launcher.ts';
import { sendSecrets } from './passed-secrets.ts';

export interface LaunchOptions {
  /** Absolute, as are the files. */
  readonly mountPoint: string;
  /** For the command line of the mount, each with its value: `--flag=value`. */
  readonly flags: readonly string[];
  /** For node. */
  readonly execArgv?: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Appended to; made 0600. */
  readonly logFile: string;
  /** It was asked for by name: it stays after a start that fails. */
  readonly logIsNamed: boolean;
  readonly pidFile: string;
  /** Where local mode makes a key if there is none. */
  readonly keyFile: string;
  readonly secrets: Secrets;
  /** Ends the start; its reason may be the name of a signal. */
  readonly signal?: AbortSignal | undefined;
}

/** Where a mount keeps what is beside its cache. That of a copy is not beside the cache of the mount that the copy is made of. */
export function filesBeside(
  { mountPoint, cachePath }: { readonly mountPoint: string; readonly cachePath: string },
  isReadOnly: boolean,
): Pick<LaunchOptions, 'logFile' | 'pidFile' | 'keyFile'> {
  const beside = isReadOnly ? `${mountPoint}.read-only` : cachePath;
  return { logFile: `${beside}.log`, pidFile: `${beside}.pid`, keyFile: generatedKeyPath(beside) };
}

export interface Launched {
  readonly pid: number;
  /** Sentences for people. */
  readonly notices: readonly string[];
}

const MAIN = programFile('cli/main');

/** Resolves once the mount answers. Rejects with the error of the process where it failed. */
export async function launchMount(options: LaunchOptions): Promise<Launched> {
  const { keyFile, logFile, logIsNamed, signal } = options;
  const [hadKey, hadLog] = [existsSync(keyFile), logIsNamed || existsSync(logFile)];
  signal?.throwIfAborted();
  const child = spawnMount(options);
  sendSecrets(child, options.secrets);
  const end = () => child.kill(signal?.reason === 'SIGTERM' ? 'SIGTERM' : 'SIGINT');
  // The process is in a session of its own and does not get Ctrl-C.
  signal?.addEventListener('abort', end);
  try {
    const report = await reportOf(child, logFile);
    const error = errorOf(report);
    if (error !== undefined) {
      // The caller has what it says.
      if (!hadLog) rmSync(logFile, { force: true });
      throw error;
    }
    await endedOf(child, signal);
    const notices = report.type === 'ready' ? report.notices : [];
    const madeKey = !hadKey && existsSync(keyFile);
    return { pid: child.pid ?? 0, notices: madeKey ? [keyNotice(keyFile), ...notices] : notices };
  } finally {
    signal?.removeEventListener('abort', end);
    child.unref();
  }
}

/** The mount answered, and was given up meanwhile. */
async function endedOf(child: ChildProcess, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted !== true) return;
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  signal.throwIfAborted();
}

function keyNotice(keyFile: string): string {
  return `a new encryption key was made in ${keyFile}. Back this file up: without it these sessions can never be opened again`;
}

function spawnMount({ mountPoint, flags, execArgv, env, logFile, pidFile }: LaunchOptions): ChildProcess {
  const log = openLog(logFile);
  const command = [MAIN, 'mount', ...flags, `--pid-file=${pidFile}`, '--', mountPoint];
  try {
    return spawn(process.execPath, [...nodeArguments(execArgv), ...command], {
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
      env: { ...env, [LAUNCHED]: '1' },
    });
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
