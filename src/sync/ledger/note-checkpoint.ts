/** What a checkpoint means for the bucket. */

import { directoryMetaName, toObjectName } from '../../naming/object-name.ts';
import type { CheckpointPlan } from '../../store/checkpoint/plan.ts';
import type { Ledger } from './ledger.ts';

/** Notes every object that the plan changed; durable on return. Rejects with system errors: then nothing was noted. */
export async function noteCheckpoint(ledger: Ledger, plan: CheckpointPlan): Promise<void> {
  const put: string[] = [];
  const deleted: string[] = [];
  for (const [path, file] of plan.files) (file.put ? put : deleted).push(toObjectName(path, 'file'));
  for (const [path, directory] of plan.directories) {
    const hasMeta = directory.exists && directory.meta !== undefined;
    (hasMeta ? put : deleted).push(directoryMetaName(path));
  }
  await ledger.changed(put, deleted);
}
