/** What `sessionfs doctor` asks of a bucket of Google's beside its objects: settings and permissions. */
import type { Bucket } from '@google-cloud/storage';
import { withDeadline } from '../deadline.ts';
import { createStorage, limited } from './client.ts';
import { otherDeletions, trashDeletedAfterDays } from './lifecycle.ts';

/** Each is undefined where the bucket does not say, or may not be asked. */
export interface GcsFacts {
  readonly location: string | undefined;
  /** 0: nothing brings back what was deleted. */
  readonly softDeleteDays: number | undefined;
  readonly versioning: boolean | undefined;
  /** The conditions of rules that delete live sessions by other things than the age. */
  readonly otherDeletions: readonly string[] | undefined;
  /** Of a rule for the trash alone. */
  readonly trashDeletedAfterDays: number | undefined;
  /** Of those that were asked for, by name, whether these credentials have it. */
  readonly permissions: ReadonlyMap<string, boolean> | undefined;
}

const TIMEOUT_MS = 15_000;
const DAY_S = 24 * 3600;

/** Never rejects: what cannot be asked is undefined. */
export async function inspectGcsBucket(
  name: string,
  emulatorUrl: string | undefined,
  permissions: readonly string[],
): Promise<GcsFacts> {
  const storage = createStorage(emulatorUrl);
  const ask = <T>(work: (bucket: Bucket) => Promise<T>): Promise<T | undefined> =>
    withDeadline(
      'cannot read the settings of the bucket',
      TIMEOUT_MS,
      new AbortController().signal,
      (deadline) => work(limited(storage.bucket(name), deadline)),
    ).catch(() => undefined);
  const [metadata, granted] = await Promise.all([
    ask(async (bucket) => (await bucket.getMetadata())[0]),
    ask(async (bucket) => (await bucket.iam.testPermissions([...permissions]))[0]),
  ]);
  const retention = metadata?.softDeletePolicy?.retentionDurationSeconds;
  return {
    location: metadata?.location,
    softDeleteDays: retention === undefined ? undefined : Math.round(Number(retention) / DAY_S),
    otherDeletions: metadata && otherDeletions(metadata.lifecycle?.rule ?? []),
    trashDeletedAfterDays: trashDeletedAfterDays(metadata?.lifecycle?.rule ?? []),
    versioning: metadata && metadata.versioning?.enabled === true,
    permissions:
      granted && new Map(permissions.map((permission) => [permission, granted[permission] === true])),
  };
}
