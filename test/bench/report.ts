import type { Measurement } from './measurement.ts';
import { median, medianRatio } from './statistics.ts';

interface Row {
  name: string;
  unit: string;
  target: string;
  /** Medians, and the median of the ratios to the baseline of the same round. */
  results: Record<string, { value: number; ratio: number | undefined }>;
}

export function summarize({ name, unit, target, rounds }: Measurement, baselineName: string): Row {
  const baseline = rounds[baselineName];
  const results: Row['results'] = {};
  for (const [subject, values] of Object.entries(rounds)) {
    const ratio = baseline && subject !== baselineName ? medianRatio(values, baseline) : undefined;
    results[subject] = { value: median(values), ratio };
  }
  const aim = target && `${target.relation} ${target.value}${target.kind === 'ratio' ? 'x' : ` ${unit}`}`;
  return { name, unit, target: aim ?? '', results };
}

/**
 * A Markdown table: a measurement a line, a column for each subject, the target of sessionfs last where there is any. A subject
 * that cannot run is a line at the end.
 */
export function table(
  rows: readonly Row[],
  names: readonly string[],
  unusable: readonly { name: string; reason: string }[] = [],
): string {
  const targets = rows.some(({ target }) => target !== '') ? ['target of sessionfs'] : [];
  const head = ['', ...names, ...targets];
  const body = rows.map((row) => [
    [row.name, row.unit].filter(Boolean).join(', '),
    ...names.map((name) => cell(row, name)),
    ...(targets.length > 0 ? [row.target] : []),
  ]);
  for (const { name, reason } of unusable)
    body.push([`${name} cannot run: ${reason.replaceAll('|', '/')}`, ...head.slice(1).map(() => '')]);
  const lines = [head, ...body];
  const widths = head.map((_, column) => Math.max(3, ...lines.map((line) => (line[column] ?? '').length)));
  const format = (line: readonly string[]) =>
    `| ${line.map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [format(head), rule, ...body.map(format)].join('\n');
}

function cell({ results }: Row, name: string): string {
  const result = results[name];
  if (!result) return '';
  const { value, ratio } = result;
  const shown = value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
  return ratio === undefined ? shown : `${shown} (${ratio.toFixed(2)}x)`;
}
