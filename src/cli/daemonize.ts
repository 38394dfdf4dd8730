/** `sessionfs mount --daemonize`: the same command again, in a session of its own, and an answer when it has mounted. */
import { type LaunchOptions, launchMount } from '../api/launch.ts';
import { print, printJson, warn } from './command.ts';

export interface Daemonized extends Omit<LaunchOptions, 'signal' | 'execArgv'> {
  readonly mode: string;
  /** Prints one object, with what a terminal is told beside it. */
  readonly asJson: boolean;
}

/** Prints pid and mount point, and returns 0, once the mount answers. Throws the daemon's own error where it failed. */
export async function daemonize({ mode, asJson, ...options }: Daemonized): Promise<number> {
  const stop = new AbortController();
  // A start that is given up ends as the signal would have ended this process.
  const abort = (signal: NodeJS.Signals) => stop.abort(signal);
  process.on('SIGINT', abort).on('SIGTERM', abort);
  try {
    const { execArgv } = process;
    const { pid, notices } = await launchMount({ ...options, execArgv, signal: stop.signal });
    const { mountPoint, logFile, pidFile } = options;
    if (asJson) printJson({ mountPoint, pid, mode, logFile, pidFile, notices });
    else {
      print(`sessionfs: process ${pid} serves ${mountPoint}, log in ${logFile}`);
      for (const notice of notices) warn(notice);
    }
  } finally {
    process.off('SIGINT', abort).off('SIGTERM', abort);
  }
  return 0;
}
