/** Removes the marks of deleted files once no upload can arrive under their names any more. */
import type { Bucket, ObjectVersion } from '../../bucket/bucket.ts';
import { BucketError } from '../../bucket/bucket-error.ts';
import { mapLimit } from '../../lib/map-limit.ts';

/** Longer than any request is under way, by two clocks that may differ. */
const NEEDED_MS = 2 * 3_600_000;
const REQUESTS_AT_A_TIME = 4;

/** Best effort: the next listing finds what is left. Rejects with what is no BucketError. */
export async function removeOldMarks(
  bucket: Bucket,
  marks: readonly ObjectVersion[],
  nowMs: number,
): Promise<void> {
  const old = marks.filter(({ updatedMs }) => nowMs - updatedMs > NEEDED_MS);
  await mapLimit(old, REQUESTS_AT_A_TIME, async ({ name, generation }) => {
    try {
      await bucket.delete(name, { ifGeneration: generation });
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
    }
  });
}
