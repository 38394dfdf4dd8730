/** How fast Baileys runs in hybrid mode, beside local mode on the same machine. */
import { mountSessionfs } from '../../support/mount-sessionfs.ts';
import { runWorkload } from '../../support/run-workload.ts';
import { type Measurement, measurement, ratioTarget, record } from '../measurement.ts';
import { withScope } from '../subjects.ts';
import type { Rig } from './rig.ts';

export const PACE_SUBJECTS = ['local', 'hybrid'] as const;

const ATTEMPTS = 3;

/** As the part `workload`, round by round, on a new and empty mount each; hybrid mode with the backups it has by default. */
export async function measurePace(
  rig: Rig,
  rounds: number,
  complain: (message: string) => void,
): Promise<Measurement[]> {
  const messages = { ...measurement('Baileys, direct messages', '/s'), target: ratioTarget('>=', 0.95) };
  for (let round = 0; round < rounds; round++) {
    for (const subject of PACE_SUBJECTS) record(messages, subject, await goodRun(rig, subject, complain));
  }
  return [messages];
}

async function goodRun(
  rig: Rig,
  subject: (typeof PACE_SUBJECTS)[number],
  complain: (message: string) => void,
): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { ok, error, disk, msgsPerSec } = await withScope(async (scope) => {
      const { mountPoint } =
        subject === 'local'
          ? await mountSessionfs(scope)
          : await rig.mount(scope, await rig.newBucket(), { SESSION_BACKUP_INTERVAL: '300000' });
      return runWorkload(mountPoint, '--mode', 'init', '--k', '4', '--m', '400');
    });
    if (ok && msgsPerSec) return msgsPerSec.direct;
    complain(`${subject}: the workload failed: ${error ?? disk?.bad.join(', ')}`);
  }
  throw new Error(`${subject}: the workload failed ${ATTEMPTS} times`);
}
