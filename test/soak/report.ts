/** One page, with nothing from elsewhere: what was tried, what was found, and small charts. */
import { cpus, release } from 'node:os';
import { type Band, chartOf } from './chart.ts';
import type { SoakOptions } from './options.ts';
import type { Sample } from './samples.ts';
import type { TroubleName } from './schedule.ts';
import type { Run } from './soak.ts';
import type { Verdict } from './verdict.ts';

const NAMES: Readonly<Record<TroubleName, string>> = {
  storm: 'the bucket refuses (503, 429), cuts connections and loses answers',
  slow: 'each request to the bucket takes 0.3 s more',
  outage: 'the bucket is out of reach',
  application: 'SIGKILL of a bot',
  full: 'the disk of cache and journal has no room',
  clock: 'the wall clock jumps, by up to 30 days',
  daemon: 'SIGKILL of the daemon, another one takes over',
  machine: 'SIGKILL of bots, supervisor and daemon, a new mount',
};

const CHARTS: readonly { title: string; unit: string; of: (sample: Sample) => number }[] = [
  { title: 'Memory of the daemon', unit: 'MiB', of: ({ memoryMiB }) => memoryMiB },
  { title: 'Open descriptors', unit: '', of: ({ descriptors }) => descriptors },
  { title: 'Threads', unit: '', of: ({ threads }) => threads },
  { title: 'Journal', unit: 'MiB', of: ({ journalMiB }) => journalMiB },
  { title: 'Cache and journal on the disk', unit: 'MiB', of: ({ diskMiB }) => diskMiB },
  { title: 'Acknowledged steps', unit: '/s', of: ({ stepsPerSecond }) => stepsPerSecond },
  { title: 'Longest step', unit: 'ms', of: ({ longestMs }) => longestMs },
  { title: 'Requests to the bucket', unit: '/s', of: ({ requestsPerSecond }) => requestsPerSecond },
];

export function machine(): string {
  const processors = cpus();
  return `Linux ${release()}, Node ${process.version}, ${processors.length} x ${processors[0]?.model.trim()}`;
}

const STYLE = `:root{color-scheme:light dark;--ink:#1b1f24;--dim:#667;--line:#2563c9;--grid:#8883;--paper:#fff;--good:#12805c;--bad:#c22f2f;--band:#d9770622}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--dim:#9aa4b2;--line:#7db0ff;--paper:#14171c;--good:#4cc38a;--bad:#ff7b72;--band:#f0a04030}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:66rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}.dim,figcaption span{color:var(--dim)}
.good{color:var(--good)}.bad{color:var(--bad)}table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid var(--grid);text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(19rem,1fr));gap:1.2rem}
figure{margin:0}figcaption{font-size:.9rem}svg{width:100%;height:auto;display:block}pre{white-space:pre-wrap;font-size:.8rem}`;

export function reportOf(options: SoakOptions, run: Run, verdict: Verdict): string {
  const { isGood, reasons } = verdict;
  const title = `Soak of ${options.minutes} minutes, ${options.sessions} sessions, seed ${options.seed}`;
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>${STYLE}</style>
<h1>${title}</h1>
<p class="dim">${escaped(machine())}</p>
<p class="${isGood ? 'good' : 'bad'}"><strong>${isGood ? `Nothing was lost${verdict.trends.length > 0 ? ', nothing grew' : ''}.` : escaped(reasons.join('; '))}</strong></p>
<p>${run.steps.toLocaleString('en')} steps were acknowledged, ${run.refusedForSpace.toLocaleString('en')} calls were refused for lack of
space and repeated, ${run.daemons} daemons served, the longest step took ${(run.longestMs / 1000).toFixed(1)} s.</p>
<h2>Compared with what was acknowledged</h2>
${table(
  ['place', 'differences'],
  run.comparisons.map(({ place, differences }) => [place, String(differences)]),
)}
<h2>Flat</h2>
${trendTable(verdict)}
<h2>Over time</h2>
<p class="dim">Shaded: the bucket refuses or is out of reach, or the disk is full. Lines from top to bottom: SIGKILL of a daemon or of everything.</p>
<div class="charts">${CHARTS.map(({ title: name, unit, of }) => chartOf({ title: name, unit, totalMs: run.totalMs, points: run.samples.map((sample) => [sample.atMs, of(sample)]), bands: bandsOf(run) })).join('\n')}</div>
<h2>Troubles</h2>
${table(['trouble', 'times', 'seconds'], troubleRows(run))}
${verdict.open.length > 0 ? `<h2>Open</h2><ul>${verdict.open.map((note) => `<li>${escaped(note)}</li>`).join('')}</ul>` : ''}
${violations(run)}
<p class="dim">The same again: <code>npm run soak -- --minutes ${options.minutes} --sessions ${options.sessions} --seed ${options.seed}</code></p>
</html>
`;
}

function bandsOf({ troubles }: Run): Band[] {
  return troubles
    .filter(({ name }) => !['application', 'clock', 'slow'].includes(name))
    .map(({ atMs, lastsMs, name }) => ({
      fromMs: atMs,
      toMs: atMs + lastsMs,
      isMoment: name === 'daemon' || name === 'machine',
    }));
}

function trendTable({ trends }: Verdict): string {
  if (trends.length === 0) return '<p class="dim">The run was too short to say.</p>';
  const rows = trends.map(({ title, middle, last, limit, isFlat }) => [
    title,
    middle.toFixed(1),
    last.toFixed(1),
    limit.toFixed(1),
    isFlat ? 'flat' : 'GREW',
  ]);
  return table(['', 'median of the middle third', 'of the last third', 'at most', ''], rows);
}

function troubleRows({ troubles }: Run): string[][] {
  return Object.entries(NAMES).map(([name, words]) => {
    const those = troubles.filter((trouble) => trouble.name === name);
    const seconds = those.reduce((sum, { lastsMs }) => sum + lastsMs, 0) / 1000;
    return [words, String(those.length), seconds.toFixed(0)];
  });
}

function violations({ violations: found }: Run): string {
  if (found.length === 0) return '';
  const lines = found.slice(0, 100).map(({ atMs, text }) => `${(atMs / 1000).toFixed(1)} s: ${text}`);
  return `<h2 class="bad">Differences</h2><pre>${escaped(lines.join('\n'))}</pre>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[], tag: string) =>
    row.map((text, i) => `<${tag}${i > 0 ? ' class="n"' : ''}>${escaped(text)}</${tag}>`).join('');
  return `<table><tr>${cells(head, 'th')}</tr>${rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('')}</table>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
