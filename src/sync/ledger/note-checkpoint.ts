/** What a checkpoint means for the bucket. */

import { directoryMetaName, toObjectName } from '../../naming/object-name.ts';
import { sessionOfPath } from '../../naming/session-path.ts';
import type { CheckpointPlan, PlannedMove } from '../../store/checkpoint/plan.ts';
import type { Ledger, Move } from './ledger.ts';

/** Notes every object that the plan changed; durable on return. Rejects with system errors: then nothing was noted. */
export async function noteCheckpoint(ledger: Ledger, plan: CheckpointPlan): Promise<void> {
  const put: string[] = [];
  const deleted: string[] = [];
  for (const [path, file] of plan.files) (file.put ? put : deleted).push(toObjectName(path, 'file'));
  for (const [path, directory] of plan.directories) {
    const hasMeta = directory.exists && directory.meta !== undefined;
    (hasMeta ? put : deleted).push(directoryMetaName(path));
  }
  await ledger.changed(put, deleted, movesOf(plan));
}

/** Moves between sessions; what was moved several times, or changed since, counts as moved to where it is at the end. */
function movesOf(plan: CheckpointPlan): Move[] {
  const between: { deleted: Set<string>; put: Set<string> }[] = [];
  for (const move of plan.moves) {
    for (const earlier of between)
      if (move.deleted.some((path) => earlier.put.has(path)))
        for (const path of move.put) earlier.put.add(path);
    if (isBetweenSessions(move)) between.push({ deleted: new Set(move.deleted), put: new Set(move.put) });
  }
  const isPut = (path: string) => plan.files.get(path)?.put !== undefined;
  return between.map(({ deleted, put }) => ({
    deleted: [...deleted].filter((path) => !isPut(path)).map((path) => toObjectName(path, 'file')),
    put: [...put].filter(isPut).map((path) => toObjectName(path, 'file')),
  }));
}

function isBetweenSessions({ deleted, put }: PlannedMove): boolean {
  const sources = new Set(deleted.map((path) => sessionOfPath(path, 'file')));
  return put.some((path) => !sources.has(sessionOfPath(path, 'file'))) || sources.size > 1;
}
