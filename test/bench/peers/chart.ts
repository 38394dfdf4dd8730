/** Ratios on a logarithmic scale, a row for each measurement and a dot for each subject. Drawn by hand, for light and dark pages. */

export interface Bars {
  readonly name: string;
  /** Of each subject: how many times as long as the baseline; undefined: not measured. */
  readonly ratios: readonly (number | undefined)[];
}

const WIDTH = 960;
const LEFT = 352;
const RIGHT = 30;
const TOP = 92;
const ROW = 26;
const BOTTOM = 34;
const DOT = 5.2;
const STEPS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000,
  10_000,
];

const STYLE = `
  svg { --paper: #ffffff; --ink: #1f2328; --dim: #59636e; --grid: #d1d9e0; --good: #1a7f3714;
        --s0: #0b62d6; --s1: #58a6ff; --s2: #bf5f00; --s3: #8250df; --s4: #c42b4a; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #e6edf3; --dim: #9198a1; --grid: #30363d; --good: #2ea04326;
          --s0: #4493f8; --s1: #a5d0ff; --s2: #e3963e; --s3: #b98aff; --s4: #ff7b90; }
  }
  text { font: 13px ui-sans-serif, system-ui, -apple-system, "Segoe UI", sans-serif; fill: var(--ink); }
  .dim { fill: var(--dim); font-size: 12px; }
  .title { font-size: 16px; font-weight: 600; }`;

export function chartOfRatios(rows: readonly Bars[], subjects: readonly string[]): string {
  const all = rows.flatMap(({ ratios }) => ratios.filter((ratio) => ratio !== undefined));
  const ticks = ticksFor(Math.min(1, ...all), Math.max(1, ...all));
  const [low, high] = [ticks[0] ?? 0.5, ticks.at(-1) ?? 10];
  const height = TOP + rows.length * ROW + BOTTOM;
  const x = (ratio: number) => LEFT + ((WIDTH - LEFT - RIGHT) * Math.log(ratio / low)) / Math.log(high / low);
  const bottom = TOP + rows.length * ROW;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Time of each operation beside ext4">
<style>${STYLE}
</style>
<rect width="${WIDTH}" height="${height}" rx="10" fill="var(--paper)"/>
<text class="title" x="24" y="32">Time beside ext4, less is better</text>
<text class="dim" x="24" y="52">1x: as fast as the disk itself; shaded: faster. Logarithmic.</text>
${legend(subjects)}
<rect x="${LEFT}" y="${TOP - 6}" width="${(x(1) - LEFT).toFixed(1)}" height="${bottom - TOP + 6}" fill="var(--good)"/>
${ticks.map((tick) => gridLine(tick, x(tick), bottom)).join('\n')}
${rows.map((row, i) => drawRow(row, TOP + i * ROW + ROW / 2, x)).join('\n')}
</svg>
`;
}

/** The steps that enclose both. */
function ticksFor(least: number, most: number): number[] {
  const from = Math.max(
    0,
    STEPS.findLastIndex((step) => step <= least),
  );
  const to = STEPS.findIndex((step) => step >= most);
  return STEPS.slice(from, to < 0 ? undefined : to + 1);
}

function legend(subjects: readonly string[]): string {
  let at = 24;
  return subjects
    .map((name, i) => {
      const drawn = `<circle cx="${at + 5}" cy="70" r="${DOT}" fill="var(--s${i})"/><text x="${at + 15}" y="74.5">${name}</text>`;
      at += 34 + name.length * 7.4;
      return drawn;
    })
    .join('');
}

function gridLine(tick: number, x: number, bottom: number): string {
  const at = x.toFixed(1);
  const isOne = tick === 1;
  return `<line x1="${at}" x2="${at}" y1="${TOP - 6}" y2="${bottom}" stroke="var(--${isOne ? 'dim' : 'grid'})" stroke-width="${isOne ? 1.5 : 1}"/><text class="dim" x="${at}" y="${bottom + 19}" text-anchor="middle">${tick}x</text>`;
}

function drawRow({ name, ratios }: Bars, y: number, x: (ratio: number) => number): string {
  const known = ratios.filter((ratio) => ratio !== undefined).map(x);
  const [from, to] = [Math.min(...known).toFixed(1), Math.max(...known).toFixed(1)];
  // sessionfs, the first subject, lies on top.
  const dots = ratios
    .map((ratio, i) =>
      ratio === undefined
        ? ''
        : `<circle cx="${x(ratio).toFixed(1)}" cy="${y}" r="${i === 0 ? DOT + 1 : DOT}" fill="var(--s${i})" stroke="var(--paper)" stroke-width="1.2"/>`,
    )
    .reverse();
  return `<text x="${LEFT - 14}" y="${y + 4.5}" text-anchor="end">${name.replaceAll('&', '&amp;')}</text><line x1="${from}" x2="${to}" y1="${y}" y2="${y}" stroke="var(--grid)" stroke-width="2"/>${dots.join('')}`;
}
