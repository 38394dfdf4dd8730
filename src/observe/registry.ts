/** A registry of its own for each daemon, and what prom-client lacks: samples at 0 beforehand, and values asked for at a scrape. */
import { Counter, Gauge, type Metric, Registry } from 'prom-client';

/** The values of each label that are known beforehand: their samples are there, at 0, before anything is counted. */
type Known<Label extends string> = { readonly [Name in Label]: readonly string[] };

interface ComputedHistogram<Value extends string> {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  readonly values: readonly Value[];
  /** Upper bounds. */
  readonly bounds: readonly number[];
  /** `counts`: per bound, and beyond the last one; not cumulative. */
  read(value: Value): { readonly sum: number; readonly counts: readonly number[] };
}

export class MetricRegistry extends Registry {
  counter<Label extends string = never>(
    name: string,
    help: string,
    known: Known<Label> = {} as Known<Label>,
  ): Counter<Label> {
    const labelNames = Object.keys(known) as Label[];
    const counter = new Counter({ name, help, labelNames, registers: [this] });
    for (const labels of combinations(known)) counter.inc(labels, 0);
    return counter;
  }

  /** A gauge whose value is asked for at each scrape; undefined: it has none, and no sample is there. */
  computedGauge(name: string, help: string, value: () => number | undefined): void {
    new Gauge({
      name,
      help,
      registers: [this],
      collect() {
        const present = value();
        if (present === undefined) this.remove();
        else this.set(present);
      },
    });
  }

  /** As `computedGauge`, for a total that its caller counts and this registry only reads. */
  computedCounter(name: string, help: string, total: () => number): void {
    new Counter({
      name,
      help,
      registers: [this],
      collect() {
        this.reset();
        this.inc(total());
      },
    });
  }

  /** One counter with a sample for each of `values`, which its caller counts and this registry only reads. */
  computedCounters<Value extends string>(
    name: string,
    help: string,
    label: string,
    values: readonly Value[],
    total: (value: Value) => number,
  ): void {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [this],
      collect() {
        this.reset();
        for (const value of values) this.inc({ [label]: value }, total(value));
      },
    });
  }

  /** A histogram that its caller counts and this registry only reads, which the library's own cannot do. */
  computedHistogram<Value extends string>(histogram: ComputedHistogram<Value>): void {
    const { name, help } = histogram;
    const get = async () => ({
      name,
      help,
      type: 'histogram',
      aggregator: 'sum',
      values: histogramValues(histogram as ComputedHistogram<string>),
    });
    this.registerMetric({ name, get } as unknown as Metric);
  }
}

/** Cumulative, as Prometheus wants it. */
function histogramValues({ name, label, values, bounds, read }: ComputedHistogram<string>) {
  return values.flatMap((value) => {
    const labels = { [label]: value };
    const { sum, counts } = read(value);
    let count = 0;
    const buckets = [...bounds, '+Inf'].map((le, bucket) => {
      count += counts[bucket] ?? 0;
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  });
}

/** One object for each way to choose a value for every label; nothing without labels, which start at 0 by themselves. */
function combinations<Label extends string>(known: Known<Label>): Record<Label, string>[] {
  const names = Object.keys(known) as Label[];
  if (names.length === 0) return [];
  return names.reduce<Record<Label, string>[]>(
    (sets, name) => sets.flatMap((set) => known[name].map((value) => ({ ...set, [name]: value }))),
    [{} as Record<Label, string>],
  );
}
