/**
 * `npm run soak -- [--minutes 60] [--sessions 200] [--seed N] [--spare NAMES] [--out FOLDER]`: uses a mount for that long while everything
 * goes wrong, compares it with what was acknowledged, and leaves report.html and report.json. Exits with 1 when something was lost or grew.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withScope } from '../bench/subjects.ts';
import { optionsOf, USAGE } from './options.ts';
import { machine, reportOf } from './report.ts';
import { Soak } from './soak.ts';
import { verdictOf } from './verdict.ts';

function options() {
  try {
    return optionsOf(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}\n`);
    process.exit(64);
  }
}

const chosen = options();
const say = (line: string) => process.stderr.write(`${line}\n`);
say(`seed ${chosen.seed}: ${chosen.minutes} minutes, ${chosen.sessions} sessions`);
const run = await withScope((scope) => new Soak(scope, chosen, say).run());
const verdict = verdictOf(chosen, run, process.env.CI === 'true');
mkdirSync(chosen.out, { recursive: true });
writeFileSync(join(chosen.out, 'report.html'), reportOf(chosen, run, verdict));
writeFileSync(
  join(chosen.out, 'report.json'),
  `${JSON.stringify({ machine: machine(), options: chosen, verdict, run })}\n`,
);
say(`report: ${join(chosen.out, 'report.html')}`);
for (const note of verdict.open) say(`open: ${note}`);
for (const reason of verdict.reasons) say(`FAILED: ${reason}`);
const [daemons, kills] = [run.daemons, run.troubles.length];
process.stdout.write(
  `${verdict.isGood ? 'good' : 'FAILED'}: ${run.steps} steps, ${kills} troubles, ${daemons} daemons, seed ${chosen.seed}\n`,
);
process.exitCode = verdict.isGood ? 0 : 1;
