/** What a daemon says about itself in `.sessionfs/status.json`, beside the counts. */
import type { DaemonStart } from './supervision.ts';
import { version } from './version.ts';

export function statusOf({
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
    cachePath: config.cachePath,
    startedAt: new Date().toISOString(),
  };
}
