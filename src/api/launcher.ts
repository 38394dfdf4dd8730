/**
 * How a daemonized mount and the command that started it talk: one message over Node's IPC channel, sent when the mount
 * answers or has failed. After it the two are strangers.
 */
import { type ErrorCode, exitStatus, SessionfsError } from '../lib/errors.ts';

/** Marks a process that was started by --daemonize; never inherited further. */
export const LAUNCHED = 'SESSIONFS_LAUNCHED';

export type LaunchReport =
  /** `notices`: sentences for the terminal. */
  | { readonly type: 'ready'; readonly notices: readonly string[] }
  | {
      readonly type: 'failed';
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string | undefined;
    };

/** The daemon's end. */
export interface Launcher {
  ready(notices: readonly string[]): Promise<void>;
  failed(error: unknown): Promise<void>;
}

/** Undefined in a process that was not daemonized. Deletes the mark from `env`. */
export function takeLauncher(env: NodeJS.ProcessEnv): Launcher | undefined {
  const launched = env[LAUNCHED] !== undefined && process.send !== undefined;
  delete env[LAUNCHED];
  if (!launched) return undefined;
  return {
    ready: (notices) => report({ type: 'ready', notices }),
    failed: (error) => report(failureOf(error)),
  };
}

/** The error as it was thrown in the daemon, or undefined where it is ready. */
export function errorOf(launch: LaunchReport): SessionfsError | undefined {
  if (launch.type === 'ready') return undefined;
  return new SessionfsError(
    launch.code,
    launch.message,
    launch.hint === undefined ? {} : { hint: launch.hint },
  );
}

export function isLaunchReport(message: unknown): message is LaunchReport {
  const { type, code } = (message ?? {}) as { type?: unknown; code?: unknown };
  return type === 'ready' || (type === 'failed' && typeof code === 'string' && code in exitStatus);
}

function failureOf(error: unknown): LaunchReport {
  if (error instanceof SessionfsError) {
    return { type: 'failed', code: error.code, message: error.message, hint: error.hint };
  }
  return { type: 'failed', code: 'INTERNAL', message: String(error), hint: undefined };
}

/** A command that has gone away meanwhile changes nothing for the mount. */
async function report(launch: LaunchReport): Promise<void> {
  if (!process.connected) return;
  await new Promise<void>((resolve) => {
    process.send?.(launch, undefined, undefined, () => resolve());
  });
  if (process.connected) process.disconnect();
}
