/**
 * Objects below a session's floor: late writes of a mount that had lost the session, or what an operator brought back from
 * before it was lost. The two look alike, so neither is restored and neither is thrown away.
 */
import { ABSENT, type Bucket, type ObjectVersion } from '../../bucket/bucket.ts';
import { BucketError } from '../../bucket/bucket-error.ts';
import { keptVersionName } from '../../naming/kept-version-name.ts';
import { KEPT_VERSION_ROOT } from '../../naming/kept-version-object.ts';
import type { Logger } from '../../observe/log.ts';

/** Moves them to `.sessionfs/set-aside/`, in just these versions. Best effort: they are never restored anyway. Returns the new names. */
export async function quarantineStale(
  bucket: Bucket,
  stale: readonly ObjectVersion[],
  nowMs: number,
  deadlineMs: number,
): Promise<string[]> {
  const moved: string[] = [];
  for (const object of stale) {
    try {
      moved.push(await moveAside(bucket, object, nowMs, deadlineMs));
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
    }
  }
  return moved;
}

/** As `quarantineStale`, but of one object, and rejects with BucketError. */
export async function moveAside(
  bucket: Bucket,
  { name, generation, size }: ObjectVersion,
  nowMs: number,
  deadlineMs: number,
): Promise<string> {
  const { bytes, generation: found } = await bucket.get(name, { maxBytes: size });
  if (found !== generation) throw new BucketError('precondition', `${name} was replaced meanwhile`);
  const aside = keptVersionName(KEPT_VERSION_ROOT + name, Math.floor(nowMs));
  await bucket.put(aside, bytes, { ifGeneration: ABSENT, metadata: {}, deadlineMs });
  await bucket.delete(name, { ifGeneration: generation, deadlineMs });
  return aside;
}

/** `moved`: what they are called now; fewer than `objects` where the bucket did not move them. */
export function tellOfStale(log: Logger, session: string, objects: number, moved: readonly string[]): void {
  log.warn(
    { session, objects, moved },
    'Late writes of a mount that had lost the session do not count; they are moved to .sessionfs/set-aside/ in the bucket. If you brought these objects back on purpose, clear their custom metadata',
  );
}
