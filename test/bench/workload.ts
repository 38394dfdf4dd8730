import { runWorkload } from '../support/run-workload.ts';
import { type Measurement, ratioTarget, record, type SubjectName } from './measurement.ts';
import { openDirectory, withScope } from './subjects.ts';

const BURST_FILES = 812;
const ATTEMPTS = 3;

/**
 * Real Baileys, four accounts and 400 direct messages, each run on a new and empty subject; the subjects take turns. A run
 * in which Baileys could not read what it had written is told to `complain` and done again: it measures nothing.
 */
export async function measureWorkload(
  names: readonly SubjectName[],
  rounds: number,
  complain: (message: string) => void,
): Promise<Measurement[]> {
  const messages: Measurement = {
    name: 'Baileys, direct messages',
    unit: '/s',
    target: ratioTarget('>=', 0.95),
    rounds: {},
  };
  const burst: Measurement = {
    name: 'Baileys, pairing burst of 4 x 812 files',
    unit: 'ms',
    target: ratioTarget('<=', 1.5),
    rounds: {},
  };
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const run = await goodRun(name, complain);
      record(messages, name, run.messagesPerSecond);
      record(burst, name, run.burstMs);
    }
  }
  return [messages, burst];
}

interface Run {
  messagesPerSecond: number;
  burstMs: number;
}

async function goodRun(name: SubjectName, complain: (message: string) => void): Promise<Run> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { ok, error, disk, msgsPerSec, storeOps } = await withScope(async (scope) =>
      runWorkload(await openDirectory(scope, name), '--mode', 'init', '--k', '4', '--m', '400'),
    );
    if (ok && msgsPerSec && storeOps) {
      // The four bursts run at once: the last one to end is the end of the burst.
      const bursts = storeOps.bursts.filter(({ files }) => files >= BURST_FILES).map(({ ms }) => ms);
      return { messagesPerSecond: msgsPerSec.direct, burstMs: Math.max(...bursts) };
    }
    complain(`${name}: the workload failed: ${error ?? disk?.bad.join(', ')}`);
  }
  throw new Error(`${name}: the workload failed ${ATTEMPTS} times`);
}
