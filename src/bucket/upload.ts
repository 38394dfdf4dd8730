/** What every driver does alike before it stores an object, and where an upload was refused. */
import { randomUUID } from 'node:crypto';
import { crc32c } from '../lib/crc32c.ts';
import type { Bucket, ObjectVersion, PutOptions } from './bucket.ts';
import { BucketError, isMissing } from './bucket-error.ts';

/** Stands among an object's custom metadata in the store; callers see it as `uploadId`. */
const UPLOAD_ID_KEY = 'sessionfs-upload';

export interface Upload {
  readonly uploadId: string;
  readonly crc32c: number;
  /** The caller's, with the upload's id. */
  readonly stored: Readonly<Record<string, string>>;
}

/** Throws 'rejected' where the metadata would not come back as it is. */
export function prepareUpload(bytes: Uint8Array, options: PutOptions): Upload {
  for (const [key, value] of Object.entries(options.metadata)) {
    if (
      !/^[a-z0-9-]+$/.test(key) ||
      key === UPLOAD_ID_KEY ||
      !/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value)
    ) {
      throw new BucketError(
        'rejected',
        `an object cannot have the metadata ${key}: keys are a-z 0-9 -, values ASCII`,
      );
    }
  }
  const uploadId = options.uploadId ?? newUploadId();
  return { uploadId, crc32c: crc32c(bytes), stored: { ...options.metadata, [UPLOAD_ID_KEY]: uploadId } };
}

export function newUploadId(): string {
  return randomUUID();
}

/** The metadata that a store returned, apart. */
export function splitMetadata(
  stored: Readonly<Record<string, string>>,
): Pick<ObjectVersion, 'metadata' | 'uploadId'> {
  const { [UPLOAD_ID_KEY]: uploadId, ...metadata } = stored;
  return { metadata, uploadId };
}

/** Whether `found` is what this upload stored, although its answer said otherwise or never came. */
export function isOwn(found: ObjectVersion, upload: Upload): boolean {
  return found.uploadId === upload.uploadId && found.crc32c === upload.crc32c;
}

/** The version that is there, where it is the one that this upload stored before its answer was lost; else throws `refusal`. */
export async function ownVersion(
  bucket: Pick<Bucket, 'head'>,
  name: string,
  upload: Upload,
  refusal: BucketError,
): Promise<ObjectVersion> {
  const found = await bucket.head(name).catch((error: unknown) => {
    throw isMissing(error) ? refusal : error;
  });
  if (!isOwn(found, upload)) throw refusal;
  return found;
}
