/** A registry of its own for each daemon, and the few shapes of metrics that are made in it. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

const PREFIX = 'sessionfs_';

/** The values of each label that are known beforehand: their samples are there, at 0, before anything is counted. */
type Known<Label extends string> = { readonly [Name in Label]: readonly string[] };

export class MetricRegistry {
  readonly #registry = new Registry();

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** In the text format of Prometheus. Rejects when a callback throws. */
  render(): Promise<string> {
    return this.#registry.metrics();
  }

  counter<Label extends string = never>(
    name: string,
    help: string,
    known: Known<Label> = {} as Known<Label>,
  ): Counter<Label> {
    const labelNames = Object.keys(known) as Label[];
    const counter = new Counter({ name: PREFIX + name, help, labelNames, registers: [this.#registry] });
    for (const labels of combinations(known)) counter.inc(labels, 0);
    return counter;
  }

  histogram<Label extends string = never>(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames: readonly Label[] = [],
  ): Histogram<Label> {
    return new Histogram({
      name: PREFIX + name,
      help,
      buckets: [...buckets],
      labelNames,
      registers: [this.#registry],
    });
  }

  gauge<Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Gauge<Label> {
    return new Gauge({ name: PREFIX + name, help, labelNames, registers: [this.#registry] });
  }

  /** A gauge whose value is asked for at each scrape; undefined: it has none, and no sample is there. */
  computed(name: string, help: string, value: () => number | undefined): void {
    this.standardGauge(PREFIX + name, help, value);
  }

  /** As `computed`, under the whole name, for what every Prometheus client calls the same. */
  standardGauge(name: string, help: string, value: () => number | undefined): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        const present = value();
        if (present === undefined) this.remove();
        else this.set(present);
      },
    });
  }

  /** As `standardGauge`, for a total that its caller counts and this registry only reads. */
  standardCounter(name: string, help: string, total: () => number): void {
    new Counter({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(total());
      },
    });
  }
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
