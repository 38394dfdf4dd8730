/**
 * The metrics as OpenMetrics 1.0, for scrapers that ask for it. Made of the text format: what prom-client makes itself changes the
 * names of its metrics for good, and those of this registry come from two sources.
 */

export const OPEN_METRICS_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

/** `accept`: the header of the request. */
export function wantsOpenMetrics(accept: string | undefined): boolean {
  return (accept ?? '').split(',').some((choice) => {
    const [type, ...parameters] = choice.split(';').map((part) => part.trim().toLowerCase());
    const version = parameters.find((parameter) => parameter.startsWith('version='));
    if (type !== 'application/openmetrics-text' || (version ?? 'version=1.0.0') !== 'version=1.0.0')
      return false;
    return !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
}

/** A family of counters bears the name without `_total`, a bound is a floating-point number, and the end is said. */
export function toOpenMetrics(text: string): string {
  const lines = text.split('\n').filter((line) => line !== '');
  const counters = new Set(lines.flatMap((line) => /^# TYPE (\S+)_total counter$/.exec(line)?.[1] ?? []));
  const translated = lines.map((line) => {
    const [, comment, family = '', rest] = /^(# (?:HELP|TYPE) )(\S+?)_total( .*)$/.exec(line) ?? [];
    if (comment !== undefined && counters.has(family)) return `${comment}${family}${rest}`;
    return line.startsWith('#') ? line : line.replace(/([{,]le="\d+)"/, '$1.0"');
  });
  return `${[...translated, '# EOF'].join('\n')}\n`;
}
