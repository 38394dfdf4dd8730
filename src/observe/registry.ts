/**
 * The numbers of one daemon, by name: counted here, or asked for when they are read. prom-client, which writes them as Prometheus
 * reads them, costs each start more than the rest of this room: only a scrape loads it (exposition.ts).
 */

import type { Metric, Sample } from './measurements.ts';

/** The values of each label that are known beforehand: their samples are there, at 0, before anything is counted. */
type Known<Label extends string> = { readonly [Name in Label]: readonly string[] };
type LabelsOf<Label extends string> = Readonly<Record<Label, string>>;

/** `counts`: per bound, and beyond the last one; not cumulative. */
interface Observed {
  readonly sum: number;
  readonly counts: readonly number[];
}

interface ComputedHistogram<Value extends string> {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  readonly values: readonly Value[];
  /** Upper bounds. */
  readonly bounds: readonly number[];
  read(value: Value): Observed;
}

/** One value for each set of labels. */
class ByLabels<Label extends string, Value> {
  readonly #names: readonly Label[];
  readonly #start: () => Value;
  readonly #values = new Map<string, { readonly labels: LabelsOf<Label>; readonly value: Value }>();

  constructor(known: Known<Label>, start: () => Value) {
    this.#names = Object.keys(known) as Label[];
    this.#start = start;
    for (const labels of combinations(known)) this.of(labels);
  }

  of(labels: LabelsOf<Label>): Value {
    const key = JSON.stringify(this.#names.map((name) => labels[name]));
    const entry = this.#values.get(key) ?? { labels, value: this.#start() };
    this.#values.set(key, entry);
    return entry.value;
  }

  entries() {
    return [...this.#values.values()];
  }
}

export class Counter<Label extends string> {
  readonly #totals: ByLabels<Label, { total: number }>;

  constructor(known: Known<Label>) {
    this.#totals = new ByLabels(known, () => ({ total: 0 }));
  }

  add(labels: LabelsOf<Label>, value = 1): void {
    this.#totals.of(labels).total += value;
  }

  samples(): (Sample & { readonly labels: LabelsOf<Label> })[] {
    return this.#totals.entries().map(({ labels, value }) => ({ labels, value: value.total }));
  }

  /** Of the samples that have these labels. */
  total(labels: Partial<LabelsOf<Label>> = {}): number {
    const wanted = Object.entries(labels);
    return this.samples()
      .filter((sample) => wanted.every(([name, value]) => sample.labels[name as Label] === value))
      .reduce((sum, { value }) => sum + value, 0);
  }
}

class Histogram<Label extends string> {
  readonly #name: string;
  readonly #bounds: readonly number[];
  readonly #observed: ByLabels<Label, { sum: number; readonly counts: number[] }>;

  constructor(name: string, bounds: readonly number[], known: Known<Label>) {
    this.#name = name;
    this.#bounds = bounds;
    this.#observed = new ByLabels(known, () => ({ sum: 0, counts: Array(bounds.length + 1).fill(0) }));
  }

  observe(labels: LabelsOf<Label>, value: number): void {
    const observed = this.#observed.of(labels);
    const bound = this.#bounds.findIndex((upper) => value <= upper);
    const at = bound === -1 ? this.#bounds.length : bound;
    observed.sum += value;
    observed.counts[at] = (observed.counts[at] ?? 0) + 1;
  }

  samples(): Sample[] {
    return this.#observed
      .entries()
      .flatMap(({ labels, value }) => histogramSamples(this.#name, labels, this.#bounds, value));
  }
}

export class MetricRegistry {
  readonly #metrics: Metric[] = [];
  #text: (() => Promise<string>) | undefined;

  counter<Label extends string = never>(
    name: string,
    help: string,
    known: Known<Label> = {} as Known<Label>,
  ): Counter<Label> {
    const counter = new Counter(known);
    this.#add({ name, help, type: 'counter', samples: () => counter.samples() });
    return counter;
  }

  histogram<Label extends string = never>(
    name: string,
    help: string,
    bounds: readonly number[],
    known: Known<Label> = {} as Known<Label>,
  ): Histogram<Label> {
    const histogram = new Histogram(name, bounds, known);
    this.#add({ name, help, type: 'histogram', samples: () => histogram.samples() });
    return histogram;
  }

  /** A gauge whose value is asked for at each scrape; undefined: it has none, and no sample is there. */
  computedGauge(name: string, help: string, value: () => number | undefined): void {
    this.computedGauges(name, help, () => {
      const present = value();
      return present === undefined ? [] : [{ labels: {}, value: present }];
    });
  }

  computedGauges(name: string, help: string, samples: () => readonly Sample[]): void {
    this.#add({ name, help, type: 'gauge', samples });
  }

  /** As `computedGauge`, for a total that its caller counts and this registry only reads. */
  computedCounter(name: string, help: string, total: () => number): void {
    this.#add({ name, help, type: 'counter', samples: () => [{ labels: {}, value: total() }] });
  }

  /** One counter with a sample for each of `values`, which its caller counts and this registry only reads. */
  computedCounters<Value extends string>(
    name: string,
    help: string,
    label: string,
    values: readonly Value[],
    total: (value: Value) => number,
  ): void {
    const samples = () => values.map((value) => ({ labels: { [label]: value }, value: total(value) }));
    this.#add({ name, help, type: 'counter', samples });
  }

  /** A histogram that its caller counts and this registry only reads. */
  computedHistogram<Value extends string>(histogram: ComputedHistogram<Value>): void {
    const { name, help, label, values, bounds, read } = histogram;
    const samples = () =>
      values.flatMap((value) => histogramSamples(name, { [label]: value }, bounds, read(value)));
    this.#add({ name, help, type: 'histogram', samples });
  }

  /** In the text format of Prometheus. Rejects with what a computed value throws. */
  async render(): Promise<string> {
    if (this.#text === undefined) {
      const { exposition } = await import('./exposition.ts');
      this.#text = exposition(this.#metrics);
    }
    return await this.#text();
  }

  #add(metric: Metric): void {
    this.#metrics.push(metric);
  }
}

/** Cumulative, as Prometheus wants it. */
function histogramSamples(
  name: string,
  labels: LabelsOf<string>,
  bounds: readonly number[],
  { sum, counts }: Observed,
): Sample[] {
  let count = 0;
  const buckets = [...bounds.map(String), '+Inf'].map((le, bucket) => {
    count += counts[bucket] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}

/** One object for each way to choose a value for every label; without labels, the one that has none. */
function combinations<Label extends string>(known: Known<Label>): LabelsOf<Label>[] {
  const names = Object.keys(known) as Label[];
  return names.reduce<LabelsOf<Label>[]>(
    (sets, name) => sets.flatMap((set) => known[name].map((value) => ({ ...set, [name]: value }))),
    [{} as LabelsOf<Label>],
  );
}
