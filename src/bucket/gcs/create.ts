/** Makes a bucket at Google's, and grants roles on it. */
import type { CreateBucketRequest } from '@google-cloud/storage';
import { withDeadline } from '../deadline.ts';
import { createStorage } from './client.ts';
import { gcsError } from './error.ts';

const TIMEOUT_MS = 30_000;

/** Rejects with BucketError, with the status 409 where the name is taken. */
export function createGcsBucket(
  name: string,
  project: string | undefined,
  emulatorUrl: string | undefined,
  settings: CreateBucketRequest,
): Promise<void> {
  return inTime(`cannot create gs://${name}`, async () => {
    await createStorage(emulatorUrl, project).createBucket(name, settings);
  });
}

/** Adds the member to each role; what others were granted stays. Rejects with BucketError. */
export function grantOnGcsBucket(
  name: string,
  emulatorUrl: string | undefined,
  member: string,
  roles: readonly string[],
): Promise<void> {
  return inTime(`cannot grant roles on gs://${name}`, async () => {
    const { iam } = createStorage(emulatorUrl).bucket(name);
    const [policy] = await iam.getPolicy({ requestedPolicyVersion: 3 });
    for (const role of roles) policy.bindings.push({ role, members: [member] });
    await iam.setPolicy(policy);
  });
}

function inTime(what: string, work: () => Promise<void>): Promise<void> {
  return withDeadline(what, TIMEOUT_MS, new AbortController().signal, () =>
    work().catch((error: unknown) => {
      throw gcsError(what, error, 'bucket');
    }),
  );
}
