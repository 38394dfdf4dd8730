/** What a soak comes to. */
import type { SoakOptions } from './options.ts';
import { type Metric, TOLERANCES, type Trend, trendOf } from './samples.ts';
import type { Run } from './soak.ts';

export interface Verdict {
  readonly isGood: boolean;
  /** Why it is not good. */
  readonly reasons: readonly string[];
  readonly trends: readonly Trend[];
  /** What this run cannot say. */
  readonly open: readonly string[];
}

/** Shorter runs end before V8 has sized its heap and caches are full. */
const TREND_MINUTES = 5;

/** `isStrict`, as in CI: what the machine lacks makes it fail. */
export function verdictOf(options: SoakOptions, run: Run, isStrict: boolean): Verdict {
  const { samples, totalMs, violations, missing, steps, comparisons } = run;
  const isLong = options.minutes >= TREND_MINUTES;
  const metrics = Object.keys(TOLERANCES) as Metric[];
  const trends = isLong
    ? metrics.map((metric) => trendOf(samples, totalMs, metric)).filter((trend) => trend !== undefined)
    : [];
  const reasons = [
    ...(violations.length > 0 ? [`${violations.length} differences from what was acknowledged`] : []),
    ...(steps === 0 ? ['no step was acknowledged'] : []),
    ...(comparisons.length === 0 ? ['nothing was compared'] : []),
    ...trends
      .filter(({ isFlat }) => !isFlat)
      .map(({ title, middle, last }) => `${title} grew from ${middle.toFixed(1)} to ${last.toFixed(1)}`),
    ...(isStrict ? missing : []),
    ...(isLong && trends.length < metrics.length ? ['too few samples to judge trends'] : []),
  ];
  const open = [
    ...missing,
    ...(isLong ? [] : [`trends are judged from ${TREND_MINUTES} minutes on`]),
    ...options.spared.map((name) => `spared: ${name}`),
  ];
  return { isGood: reasons.length === 0, reasons, trends, open };
}
