/**
 * The metrics that every Prometheus client reports of its process, read at each scrape. The library's own collection is not
 * used: its event loop and garbage collection metrics keep a timer and an observer running for as long as the process lives.
 */
import { readdirSync } from 'node:fs';
import type { MetricRegistry } from './registry.ts';

const OWN_DESCRIPTORS = '/proc/self/fd';

export function addProcessMetrics(registry: MetricRegistry): void {
  registry.computedGauge(
    'process_start_time_seconds',
    'When the daemon started, in seconds since the epoch.',
    () => performance.timeOrigin / 1000,
  );
  registry.computedGauge(
    'process_resident_memory_bytes',
    'Memory of the daemon that is in use.',
    process.memoryUsage.rss,
  );
  registry.computedCounter(
    'process_cpu_seconds_total',
    'Processor time that the daemon has used, all threads together.',
    () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  );
  registry.computedGauge('process_open_fds', 'Descriptors that the daemon has open.', openDescriptors);
}

function openDescriptors(): number | undefined {
  try {
    // One of them is the listing's own.
    return readdirSync(OWN_DESCRIPTORS).length - 1;
  } catch {
    // Not on this system, or there is none left for the listing itself.
    return undefined;
  }
}
