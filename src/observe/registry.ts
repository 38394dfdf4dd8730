/**
 * Counters, gauges and histograms, and the text that Prometheus reads of them. Own code: loading a library for it took a quarter of a
 * daemon's start, and most of what is counted here is only read at a scrape, which the library is not made for.
 */

/** The values of each label that are known beforehand: their samples are there, at 0, before anything is counted. */
type Known<Label extends string> = { readonly [Name in Label]: readonly string[] };
type Labels<Label extends string> = Readonly<Record<Label, string>>;

interface ComputedHistogram<Value extends string> {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  readonly values: readonly Value[];
  /** Upper bounds. */
  readonly bounds: readonly number[];
  /** `counts`: per bound, and beyond the last one; not cumulative. */
  read(value: Value): BucketCounts;
}

interface BucketCounts {
  readonly sum: number;
  readonly counts: readonly number[];
}

interface Sample {
  readonly name: string;
  /** As `a="b",c="d"`; empty without labels. */
  readonly labels: string;
  readonly value: number;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  samples(): readonly Sample[];
}

/** A number for each set of labels: a counter or a gauge. */
export class Series<Label extends string> {
  readonly #name: string;
  readonly #labelNames: readonly Label[];
  readonly #values = new Map<string, number>();

  constructor(name: string, labelNames: readonly Label[]) {
    this.#name = name;
    this.#labelNames = labelNames;
  }

  add(labels: Labels<Label>, value: number): void {
    const key = labelText(this.#labelNames, labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + value);
  }

  set(labels: Labels<Label>, value: number): void {
    this.#values.set(labelText(this.#labelNames, labels), value);
  }

  reset(): void {
    this.#values.clear();
  }

  samples(): Sample[] {
    return [...this.#values].map(([labels, value]) => ({ name: this.#name, labels, value }));
  }
}

export class Histogram<Label extends string> {
  readonly #name: string;
  readonly #bounds: readonly number[];
  readonly #labelNames: readonly Label[];
  readonly #values = new Map<string, { sum: number; counts: number[] }>();

  constructor(name: string, bounds: readonly number[], labelNames: readonly Label[]) {
    this.#name = name;
    this.#bounds = bounds;
    this.#labelNames = labelNames;
  }

  observe(labels: Labels<Label>, value: number): void {
    const { counts } = this.#at(labels, value);
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    const index = bucket === -1 ? this.#bounds.length : bucket;
    counts[index] = (counts[index] ?? 0) + 1;
  }

  /** Its samples are there, at 0. */
  expect(labels: Labels<Label>): void {
    this.#at(labels, 0);
  }

  samples(): Sample[] {
    return [...this.#values].flatMap(([labels, read]) =>
      histogramSamples(this.#name, labels, this.#bounds, read),
    );
  }

  #at(labels: Labels<Label>, more: number): { counts: number[] } {
    const key = labelText(this.#labelNames, labels);
    const found = this.#values.get(key) ?? { sum: 0, counts: [] };
    this.#values.set(key, found);
    found.sum += more;
    return found;
  }
}

export class MetricRegistry {
  /** Of the text that `render` gives. */
  readonly contentType = 'text/plain; version=0.0.4; charset=utf-8';
  readonly #families: Family[] = [];

  counter<Label extends string = never>(
    name: string,
    help: string,
    known: Known<Label> = {} as Known<Label>,
  ): Series<Label> {
    const series = new Series(name, Object.keys(known) as Label[]);
    for (const labels of combinations(known)) series.set(labels, 0);
    this.#families.push({ name, help, type: 'counter', samples: () => series.samples() });
    return series;
  }

  /** Without samples until one is set. */
  gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Series<Label> {
    const series = new Series(name, labelNames);
    this.#families.push({ name, help, type: 'gauge', samples: () => series.samples() });
    return series;
  }

  /** `bounds`: upper ones, ascending. */
  histogram<Label extends string = never>(
    name: string,
    help: string,
    bounds: readonly number[],
    labelNames: readonly Label[] = [],
  ): Histogram<Label> {
    const histogram = new Histogram(name, bounds, labelNames);
    if (labelNames.length === 0) histogram.expect({} as Labels<Label>);
    this.#families.push({ name, help, type: 'histogram', samples: () => histogram.samples() });
    return histogram;
  }

  /** A gauge whose value is asked for at each scrape; undefined: it has none, and no sample is there. */
  computedGauge(name: string, help: string, value: () => number | undefined): void {
    const samples = () => {
      const present = value();
      return present === undefined ? [] : [{ name, labels: '', value: present }];
    };
    this.#families.push({ name, help, type: 'gauge', samples });
  }

  /** As `computedGauge`, for a total that its caller counts and this registry only reads. */
  computedCounter(name: string, help: string, total: () => number): void {
    const samples = () => [{ name, labels: '', value: total() }];
    this.#families.push({ name, help, type: 'counter', samples });
  }

  /** One counter with a sample for each of `values`, which its caller counts and this registry only reads. */
  computedCounters<Value extends string>(
    name: string,
    help: string,
    label: string,
    values: readonly Value[],
    total: (value: Value) => number,
  ): void {
    const samples = () =>
      values.map((value) => ({ name, labels: labelText([label], { [label]: value }), value: total(value) }));
    this.#families.push({ name, help, type: 'counter', samples });
  }

  /** A histogram that its caller counts and this registry only reads. */
  computedHistogram<Value extends string>(histogram: ComputedHistogram<Value>): void {
    const { name, help, label, values, bounds, read } = histogram;
    const samples = () =>
      values.flatMap((value) =>
        histogramSamples(name, labelText([label], { [label]: value }), bounds, read(value)),
      );
    this.#families.push({ name, help, type: 'histogram', samples });
  }

  /** In the text format of Prometheus, version 0.0.4. */
  render(): string {
    return `${this.#families.map(familyText).join('\n\n')}\n`;
  }
}

function familyText({ name, help, type, samples }: Family): string {
  const lines = samples().map(
    ({ name, labels, value }) => `${name}${labels === '' ? '' : `{${labels}}`} ${numberText(value)}`,
  );
  return [`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${type}`, ...lines].join('\n');
}

function numberText(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value);
  return value > 0 ? '+Inf' : '-Inf';
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function labelText<Label extends string>(names: readonly Label[], labels: Labels<Label>): string {
  return names.map((name) => `${name}="${escaped(labels[name]).replaceAll('"', '\\"')}"`).join(',');
}

/** Cumulative, as Prometheus wants it. */
function histogramSamples(
  name: string,
  labels: string,
  bounds: readonly number[],
  { sum, counts }: BucketCounts,
): Sample[] {
  const before = labels === '' ? '' : `${labels},`;
  let count = 0;
  const buckets = [...bounds, '+Inf'].map((bound, bucket) => {
    count += counts[bucket] ?? 0;
    return { name: `${name}_bucket`, labels: `${before}le="${bound}"`, value: count };
  });
  return [
    ...buckets,
    { name: `${name}_sum`, labels, value: sum },
    { name: `${name}_count`, labels, value: count },
  ];
}

/** One set of labels for each way to choose a value for every label; the empty one without labels. */
function combinations<Label extends string>(known: Known<Label>): Labels<Label>[] {
  const names = Object.keys(known) as Label[];
  return names.reduce<Labels<Label>[]>(
    (sets, name) => sets.flatMap((set) => known[name].map((value) => ({ ...set, [name]: value }))),
    [{} as Labels<Label>],
  );
}
