/**
 * Objects below a session's floor: late writes of a mount that had lost the session, or what an operator brought back from
 * before it was lost. The two look alike, so neither is restored and neither is thrown away.
 */
import { ABSENT, type Bucket, type ObjectVersion } from '../../bucket/bucket.ts';
import { BucketError } from '../../bucket/bucket-error.ts';
import { keptVersionName } from '../../naming/kept-version-name.ts';
import { KEPT_VERSION_ROOT } from '../../naming/kept-version-object.ts';

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

async function moveAside(
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
