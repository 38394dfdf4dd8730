/** A recording as one animated SVG, for pages that run no scripts: each line appears at its moment, and the screen scrolls. */
import { COLUMNS, type Line, linesOf, ROWS, TITLE } from './cast.ts';

const [LINE_PX, CHARACTER_PX, MARGIN_PX, BAR_PX] = [18, 7.83, 16, 30];
/** The end is shown for so long before it begins again. */
const LAST_S = 6;

export function svgOf(cast: string, label: string): string {
  const lines = linesOf(cast).flatMap(wrapped);
  const endS = (lines.at(-1)?.seconds ?? 0) + LAST_S;
  const [width, height] = [COLUMNS * CHARACTER_PX + 2 * MARGIN_PX, ROWS * LINE_PX + 2 * MARGIN_PX + BAR_PX];
  const percent = (seconds: number) => ((seconds / endS) * 100).toFixed(2);
  const appearances = lines.map(
    ({ seconds }, n) =>
      `@keyframes l${n}{0%,${percent(seconds)}%{opacity:0}${percent(seconds + 0.01)}%,100%{opacity:1}}`,
  );
  const texts = lines.map(
    ({ text, kind }, n) =>
      `<text class="${kindOf(text, kind)}" style="animation-name:l${n}" y="${(n + 1) * LINE_PX - 4}">${escaped(text)}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(label)}">
<style>
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#c9d1d9;white-space:pre}
.command{fill:#fff;font-weight:bold}.comment{fill:#e3b341;font-weight:bold}.bot{fill:#79c0ff}.bar{fill:#8b949e;text-anchor:middle}
.lines text,.lines{animation:${endS.toFixed(2)}s step-end infinite}
.lines{animation-name:scroll;transform:translateY(${-scrolled(lines.length)}px)}
@media (prefers-reduced-motion:reduce){.lines,.lines text{animation:none}}
@keyframes scroll{${scrollSteps(lines, percent)}}
${appearances.join('\n')}
</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<circle cx="20" cy="16" r="6" fill="#ff5f56"/><circle cx="40" cy="16" r="6" fill="#ffbd2e"/><circle cx="60" cy="16" r="6" fill="#27c93f"/>
<text class="bar" x="${width / 2}" y="20">${TITLE}</text>
<svg x="${MARGIN_PX}" y="${BAR_PX + MARGIN_PX / 2}" width="${width - 2 * MARGIN_PX}" height="${ROWS * LINE_PX + MARGIN_PX}"><g class="lines">
${texts.join('\n')}
</g></svg>
</svg>
`;
}

function scrolled(lines: number): number {
  return Math.max(0, lines - ROWS) * LINE_PX;
}

function scrollSteps(lines: readonly Line[], percent: (seconds: number) => string): string {
  const steps = lines.map(({ seconds }, n) => [percent(seconds), scrolled(n + 1)] as const);
  // Of lines that come at one moment the last one counts.
  const places = new Map([['0.00', 0] as const, ...steps]);
  return [...places].map(([at, px]) => `${at}%{transform:translateY(${-px}px)}`).join('');
}

/** As a terminal does with a line that is longer than it is wide. */
function wrapped(line: Line): Line[] {
  const pieces = line.text.match(new RegExp(`.{1,${COLUMNS}}`, 'gu')) ?? [''];
  return pieces.map((text) => ({ ...line, text }));
}

function kindOf(text: string, kind: Line['kind']): string {
  return kind === 'output' && text.startsWith('bot: ') ? 'bot' : kind;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
