/** What a daemon says about itself in `.sessionfs/status.json`, beside the counts. */
import type { Config } from '../config/load.ts';
import { version } from '../lib/version.ts';
import type { MountReport } from '../observe/status-page/report.ts';
import type { DaemonStart } from '../supervisor/messages.ts';

/** Where the sealed files lie, for people. */
export function cacheName({ cacheInMemory, cachePath }: Config): string {
  return cacheInMemory ? 'memory' : cachePath;
}

export function staticStatusOf({
  config,
  driver,
  mountPoint,
  supervisor,
  restarts,
}: DaemonStart): Record<string, unknown> {
  return {
    version,
    mountPoint,
    mode: config.storageType,
    driver,
    pids: { supervisor: supervisor.pid, daemon: process.pid },
    versions: { supervisor: supervisor.version, daemon: version },
    restarts,
    cachePath: cacheName(config),
    ...(config.readOnly === undefined ? {} : { readOnly: config.readOnly }),
    startedAt: new Date().toISOString(),
  };
}

/** For the status page. */
export function mountReportOf(
  { config, driver, mountPoint, restarts }: DaemonStart,
  startedAt: string,
): Omit<MountReport, 'bucket'> {
  return { version, mode: config.storageType, driver, mountPoint, startedAt, restarts };
}
