/**
 * Objects below a session's floor: late writes of a mount that had lost the session, or what an operator brought back from
 * before it was lost. The two look alike, so neither is restored and neither is thrown away.
 */
import { ABSENT, type Bucket, type ObjectVersion } from '../../bucket/bucket.ts';
import { BucketError } from '../../bucket/bucket-error.ts';
import { sizeText } from '../../lib/human.ts';
import { keptVersionName } from '../../naming/kept-version-name.ts';
import { KEPT_VERSION_ROOT } from '../../naming/kept-version-object.ts';
import type { Logger } from '../../observe/log.ts';

export interface MoveOptions {
  nowMs: number;
  deadlineMs: number;
  /** An object lies in memory whole on its way: what is larger is no file of this mount, and stays where it is. */
  maxBytes: number;
}

/** Moves them to `.sessionfs/set-aside/`, in just these versions. Best effort: they are never restored anyway. Returns the new names. */
export async function quarantineStale(
  bucket: Bucket,
  stale: readonly ObjectVersion[],
  options: MoveOptions,
): Promise<string[]> {
  const moved: string[] = [];
  for (const object of stale) {
    try {
      moved.push(await moveAside(bucket, object, options));
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
  { nowMs, deadlineMs, maxBytes }: MoveOptions,
): Promise<string> {
  if (size > maxBytes)
    throw new BucketError(
      'corrupt',
      `${name} is a late write of ${sizeText(size)}, and too large to be moved aside`,
      {
        hint: 'No file of this mount is that large (SESSION_MAX_FILE_SIZE). Rename or delete this object in the bucket: until then nothing is stored under its name.',
      },
    );
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
