/** Tools that scripts/test installs, and the metrics that a daemon has. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FilesystemCounters } from '../../src/observe/filesystem-counters.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { repository } from '../support/repository.ts';

const cache = join(repository, '.cache');

/** Every metric has samples. */
export async function exposition(): Promise<string> {
  const metrics = new Metrics();
  metrics.daemon({ version: '1.2.3', mode: 'hybrid', driver: 'direct', restarts: 0 });
  metrics.filesystem({
    counters: [new FilesystemCounters()],
    files: async () => ({ sessions: 1, files: 2, dirty: 0, heldBack: 0 }),
    disk: async () => ({
      ...{ journalBytes: 1, cacheBytes: 2, freeBytes: 3 },
      trash: { archives: 1, sessions: 1, bytes: 4 },
    }),
  });
  metrics.source({
    ...{ dirtyFiles: () => 0, oldestDirtyMs: () => undefined, sessions: () => ({ local: 1, remote: 0 }) },
    ...{ storageBytes: () => 1, storageObjects: () => 1, waiting: () => 0, leaseWaiting: () => 0 },
    bucketUsable: () => 1,
  });
  metrics.restore('success', 10);
  metrics.bucketOperation({ operation: 'put', class: 'A', result: 'ok', bytes: 1, ms: 1 });
  return metrics.render();
}

export function promtool(args: readonly string[], input = ''): SpawnSyncReturns<string> {
  const own = join(cache, 'promtool/promtool');
  return run(existsSync(own) ? own : 'promtool', args, input, 'promtool of Prometheus');
}

/** Prints what the schema of Grafana does not know of the dashboard. */
export function grafanaSchema(file: string): SpawnSyncReturns<string> {
  return python([join(repository, 'test/deploy/grafana-schema.py'), file], '');
}

const READ_ALL =
  'import sys; from prometheus_client.openmetrics.parser import text_string_to_metric_families as read; print(len(list(read(sys.stdin.read()))))';

/** Prints how many families there are; fails where it is no OpenMetrics. */
export function openMetricsParser(text: string): SpawnSyncReturns<string> {
  return python(['-c', READ_ALL], text);
}

function python(args: readonly string[], input: string): SpawnSyncReturns<string> {
  return run(join(cache, 'monitoring/bin/python3'), args, input, 'the environment of Python with the checks');
}

function run(
  command: string,
  args: readonly string[],
  input: string,
  what: string,
): SpawnSyncReturns<string> {
  const ended = spawnSync(command, args, { input, encoding: 'utf8', timeout: 120_000 });
  if (ended.error !== undefined)
    throw new Error(`${what} is missing: run scripts/test deploy, which installs it`, { cause: ended.error });
  return ended;
}
