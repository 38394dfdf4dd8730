/**
 * `npm run bench -- [--json] [--quick] [--only operations,workload,plain,scale,sessions,checkpoint,gap,neighbour,baileys,bucket,fleet] [--subjects ext4,passthrough,sessionfs,fuse-native,gocryptfs]`
 * `npm run bench -- --peers [--quick] [--write]`, `npm run bench -- --only fleet [--write]`
 *
 * Measures sessionfs, with both drivers, against a plain directory on the same disk, against what FUSE itself costs (passthrough), and
 * a peer where it is installed. Asserts nothing.
 * `sessions`, only when asked for, writes 900,000 files (`--quick`: 90,000).
 * `bucket`, only when asked for, measures hybrid mode on an emulated bucket instead: that takes a quarter of an hour.
 * `--peers` measures all peers at everything, in turns, and prints a part of docs/benchmarks.md; `--write` puts it there, with its chart.
 * The directories are made in $TMPDIR, which should lie on the disk that a cache would lie on.
 */
import { statfsSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { measureBucket } from './bucket/measure.ts';
import { measureCheckpoint } from './checkpoint.ts';
import { reportFleet } from './fleet/report.ts';
import { measureGap } from './gap.ts';
import {
  BASELINE,
  type Measurement,
  type MeasurementGroup,
  SUBJECTS,
  type SubjectName,
} from './measurement.ts';
import { measureNeighbour } from './neighbour.ts';
import { measureOperations } from './operations.ts';
import { writePart } from './page.ts';
import { measureGoals } from './peers/measure.ts';
import { reportPeers, writePeers } from './peers/report.ts';
import { measurePlain } from './plain.ts';
import { summarize, table } from './report.ts';
import { measureScale } from './scale.ts';
import { measureSessions } from './sessions.ts';
import { USUAL_SUBJECTS, unusableSubjects, withScope } from './subjects.ts';
import { measureWorkload } from './workload.ts';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    peers: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: 'operations,workload,plain,scale,checkpoint,gap,neighbour' },
    subjects: { type: 'string', default: USUAL_SUBJECTS.join(',') },
  },
});

const BUCKET = 'bucket';
const parts = options.only.split(',');
const EXT4_MAGIC = 0xef53;

function chosenSubjects(): SubjectName[] {
  const asked = options.subjects.split(',');
  const unknown = asked.filter((name) => !SUBJECTS.some((known) => known === name));
  if (unknown.length > 0) throw new Error(`--subjects: ${unknown.join(', ')}; known: ${SUBJECTS.join(', ')}`);
  return asked as SubjectName[];
}

const failures: string[] = [];
/** What a transaction on sessionfs is made of. */
const requests: MeasurementGroup[] = [];

async function measureAll(names: readonly SubjectName[]): Promise<Measurement[]> {
  const sections: Record<string, () => Promise<Measurement[]>> = {
    operations: () => withScope((scope) => measureOperations(scope, names, options.quick ? 3 : 9)),
    workload: () => measureWorkload(names, options.quick ? 1 : 3, (failure) => failures.push(failure)),
    plain: () =>
      withScope((scope) =>
        measurePlain(
          scope,
          names,
          options.quick,
          (failure) => failures.push(failure),
          (group) => requests.push(group),
        ),
      ),
    baileys: () => measureGoals(names, options.quick, (failure) => failures.push(failure)),
    gap: () => withScope((scope) => measureGap(scope, options.quick ? 5 : 15)),
    neighbour: () => withScope((scope) => measureNeighbour(scope, options.quick ? 4 : 16)),
    checkpoint: () =>
      withScope((scope) => measureCheckpoint(scope, options.quick ? 10_000 : 60_000, options.quick ? 3 : 5)),
    scale: () => withScope((scope) => measureScale(scope, options.quick ? 10_000 : 100_000)),
    sessions: () => withScope((scope) => measureSessions(scope, options.quick ? 100 : 1_000)),
  };
  const measurements: Measurement[] = [];
  for (const name of parts.filter((part) => part !== BUCKET)) {
    const section = sections[name];
    if (!section) throw new Error(`--only: ${name}; known: ${Object.keys(sections).join(', ')}, bucket`);
    if (!hasBaseline(name) && !names.includes('sessionfs')) continue;
    process.stderr.write(`measuring: ${name}\n`);
    measurements.push(...(await section()));
  }
  return measurements;
}

/** Whether it says anything of the other subjects. */
function hasBaseline(section: string): boolean {
  return !['scale', 'sessions', 'checkpoint', 'gap', 'neighbour', BUCKET].includes(section);
}

function machine(): string {
  const processors = cpus();
  return `Linux ${release()}, Node ${process.version}, ${processors.length} x ${processors[0]?.model.trim()}`;
}

/** What is measured of hybrid mode has subjects of its own, and tables of its own. */
async function measureHybrid(): Promise<MeasurementGroup[]> {
  process.stderr.write('measuring: bucket\n');
  return measureBucket(options.quick, (failure) => failures.push(failure));
}

if (options.peers) {
  const report = await reportPeers(options.quick);
  if (options.write) writePeers(report);
  process.stdout.write(`${report.text}\n`);
  process.exit(0);
}

if (options.only === 'fleet') {
  const text = await withScope(async (scope) => reportFleet(scope));
  if (options.write) writePart('fleet', text);
  process.stdout.write(`${text}\n`);
  process.exit(0);
}

const chosen = chosenSubjects();
const unusable = parts.some(hasBaseline) ? await unusableSubjects(chosen) : [];
const names = chosen.filter((name) => !unusable.some((subject) => subject.name === name));
const measured = await measureAll(names);
const groups: MeasurementGroup[] = [
  ...(measured.length > 0 ? [{ subjects: names, baseline: BASELINE, measurements: measured }] : []),
  ...requests,
  ...(parts.includes(BUCKET) ? await measureHybrid() : []),
];
const tables = groups.map(({ subjects: columns, baseline, measurements }) => {
  return { columns, baseline, rows: measurements.map((one) => summarize(one, baseline)) };
});
if (options.json) {
  const rows = tables.flatMap((one) => one.rows);
  process.stdout.write(`${JSON.stringify({ machine: machine(), failures, unusable, rows }, null, 2)}\n`);
} else {
  const notes = [machine(), ...failures];
  if (statfsSync(tmpdir()).type !== EXT4_MAGIC)
    notes.push(`${tmpdir()} is not on ext4: a column of that name is another filesystem`);
  notes.push('in parentheses: the ratio to the first column, as a median over the rounds');
  process.stdout.write(`${notes.join('\n')}\n`);
  for (const { rows, columns, baseline } of tables) {
    // Hybrid mode is compared with nothing else.
    const missing = baseline === BASELINE ? unusable : [];
    process.stdout.write(`\n${table(rows, columns, missing)}\n`);
  }
}
