/** The buckets that the contract is tried on. */
import { join } from 'node:path';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { BucketError, type BucketErrorKind } from '../../src/bucket/bucket-error.ts';
import { openDirectoryBucket } from '../../src/bucket/directory/directory-bucket.ts';
import { type GcsOptions, openGcsBucket } from '../../src/bucket/gcs/gcs-bucket.ts';
import { loadSdk } from '../../src/bucket/s3/client.ts';
import { S3Bucket, type S3Options } from '../../src/bucket/s3/s3-bucket.ts';
import { cleanUp, type Scope } from '../support/cleanup.ts';
import { createTestBucket, gcsEmulator } from '../support/gcs-emulator.ts';
import { type GcsProxy, startGcsProxy } from '../support/gcs-proxy.ts';
import { startS3Proxy } from '../support/s3-proxy.ts';
import { createS3Bucket, motoServer, S3_CREDENTIALS, s3Gateway } from '../support/s3-server.ts';
import type { StoreProxy } from '../support/store-proxy.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** How many objects a listing has at once where these are not the 1000 of every other store. */
export const PAGE_SIZES = { moto: 150 } as const;

/** Opens a new, empty bucket, as often as it is asked to: as several mounts would. */
type Subject = (scope: Scope) => Promise<() => Bucket>;

export const subjects: Readonly<Record<string, Subject>> = {
  gcs: async (scope) => {
    const { proxy, name } = await gcsBehindProxy(scope);
    return () => openGcs(scope, proxy, { name });
  },
  s3: async (scope) => {
    const { proxy, name } = await s3BehindProxy(scope);
    return openS3(scope, proxy, { name });
  },
  moto: async (scope) => {
    const url = await motoServer();
    const name = await createS3Bucket(url);
    return openS3(scope, await startS3Proxy(scope, url, [], PAGE_SIZES.moto), { name });
  },
  directory: async (scope) => {
    const path = join(temporaryDirectory(scope), 'bucket');
    return () => openDirectoryBucket(path);
  },
};

export async function gcsBehindProxy(scope: Scope): Promise<{ proxy: GcsProxy; name: string }> {
  const emulatorUrl = await gcsEmulator();
  const name = await createTestBucket(emulatorUrl);
  return { proxy: await startGcsProxy(scope, emulatorUrl), name };
}

export function openGcs(scope: Scope, proxy: GcsProxy, options: GcsOptions): Bucket {
  const bucket = openGcsBucket({ emulatorUrl: proxy.url, ...options });
  cleanUp(scope, () => bucket.close());
  return bucket;
}

export async function s3BehindProxy(scope: Scope): Promise<{ proxy: StoreProxy; name: string }> {
  const url = await s3Gateway();
  const name = await createS3Bucket(url);
  return { proxy: await startS3Proxy(scope, url), name };
}

/** Returns what opens the bucket, as often as it is called. */
export async function openS3(
  scope: Scope,
  { url }: { readonly url: string },
  options: S3Options,
): Promise<() => Bucket> {
  Object.assign(process.env, S3_CREDENTIALS);
  const sdk = await loadSdk();
  return () => {
    const bucket = new S3Bucket(sdk, { endpointUrl: url, ...options });
    cleanUp(scope, () => bucket.close());
    return bucket;
  };
}

/** For assert.rejects. */
export function ofKind(kind: BucketErrorKind, message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    if (error instanceof BucketError && error.kind === kind && (message?.test(error.message) ?? true))
      return true;
    throw error;
  };
}
