/** A line over time, as SVG for a page that has the colours --line, --grid, --dim and --band. */

export interface Band {
  readonly fromMs: number;
  readonly toMs: number;
  /** A line instead of an area. */
  readonly isMoment: boolean;
}

export interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly totalMs: number;
  /** Time in ms, value. */
  readonly points: readonly (readonly [number, number])[];
  readonly bands: readonly Band[];
}

const WIDTH = 320;
const HEIGHT = 120;
const LEFT = 40;
const BOTTOM = 16;
const TOP = 6;

export function chartOf({ title, unit, totalMs, points, bands }: Chart): string {
  const top = roundUp(Math.max(1, ...points.map(([, value]) => value)));
  const x = (atMs: number) => (LEFT + ((WIDTH - LEFT - 4) * atMs) / totalMs).toFixed(1);
  const y = (value: number) => (TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)).toFixed(1);
  const last = points.at(-1)?.[1];
  const shown = last === undefined ? '' : ` <span>${number(last)} ${unit} at the end</span>`;
  const grid = [0, 0.5, 1].map((share) => {
    const at = y(top * share);
    return `<line x1="${LEFT}" x2="${WIDTH - 4}" y1="${at}" y2="${at}" stroke="var(--grid)"/><text x="${LEFT - 5}" y="${Number(at) + 3}" text-anchor="end">${number(top * share)}</text>`;
  });
  const shades = bands.map(({ fromMs, toMs, isMoment }) =>
    isMoment
      ? `<line x1="${x(fromMs)}" x2="${x(fromMs)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}" stroke="var(--dim)" stroke-width=".5" stroke-dasharray="2 2"/>`
      : `<rect x="${x(fromMs)}" y="${TOP}" width="${Math.max(0.6, Number(x(toMs)) - Number(x(fromMs))).toFixed(1)}" height="${HEIGHT - TOP - BOTTOM}" fill="var(--band)"/>`,
  );
  const line = points.map(([atMs, value]) => `${x(atMs)},${y(value)}`).join(' ');
  return `<figure><figcaption>${title}${shown}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" font-size="9" fill="var(--dim)" role="img" aria-label="${title}">${shades.join('')}${grid.join('')}
<polyline points="${line}" fill="none" stroke="var(--line)" stroke-width="1.3" stroke-linejoin="round"/>
<text x="${LEFT}" y="${HEIGHT - 4}">0</text><text x="${WIDTH - 4}" y="${HEIGHT - 4}" text-anchor="end">${duration(totalMs)}</text></svg></figure>`;
}

/** To 1, 2 or 5 times a power of ten. */
export function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

function number(value: number): string {
  if (value >= 1000) return `${(value / 1000).toFixed(value >= 10_000 ? 0 : 1)}k`;
  return value >= 10 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}

function duration(ms: number): string {
  return ms >= 120_000 ? `${(ms / 60_000).toFixed(0)} min` : `${(ms / 1000).toFixed(0)} s`;
}
