/** Carries a BucketPlan out. */
import { BucketError } from '../bucket/bucket-error.ts';
import { createGcsBucket, grantOnGcsBucket } from '../bucket/gcs/create.ts';
import { SessionfsError } from '../lib/errors.ts';
import { type BucketPlan, bucketSettings, grantCommands, rolesOf } from './bucket-plan.ts';

/**
 * Makes the bucket and grants the roles. Throws BUCKET_NOT_CREATED, and BUCKET_UNFINISHED where the bucket is there and the rights
 * are not.
 */
export async function createBucket(plan: BucketPlan, emulatorUrl: string | undefined): Promise<void> {
  const { name, project, member } = plan;
  try {
    await createGcsBucket(name, project, emulatorUrl, bucketSettings(plan));
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    throw new SessionfsError('BUCKET_NOT_CREATED', error.message, {
      hint:
        error.status === 409
          ? 'The name is taken: all buckets of Google share one list of names. If it is yours, sessionfs doctor checks its settings.'
          : (error.hint ??
            'The account needs storage.buckets.create in the project: --dry-run prints what an administrator can run.'),
      cause: error,
    });
  }
  if (member === undefined) return;
  try {
    await grantOnGcsBucket(name, emulatorUrl, member, rolesOf(plan));
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    throw new SessionfsError(
      'BUCKET_UNFINISHED',
      `gs://${name} is made, but ${member} has no rights yet: ${error.message}`,
      {
        hint: `Run:\n  ${grantCommands(plan).join('\n  ')}`,
        cause: error,
      },
    );
  }
}
