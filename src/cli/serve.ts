/** Serves one mount in this process, from start to the last flush. */
import type { Launcher } from '../api/launcher.ts';
import { readMountStatus } from '../api/mount-status.ts';
import type { Config } from '../config/load.ts';
import type { Secrets } from '../lib/secrets.ts';
import { createLogger, type Logger, reopenLog } from '../observe/log.ts';
import { warnOfLimits } from '../supervisor/limits.ts';
import type { StopReport } from '../supervisor/messages.ts';
import { type FolderAfterwards, Supervisor } from '../supervisor/supervisor.ts';
import { PidFile } from './pid-file.ts';
import { ServiceManager } from './service-manager.ts';
import { firstStopSignal, stopSignals } from './stop-signals.ts';

export interface ServeOptions {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly pidFile: string | undefined;
  /** The process that waits for the mount to answer, if there is one. */
  readonly launcher: Launcher | undefined;
}

/** Returns the exit status once the mount is gone. Throws where it could not be made. */
export async function serve(options: ServeOptions): Promise<number> {
  const { config } = options;
  const log = createLogger({ level: config.logLevel });
  for (const warning of config.warnings) log.warn(warning);
  warnOfLimits(log);
  const report = await serveUntilStopped(options, log);
  const complete = report.dirty === 0 && !report.lazy;
  log[complete ? 'info' : 'warn']({ ...report }, 'Mount stopped');
  return report.exitStatus;
}

async function serveUntilStopped(
  { config, secrets, pidFile: pidPath, launcher }: ServeOptions,
  log: Logger,
): Promise<StopReport> {
  // Before the start: a signal in the middle of it must not leave a dead mount behind.
  const signals = stopSignals();
  const stopSignal = firstStopSignal(log, signals);
  const serviceManager = ServiceManager.take(process.env, log);
  serviceManager?.starting();
  let daemon: Supervisor | undefined;
  if (!signals.includes('SIGHUP'))
    process.on('SIGHUP', () => {
      reopenLog(log);
      daemon?.reopenLog();
    });
  // A daemon that sits in some directory keeps that from being unmounted.
  if (launcher !== undefined) process.chdir('/');
  const started = await Supervisor.start(config, log, {
    secrets,
    phaseChanged: (phase) => serviceManager?.changed(phase),
  });
  daemon = started;
  process.on('SIGUSR2', () => started.reload());
  const pidFile = await writePidFile(started, pidPath);
  try {
    await launcher?.ready(started.notices);
    serviceManager?.serving(() => readMountStatus(started.mountPoint));
    return await Promise.race([
      started.stopped,
      stopSignal.then((signal) => {
        serviceManager?.stopping();
        return started.stop(signal, folderAfter(signal));
      }),
    ]);
  } finally {
    await serviceManager?.finish();
    pidFile?.remove();
  }
}

/** SIGTERM comes from a container, a service manager or `sessionfs unmount`, which opens the folder by itself. */
function folderAfter(signal: NodeJS.Signals): FolderAfterwards {
  return signal === 'SIGTERM' ? 'shut' : 'given-back';
}

/** After the start: a second daemon, refused for the cache's lock, must not overwrite the first one's. */
async function writePidFile(daemon: Supervisor, path: string | undefined): Promise<PidFile | undefined> {
  try {
    return path === undefined ? undefined : PidFile.write(path);
  } catch (error) {
    await daemon.stop('the pid file cannot be written');
    throw error;
  }
}
