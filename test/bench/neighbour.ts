import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { type Measurement, record, valueTarget } from './measurement.ts';
import { percentile } from './statistics.ts';

const WRITER = fileURLToPath(new URL('./neighbour-writer.js', import.meta.url));
/** What the writer does: see neighbour-writer.ts. */
const KINDS = ['invalid lines', 'valid lines', 'changes in place'];
const PAUSE_MS = 5;
/** No name is looked up twice: the kernel keeps that there is none. */
let names = 0;

/** How long lookups of names that no cache knows take in one session while a writer of long documents works in another. */
export async function measureNeighbour(scope: Scope, MiB: number): Promise<Measurement[]> {
  const { mountPoint } = await mountSessionfs(scope);
  const [mine, other] = ['user1-+15550001', 'user2-+15550002'].map((name) => join(mountPoint, name)) as [
    string,
    string,
  ];
  mkdirSync(mine);
  mkdirSync(other);
  const measurements: Measurement[] = [];
  for (const kind of KINDS) {
    const times = await statsBeside(scope, mine, [join(other, 'long.json'), kind, String(MiB)]);
    const p99: Measurement = {
      name: `stat beside a writer of ${MiB} MiB of JSON in 4 KiB pieces (${kind}), 99th percentile`,
      unit: 'ms',
      target: valueTarget('<=', 50),
      rounds: {},
    };
    record(p99, 'sessionfs', percentile(times, 0.99));
    measurements.push(p99);
  }
  return measurements;
}

/** `given`: the writer's arguments. In ms. */
export async function statsBeside(
  scope: Scope,
  folder: string,
  given: readonly string[],
  pauseMs = PAUSE_MS,
): Promise<number[]> {
  const writer = spawn(process.execPath, [WRITER, ...given], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanUp(scope, () => void writer.kill('SIGKILL'));
  const exited = once(writer, 'exit');
  await once(writer.stdout, 'data');
  const times: number[] = [];
  while (writer.exitCode === null && writer.signalCode === null) {
    const started = performance.now();
    statSync(join(folder, `nobody-${names++}`), { throwIfNoEntry: false });
    times.push(performance.now() - started);
    await sleep(pauseMs);
  }
  await exited;
  if (writer.exitCode !== 0) throw new Error('the writer failed');
  return times;
}
