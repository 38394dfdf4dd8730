/** For a bucket whose rules delete by age: an owner object that nobody changes grows old while its session is in use. */
import type { Bucket } from '../bucket/bucket.ts';
import { mapLimit } from '../lib/map-limit.ts';
import type { Holdings } from './holdings.ts';
import type { Ownership } from './ownership.ts';
import { listOwners } from './records/list-owners.ts';

const AT_A_TIME = 16;

/** Writes this mount's owner objects again that were last written before `beforeMs`; answers how many. */
export async function rewriteOlderThan(
  bucket: Bucket,
  ownership: Ownership,
  beforeMs: number,
  holdings: Holdings,
): Promise<number> {
  let written = 0;
  await mapLimit(await listOwners(bucket), AT_A_TIME, async ([session, owner]) => {
    if (owner.updatedMs >= beforeMs || !ownership.isMine(owner.record)) return;
    const { record, generation: ifGeneration } = owner;
    const holding = holdings.get(session);
    const next = await ownership.write(session, { record, ifGeneration });
    if (next === undefined) return;
    written++;
    if (holding?.owner.generation === ifGeneration) holdings.update(holding, next);
  });
  return written;
}
