/** Who wrote a session when, by what the store answered: not by what a mount says of itself. */
import { sessionOfOwner } from '../../../src/lease/records/owner.ts';
import { sessionOf } from '../../../src/naming/session-path.ts';
import type { GcsProxy } from '../../support/gcs-proxy.ts';
import type { Change } from '../../support/store-proxy.ts';

interface Turn {
  epoch: number;
  holder: string;
  /** The proxy by which the owner object was written. */
  by: GcsProxy;
}

export interface Writing {
  /** What was stored or deleted by a mount that did not hold the session at that moment, and other contradictions. */
  faults: string[];
  /** Changes of sessions that were looked at. */
  changes: number;
  /** How often a session went from one mount to another one. */
  turns: number;
}

/** Valid for mounts that are never paused or cut off: what those send late may still arrive, and counts for nothing. */
export function writing(proxies: readonly GcsProxy[]): Writing {
  const all = proxies.flatMap((by) =>
    by.changes.filter(({ status }) => status < 300).map((change) => ({ change, by })),
  );
  all.sort((a, b) => a.change.order - b.change.order);
  const result: Writing = { faults: [], changes: 0, turns: 0 };
  const turns = new Map<string, Turn>();
  const writers = new Map<string, string>();
  for (const { change, by } of all) {
    const { object } = change.request;
    const owned = sessionOfOwner(object);
    if (owned !== undefined) takeTurn(turns, owned, change, by, result);
    else if (object.startsWith('sessions/')) check(turns, writers, change, by, result);
  }
  return result;
}

function takeTurn(
  turns: Map<string, Turn>,
  session: string,
  { metadata }: Change,
  by: GcsProxy,
  result: Writing,
): void {
  const before = turns.get(session);
  const next = { epoch: Number(metadata.epoch), holder: metadata.holder ?? '', by };
  turns.set(session, next);
  if (next.holder === '-' || next.holder === before?.holder) {
    if (next.epoch !== before?.epoch)
      result.faults.push(`${session}: epoch ${next.epoch} after ${before?.epoch}`);
    return;
  }
  result.turns++;
  if (next.epoch !== (before?.epoch ?? 0) + 1)
    result.faults.push(`${session}: epoch ${next.epoch} after ${before?.epoch}`);
}

function check(
  turns: ReadonlyMap<string, Turn>,
  writers: Map<string, string>,
  { request: { kind, object }, metadata }: Change,
  by: GcsProxy,
  result: Writing,
): void {
  const session = sessionOf(object) ?? '';
  const turn = turns.get(session);
  result.changes++;
  if (turn === undefined || turn.holder === '-' || turn.by !== by)
    result.faults.push(`${kind} ${object}: not by the holder, ${JSON.stringify(turn?.holder)}`);
  if (kind !== 'put') return;
  if (Number(metadata['sessionfs-epoch']) !== turn?.epoch)
    result.faults.push(`${kind} ${object}: epoch ${metadata['sessionfs-epoch']} in ${turn?.epoch}`);
  const key = `${session} ${metadata['sessionfs-epoch']}`;
  const writer = writers.get(key) ?? metadata['sessionfs-writer'] ?? '';
  if (writer !== metadata['sessionfs-writer']) result.faults.push(`${object}: a second writer in one epoch`);
  writers.set(key, writer);
}
