import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cleanUp, type Scope } from '../../support/cleanup.ts';
import { DaemonProcess, type Exit } from '../../support/daemon-process.ts';
import { cleanEnvironment } from '../../support/environment.ts';
import { unmountBelow } from '../../support/mounts.ts';
import { repository } from '../../support/repository.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const HANG_MS = 90_000;

export interface RunOptions {
  env?: Readonly<Record<string, string>>;
  /** A command that runs `sessionfs run`. */
  under?: readonly string[];
  /** Default: `sessions`, made in a new temporary directory. */
  mountPoint?: string;
}

export interface Run {
  readonly mountPoint: string;
  readonly process: DaemonProcess;
  ended(): Promise<Exit>;
}

/** Starts `sessionfs run DIR -- COMMAND`; all that it started is gone after the test. */
export async function startRun(
  scope: Scope,
  command: readonly string[],
  options: RunOptions = {},
): Promise<Run> {
  const mountPoint = options.mountPoint ?? join(temporaryDirectory(scope), 'sessions');
  if (options.mountPoint === undefined) mkdirSync(mountPoint);
  const sessionfs = [join(repository, 'bin/sessionfs'), 'run', mountPoint, '--', ...command];
  const [file = '', ...args] = [...(options.under ?? []), ...sessionfs];
  const run = new DaemonProcess(file, args, cleanEnvironment(options.env), repository);
  cleanUp(scope, async () => {
    run.killAll();
    await run.waitForExit(HANG_MS);
    unmountBelow(mountPoint);
  });
  return { mountPoint, process: run, ended: () => run.waitForExit(HANG_MS) };
}

export function startShell(scope: Scope, script: string, options: RunOptions = {}): Promise<Run> {
  return startRun(scope, ['sh', '-c', script], options);
}
