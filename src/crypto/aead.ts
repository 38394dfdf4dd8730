/**
 * AEAD_AES_256_CBC_HMAC_SHA_512 as RFC 7518 section 5.2.2.1 composes it, with the tag truncated to 32 bytes
 * (A256CBC-HS512). Encrypt-then-MAC: callers compare the tag before they call `decrypt`.
 */
import { createCipheriv, createDecipheriv, createHmac, type KeyObject } from 'node:crypto';
import { SealError } from './seal-error.ts';

export const BLOCK_SIZE = 16;
export const IV_SIZE = 16;
export const TAG_SIZE = 32;

const CIPHER = 'aes-256-cbc';
/**
 * So much is encrypted at a time: each call makes a buffer of its own, and the pages of a larger one are fetched from the kernel
 * and given back each time.
 */
export const STRIDE = 64 * 1024;
const MAC_HASH = 'sha512';

export interface AeadKeys {
  readonly macKey: KeyObject;
  readonly encryptionKey: KeyObject;
}

/** PKCS#7 always pads: a whole block where the plaintext ends on one. */
export function ciphertextSize(plainLength: number): number {
  return plainLength - (plainLength % BLOCK_SIZE) + BLOCK_SIZE;
}

/** Writes `ciphertextSize(plain.length)` bytes to `out` at `offset`; the caller has checked that they fit. */
export function encryptInto(
  out: Buffer,
  offset: number,
  keys: AeadKeys,
  iv: Uint8Array,
  plain: Uint8Array,
): void {
  const cipher = createCipheriv(CIPHER, keys.encryptionKey, iv);
  let at = offset;
  for (let from = 0; from < plain.length; from += STRIDE)
    at += cipher.update(plain.subarray(from, from + STRIDE)).copy(out, at);
  cipher.final().copy(out, at);
}

/**
 * Decrypts what a tag was already found right for. The answer is a view on the decrypted blocks, without a copy.
 * Throws SealError `length-mismatch` where the padding does not say `plainLength`.
 */
export function decrypt(keys: AeadKeys, iv: Uint8Array, ciphertext: Uint8Array, plainLength: number): Buffer {
  const decipher = createDecipheriv(CIPHER, keys.encryptionKey, iv);
  decipher.setAutoPadding(false);
  const padded = decipher.update(ciphertext);
  decipher.final();
  requirePadding(padded, plainLength);
  return padded.subarray(0, plainLength);
}

function requirePadding(padded: Buffer, plainLength: number): void {
  const padding = padded.length - plainLength;
  if (padding < 1 || padding > BLOCK_SIZE) throw new SealError('length-mismatch');
  for (let at = plainLength; at < padded.length; at++) {
    if (padded[at] !== padding) throw new SealError('length-mismatch');
  }
}

/** The length of the associated data in bits, as the RFC's 64-bit big-endian AL; the upper half stays zero. */
const associatedBits = Buffer.alloc(8);

/** The tag over associated data (bytes, then text in UTF-8), IV and ciphertext, the latter two adjacent. */
export function computeTag(
  keys: AeadKeys,
  associatedBytes: Uint8Array,
  associatedText: string,
  ivAndCiphertext: Uint8Array,
): Buffer {
  associatedBits.writeUInt32BE((associatedBytes.length + Buffer.byteLength(associatedText)) * 8, 4);
  return createHmac(MAC_HASH, keys.macKey)
    .update(associatedBytes)
    .update(associatedText, 'utf8')
    .update(ivAndCiphertext)
    .update(associatedBits)
    .digest()
    .subarray(0, TAG_SIZE);
}
