/** The SDK, an optional package that only an S3 bucket loads; set up so that it never tries again by itself. */
import type { S3Client } from '@aws-sdk/client-s3';
import { SessionfsError } from '../../lib/errors.ts';

export type Sdk = typeof import('@aws-sdk/client-s3');

const SOCKETS_MAX = 128;
/** Servers that are no part of a region take any. */
const ANY_REGION = 'us-east-1';

/** Rejects with PACKAGE_MISSING. `load` is for tests. */
export async function loadSdk(load: () => Promise<Sdk> = () => import('@aws-sdk/client-s3')): Promise<Sdk> {
  // It warns of each Node.js that its later versions will not run on; this version runs.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  try {
    return await load();
  } catch (error) {
    throw new SessionfsError(
      'PACKAGE_MISSING',
      'a bucket s3://NAME needs the package @aws-sdk/client-s3, which is not installed',
      { hint: 'Install it beside sessionfs: npm install @aws-sdk/client-s3', cause: error },
    );
  }
}

/** `endpointUrl`: of a server that is not Amazon's; its buckets are named in the path. Sends nothing. */
export function createClient(sdk: Sdk, endpointUrl: string | undefined): S3Client {
  const { AWS_REGION, AWS_DEFAULT_REGION } = process.env;
  const region = AWS_REGION || AWS_DEFAULT_REGION || (endpointUrl === undefined ? undefined : ANY_REGION);
  return new sdk.S3Client({
    ...(region === undefined ? {} : { region }),
    ...(endpointUrl === undefined ? {} : { endpoint: endpointUrl, forcePathStyle: true }),
    maxAttempts: 1,
    // Each upload brings its own checksum, and each download is compared with the one that its writer noted.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    requestHandler: {
      httpAgent: { keepAlive: true, maxSockets: SOCKETS_MAX },
      httpsAgent: { keepAlive: true, maxSockets: SOCKETS_MAX },
    },
    // Its warnings go to the console, which is not the daemon's log.
    logger: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
  });
}
