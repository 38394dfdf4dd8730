/** The buckets that the contract is tried on. */
import { join } from 'node:path';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { BucketError, type BucketErrorKind } from '../../src/bucket/bucket-error.ts';
import { openDirectoryBucket } from '../../src/bucket/directory/directory-bucket.ts';
import { type GcsOptions, openGcsBucket } from '../../src/bucket/gcs/gcs-bucket.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { createTestBucket, gcsEmulator } from '../support/gcs-emulator.ts';
import { GcsProxy } from '../support/gcs-proxy.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Opens a new, empty bucket, as often as it is asked to: as several mounts would. */
type Subject = (scope: Scope) => Promise<() => Bucket>;

export const subjects: Readonly<Record<string, Subject>> = {
  gcs: async (scope) => {
    const { proxy, name } = await gcsBehindProxy(scope);
    return () => openGcs(scope, proxy, { name });
  },
  directory: async (scope) => {
    const path = join(temporaryDirectory(scope), 'bucket');
    return () => openDirectoryBucket(path);
  },
};

export async function gcsBehindProxy(scope: Scope): Promise<{ proxy: GcsProxy; name: string }> {
  const emulatorUrl = await gcsEmulator();
  const name = await createTestBucket(emulatorUrl);
  return { proxy: await GcsProxy.start(scope, emulatorUrl), name };
}

export function openGcs(scope: Scope, proxy: GcsProxy, options: GcsOptions): Bucket {
  const bucket = openGcsBucket({ emulatorUrl: proxy.url, ...options });
  cleanUp(scope, () => bucket.close());
  return bucket;
}

/** For assert.rejects. */
export function ofKind(kind: BucketErrorKind, message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    if (error instanceof BucketError && error.kind === kind && (message?.test(error.message) ?? true))
      return true;
    throw error;
  };
}
