/** `sessionfs cost`: what hybrid mode costs a month, beside copying everything in every interval. */
import { integer, Refusal } from '../config/parsers.ts';
import { settings } from '../config/settings.ts';
import { type Cost, costOf, measured, type Provider } from '../kit/cost.ts';
import { columns, durationMs } from '../lib/human.ts';
import { flagValue, type Invocation, printEither } from './command.ts';

const INTERVAL_MAX_MS = 31 * 24 * 3_600_000;

export async function run(invocation: Invocation): Promise<number> {
  const count = (flag: string, min: number, max: number, unit: string, otherwise: number) =>
    flagValue(invocation, flag, integer(min, max, unit), otherwise);
  const provider = (invocation.given.get('--provider') ?? 'google') as Provider;
  const load = {
    sessions: count('--sessions', 1, 1e9, 'sessions', 1000),
    messagesPerHour: count('--messages-per-hour', 0, 1e6, 'messages', 60),
    intervalMs: flagValue(invocation, '--interval', interval, Number(settings.backupIntervalMs.default)),
    filesPerSession: count('--files', 1, 1e6, 'files', measured.filesPerSession),
    mounts: count('--mounts', 1, 1e6, 'mounts', 1),
  };
  const report = costOf(load, provider);
  const { prices } = report;
  const { sessionfs, copyingEverything } = report;
  const rows: [string, (cost: Cost) => string][] = [
    ['uploads per session and hour', (cost) => amount(cost.uploadsPerSessionAndHour)],
    ['uploads a month', (cost) => millions(cost.uploads)],
    ['reads a month', (cost) => millions(cost.reads)],
    [
      prices.softDeleteHours > 0 ? 'stored, with 7 days of soft delete' : 'stored',
      (cost) => `${amount(cost.storedGb)} GB`,
    ],
    ['dollars a month: uploads', (cost) => dollars(cost.dollars.uploads)],
    ['                 reads', (cost) => dollars(cost.dollars.reads)],
    ['                 storage', (cost) => dollars(cost.dollars.storage)],
    ['                 total', (cost) => dollars(cost.dollars.total)],
  ];
  const table = columns([
    ['', 'sessionfs', 'every file, every interval'],
    ...rows.map(([label, value]) => [label, value(sessionfs), value(copyingEverything)]),
  ]);
  const source = `Prices as noted on ${prices.asOf} from ${prices.source}: $${prices.classA} for 1,000 uploads, $${prices.classB} for 1,000 reads, $${prices.storage} a GB and month (Standard, ${prices.region}). The model is measured, yours may differ: docs/google-cloud.md.`;
  printEither(invocation, report, [...table, '', source].join('\n'));
  return 0;
}

/** A number with a unit, in ms; without one it is ms, as in SESSION_BACKUP_INTERVAL. */
function interval(text: string): number {
  const ms = durationMs(text) ?? Number.NaN;
  if (!(ms >= 1000 && ms <= INTERVAL_MAX_MS))
    throw new Refusal('must be a time from 1 s to 31 days, like 300000, 90s, 5m or 1h');
  return ms;
}

function millions(value: number): string {
  return value < 1e6 ? amount(value) : `${amount(value / 1e6)} million`;
}

const WHOLE_FROM = 100;

/** As exact as the model is: `0.23`, `50.1`, `11,904`. */
function amount(value: number): string {
  if (value < 1) return value.toLocaleString('en-US', { maximumSignificantDigits: 2 });
  return value.toLocaleString('en-US', { maximumFractionDigits: value < WHOLE_FROM ? 1 : 0 });
}

function dollars(value: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}
