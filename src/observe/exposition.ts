/** The text format of Prometheus, by prom-client, of numbers that it does not count itself. */
import { type Metric as PromMetric, Registry } from 'prom-client';
import type { Metric } from './measurements.ts';

/** What writes `metrics` as they are at that moment. */
export function exposition(metrics: readonly Metric[]): () => Promise<string> {
  const registry = new Registry();
  for (const metric of metrics) {
    const { name, help, type } = metric;
    const get = async () => ({ name, help, type, aggregator: 'sum', values: metric.samples() });
    registry.registerMetric({ name, get } as unknown as PromMetric);
  }
  return () => registry.metrics();
}
