/**
 * What makes every write of a name another version. An S3 server compares ETags, and an ETag is the MD5 of the bytes: the same
 * content stored twice has the same one, and every empty object has. So each upload ends with random bytes, which readers drop.
 */
import { randomBytes } from 'node:crypto';

/** Enough that no two uploads ever end alike. */
export const TRAILER_BYTES = 16;

export function withTrailer(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, randomBytes(TRAILER_BYTES)]);
}

/** `trailerBytes`: what the object's metadata says. Undefined: the object is shorter than its own trailer. */
export function withoutTrailer(stored: Buffer, trailerBytes: number): Buffer | undefined {
  return stored.length < trailerBytes ? undefined : stored.subarray(0, stored.length - trailerBytes);
}
