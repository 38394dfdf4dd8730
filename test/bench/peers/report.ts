/** `npm run bench -- --peers`: everything about peers as one part of docs/benchmarks.md, and a chart. */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { repository } from '../../support/repository.ts';
import type { MeasurementGroup, Peer, SubjectName } from '../measurement.ts';
import { writePart } from '../page.ts';
import { summarize, table } from '../report.ts';
import { unusableSubjects } from '../subjects.ts';
import { measurePeersOnBucket } from './bucket.ts';
import { type Bars, chartOfRatios } from './chart.ts';
import { peers, versionOf } from './filesystems.ts';
import { measurePeers } from './measure.ts';

const NAMES: readonly SubjectName[] = ['ext4', 'sessionfs', 'fuse-native', 'gocryptfs', 'cryfs', 'rclone'];
const CHART = 'peers.svg';

export interface PeersReport {
  readonly text: string;
  readonly svg: string;
}

export async function reportPeers(quick: boolean): Promise<PeersReport> {
  const notes: string[] = [];
  const complain = (message: string) => {
    process.stderr.write(`  ${message}\n`);
    if (!notes.includes(message)) notes.push(message);
  };
  const unusable = await unusableSubjects(NAMES);
  for (const { name, reason } of unusable) complain(`${name} cannot run: ${reason}`);
  const names = NAMES.filter((name) => !unusable.some((subject) => subject.name === name));
  const local: MeasurementGroup = {
    subjects: names,
    baseline: 'ext4',
    measurements: await measurePeers(names, quick, complain),
  };
  process.stderr.write('the bucket\n');
  const remote = await measurePeersOnBucket(quick, complain);
  const text = [
    machineAnd(quick),
    '',
    `![Each operation of each filesystem beside ext4](${CHART})`,
    '',
    tableOf(local),
    '',
    tableOf(remote),
    ...(notes.length > 0 ? ['', ...notes.map((note) => `- ${note}`)] : []),
  ].join('\n');
  return { text, svg: chartOfRatios(barsOf(local), names.slice(1)) };
}

/** Into the page between its two marks, and beside it. */
export function writePeers({ text, svg }: PeersReport): void {
  writeFileSync(join(repository, 'docs', CHART), svg);
  writePart('peers', text);
}

function machineAnd(quick: boolean): string {
  const processors = cpus();
  const versions = Object.entries(peers).map(
    ([name, { versionArgs }]) => `${name} ${versionOf(name as Peer, versionArgs) ?? 'missing'}`,
  );
  const load = loadavg()[0]?.toFixed(1);
  return `\`npm run bench -- --peers${quick ? ' --quick' : ''}\` on ${new Date().toISOString().slice(0, 10)}: Linux ${release()}, Node ${process.version}, ${processors.length} x ${processors[0]?.model.trim()}, load ${load} at the end; ${versions.join(', ')}, gcsfuse ${gcsfuseRelease()}. Medians of the rounds; in parentheses the ratio to the first column, round by round.`;
}

/** What is built: built by `go install`, it says of itself that its version is unknown. */
export function gcsfuseRelease(): string {
  const script = readFileSync(join(repository, 'scripts/gcsfuse'), 'utf8');
  const release = /^release=(.+)$/m.exec(script)?.[1];
  if (release === undefined) throw new Error('scripts/gcsfuse does not say which release it builds');
  return release;
}

function tableOf({ measurements, subjects, baseline }: MeasurementGroup): string {
  return table(
    measurements.map((one) => summarize(one, baseline)),
    subjects,
  );
}

/** How many times as much time, or as little of a rate, as ext4. */
function barsOf({ measurements, baseline, subjects }: MeasurementGroup): Bars[] {
  return measurements.flatMap((one) => {
    const { results, name, unit } = summarize(one, baseline);
    const isRate = unit.endsWith('/s');
    const ratios = subjects.slice(1).map((subject) => {
      const ratio = results[subject]?.ratio;
      return ratio === undefined ? undefined : isRate ? 1 / ratio : ratio;
    });
    return ratios.every((ratio) => ratio === undefined) ? [] : [{ name, ratios }];
  });
}
