/** Sizes and times as people read them. Programs get the numbers themselves. */

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
const STEP = 1024;

/** Three digits at most: `812 B`, `1.5 MiB`. */
export function sizeText(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= STEP && unit < BYTE_UNITS.length - 1) {
    value /= STEP;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : Number(value.toFixed(1))} ${BYTE_UNITS[unit]}`;
}

const TIME_UNITS: readonly (readonly [ms: number, name: string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
];

/** In one unit, rounded down: `450 ms`, `12 s`, `5 min`, `3 d`. */
export function durationText(ms: number): string {
  const [unitMs, name] = TIME_UNITS.find(([size]) => ms >= size) ?? [1, 'ms'];
  return `${Math.floor(ms / unitMs)} ${name}`;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, m: 60_000, ...unitsOf(TIME_UNITS) };

function unitsOf(units: typeof TIME_UNITS): Record<string, number> {
  return Object.fromEntries(units.map(([ms, name]) => [name, ms]));
}

/** Of a number with its unit: `90s`, `5m`, `12h`, `3d`. Without one it is ms, as in the settings. Undefined: it is no time. */
export function durationMs(text: string): number | undefined {
  const [, number, unit = 'ms'] = /^(\d{1,12})(ms|s|m|min|h|d)?$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * (UNIT_MS[unit] ?? Number.NaN);
}

/** Of an ISO 8601 time; `nowMs`: since the epoch. */
export function agoText(time: string, nowMs: number): string {
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? 'unknown' : `${durationText(Math.max(0, nowMs - ms))} ago`;
}

/** Of an ISO 8601 time, to the second, as `restore --at` takes it: `2026-05-22T10:00:00Z`. */
export function secondText(time: string): string {
  return time.replace(/\.\d+(?=Z$)/, '');
}

/** As `secondText`, and how long ago: `2026-05-22T10:00:00Z (5 min ago)`. */
export function momentText(time: string, nowMs: number): string {
  return `${secondText(time)} (${agoText(time, nowMs)})`;
}

/** The first of them: `a, b and 3 more`. */
export function listText(items: readonly string[], shown: number): string {
  const more = items.length - shown;
  return items.slice(0, shown).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** `1 file`, `2 files`. */
export function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

const CONTROL = /\p{Cc}/gu;
const CONTROL_IN_TEXT = /[^\P{Cc}\n]/gu;

/** On one line, and no order to a terminal: names in a bucket and in a mount are of others. */
export function printableLine(text: string): string {
  return text.replace(CONTROL, '?');
}

/** As `printableLine`, of several lines. */
export function printableText(text: string): string {
  return text.replace(CONTROL_IN_TEXT, '?');
}

/** Lines of columns; the last one is not padded. No cell breaks its line. */
export function columns(cells: readonly (readonly string[])[]): string[] {
  const rows = cells.map((row) => row.map(printableLine));
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
