/** A registry of its own for each daemon, and what prom-client lacks: samples at 0 beforehand, and values asked for at a scrape. */
import { Counter, Gauge, Registry } from 'prom-client';

/** The values of each label that are known beforehand: their samples are there, at 0, before anything is counted. */
type Known<Label extends string> = { readonly [Name in Label]: readonly string[] };

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
