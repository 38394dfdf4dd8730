/** S3 servers for tests, and buckets in them. Both take the credentials of `S3_CREDENTIALS`. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSdk } from '../../src/bucket/s3/client.ts';
import { startServer } from './server-process.ts';
import { sharedServer } from './shared-server.ts';

export const S3_CREDENTIALS = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'testsecret',
  AWS_REGION: 'us-east-1',
} as const;

let directory = '';

/** versitygw: a server that keeps objects as files and honours every condition. Returns its URL. */
export const s3Gateway = sharedServer(
  'SESSIONFS_TEST_S3_GATEWAY',
  () => {
    directory = mkdtempSync(join(tmpdir(), 'sessionfs-test-s3-'));
    return startServer('scripts/s3-gateway', [directory]);
  },
  () => rmSync(directory, { recursive: true, force: true }),
);

/** moto: an imitation in memory that checks no signature. Returns its URL. */
export const motoServer = sharedServer('SESSIONFS_TEST_MOTO_SERVER', () =>
  startServer('scripts/moto-server'),
);

/** A new, empty bucket; returns its name. */
export async function createS3Bucket(url: string, isVersioned = false): Promise<string> {
  const { CreateBucketCommand, PutBucketVersioningCommand, S3Client } = await loadSdk();
  const client = new S3Client({
    endpoint: url,
    forcePathStyle: true,
    region: S3_CREDENTIALS.AWS_REGION,
    credentials: {
      accessKeyId: S3_CREDENTIALS.AWS_ACCESS_KEY_ID,
      secretAccessKey: S3_CREDENTIALS.AWS_SECRET_ACCESS_KEY,
    },
  });
  const name = `test-${randomUUID()}`;
  await client.send(new CreateBucketCommand({ Bucket: name }));
  if (isVersioned) {
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await client.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration }));
  }
  client.destroy();
  return name;
}
