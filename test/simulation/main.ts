/**
 * npm run simulate -- [--seed N[,N...]] [--steps M] [--world core|remote] [--seconds S] [--trace]
 * Without --seed each run has a new one, until the seconds are over. The same seed and steps are the same run, to the byte.
 */
import { randomInt } from 'node:crypto';
import { register } from 'node:module';
import { parseArgs } from 'node:util';

register(new URL('platform/hooks.js', import.meta.url));
const { simulate, WORLDS } = await import('./simulate.ts');
type Outcome = Awaited<ReturnType<typeof simulate>>;

const STEPS = 20_000;
const SEEDS = 2 ** 31;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    steps: { type: 'string', default: String(STEPS) },
    world: { type: 'string' },
    seconds: { type: 'string', default: '0' },
    trace: { type: 'boolean', default: false },
    spare: { type: 'string', default: '' },
    lines: { type: 'string', default: '60' },
    'keep-going': { type: 'boolean', default: false },
  },
});

const steps = Number(values.steps);
const worlds = WORLDS.filter((name) => values.world === undefined || values.world === name);
if (worlds.length === 0) throw new Error(`--world is one of ${WORLDS.join(', ')}`);
const spared = values.spare.split(',').filter((name) => name !== '');
const echo = values.trace ? (line: string) => console.log(line) : undefined;

let runs = 0;
let total = 0;
let failures = 0;
const beganMs = performance.now();

async function run(world: (typeof WORLDS)[number], seed: number): Promise<void> {
  const outcome = await simulate({
    world,
    seed,
    steps,
    spared,
    traceLines: Number(values.lines),
    ...(echo && { echo }),
  });
  runs++;
  total += outcome.steps;
  if (outcome.violation === undefined) {
    if (values.seed !== undefined)
      console.log(`${world} seed ${seed}: ${outcome.steps} steps, trace ${outcome.hash}`);
    return;
  }
  failures++;
  report(outcome);
}

function report({ world, seed, violation, trace, hash, steps: done }: Outcome): void {
  console.log(`${world} seed ${seed}: after ${done} steps: ${violation?.message}`);
  if (violation?.name !== 'Violation') console.log(violation?.stack);
  if (echo === undefined) console.log(trace.map((line) => `    ${line}`).join('\n'));
  console.log(
    `trace ${hash}; once more: npm run simulate -- --world ${world} --seed ${seed} --steps ${steps}${spared.length > 0 ? ` --spare ${spared}` : ''}`,
  );
}

if (values.seed !== undefined) {
  for (const seed of values.seed.split(',')) for (const world of worlds) await run(world, Number(seed));
} else {
  const untilMs = beganMs + Number(values.seconds) * 1000;
  do {
    for (const world of worlds) await run(world, randomInt(SEEDS));
  } while (performance.now() < untilMs && (failures === 0 || values['keep-going']));
}
const seconds = (performance.now() - beganMs) / 1000;
console.log(`${runs} runs, ${total} steps, ${Math.round(total / seconds)} a second, ${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
