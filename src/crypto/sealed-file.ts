/**
 * Seals and opens whole files: header, IV, ciphertext, tag. The tag covers the header and the file's path (UTF-8, relative
 * to the mount, no leading slash), so that a sealed file opens only unchanged, at its own name, with its own key. An older
 * version of the same file at the same path does open: freshness is not what a seal proves.
 */
import { randomFillSync, timingSafeEqual } from 'node:crypto';
import { ciphertextSize, computeTag, decrypt, encryptInto, IV_SIZE, TAG_SIZE } from './aead.ts';
import type { DerivedKey, Keyring } from './keyring.ts';
import { SealError } from './seal-error.ts';
import {
  ASSOCIATED_SIZE,
  checkedPlainLength,
  HEADER_SIZE,
  IV_OFFSET,
  KEY_ID_OFFSET,
  PLAIN_LENGTH_MAX,
  readMeta,
  type SealedMeta,
  sealedSize,
  writeHeader,
} from './sealed-header.ts';

export { TAG_SIZE } from './aead.ts';
export {
  HEADER_SIZE,
  OWNER,
  PLAIN_LENGTH_MAX,
  readHeader,
  type SealedMeta,
  sealedSize,
} from './sealed-header.ts';

/**
 * Writes the sealed file of `plain` to `out` at `offset` and returns its size, `sealedSize(plain.length)`, in bytes.
 * `out` and `plain` must not overlap. Throws RangeError where it does not fit or `plain` is over PLAIN_LENGTH_MAX.
 */
export function sealInto(
  out: Buffer,
  offset: number,
  keyring: Keyring,
  path: string,
  meta: SealedMeta,
  plain: Uint8Array,
): number {
  if (plain.length > PLAIN_LENGTH_MAX) throw new RangeError('the plaintext is over PLAIN_LENGTH_MAX');
  const key = keyring.current;
  const size = sealedSize(plain.length);
  requireRoom(out, offset, size);
  writeHeader(out, offset, key, meta, plain.length);
  const iv = nextIv();
  iv.copy(out, offset + IV_OFFSET);
  encryptInto(out, offset + HEADER_SIZE, key, iv, plain);
  writeTag(out, offset, key, path, size);
  return size;
}

/**
 * Seals the content of `sealed`, verified under `oldPath`, anew under `newPath` with `meta`: chmod and rename. IV and
 * ciphertext stay when they are the current key's (same plaintext, so the same IV reveals nothing) and are made again when
 * not. `out` and `sealed` must not overlap. Returns the size in bytes. Throws SealError, or RangeError where it does not fit.
 */
export function resealInto(
  out: Buffer,
  offset: number,
  keyring: Keyring,
  oldPath: string,
  newPath: string,
  meta: SealedMeta,
  sealed: Buffer,
): number {
  const { key, plainLength } = verify(keyring, oldPath, sealed);
  if (key !== keyring.current) {
    return sealInto(out, offset, keyring, newPath, meta, decryptVerified(key, sealed, plainLength));
  }
  requireRoom(out, offset, sealed.length);
  writeHeader(out, offset, key, meta, plainLength);
  sealed.copy(out, offset + IV_OFFSET, IV_OFFSET, sealed.length - TAG_SIZE);
  writeTag(out, offset, key, newPath, sealed.length);
  return sealed.length;
}

/** `sealed` is the whole file. The plaintext is a buffer of its own. Nothing is decrypted before the tag is right; throws SealError. */
export function openSealed(
  keyring: Keyring,
  path: string,
  sealed: Buffer,
): { meta: SealedMeta; plain: Buffer } {
  const { key, plainLength } = verify(keyring, path, sealed);
  return { meta: readMeta(sealed), plain: decryptVerified(key, sealed, plainLength) };
}

/** Checks that `openSealed` would open it, and decrypts nothing. Throws SealError. */
export function checkSealed(keyring: Keyring, path: string, sealed: Buffer): void {
  verify(keyring, path, sealed);
}

function verify(keyring: Keyring, path: string, sealed: Buffer): { key: DerivedKey; plainLength: number } {
  const plainLength = checkedPlainLength(sealed, sealed.length);
  const key = keyring.find(sealed, KEY_ID_OFFSET);
  if (key === undefined) throw new SealError('unknown-key');
  const expected = tagOf(sealed, 0, key, path, sealed.length);
  const found = sealed.subarray(sealed.length - TAG_SIZE);
  if (!timingSafeEqual(expected, found)) throw new SealError('wrong-tag');
  return { key, plainLength };
}

function decryptVerified(key: DerivedKey, sealed: Buffer, plainLength: number): Buffer {
  const ciphertext = sealed.subarray(HEADER_SIZE, HEADER_SIZE + ciphertextSize(plainLength));
  return decrypt(key, sealed.subarray(IV_OFFSET, HEADER_SIZE), ciphertext, plainLength);
}

function writeTag(out: Buffer, offset: number, key: DerivedKey, path: string, size: number): void {
  tagOf(out, offset, key, path, size).copy(out, offset + size - TAG_SIZE);
}

function tagOf(file: Buffer, offset: number, key: DerivedKey, path: string, size: number): Buffer {
  const associated = file.subarray(offset, offset + ASSOCIATED_SIZE);
  return computeTag(key, associated, path, file.subarray(offset + IV_OFFSET, offset + size - TAG_SIZE));
}

function requireRoom(out: Buffer, offset: number, size: number): void {
  if (offset < 0 || offset + size > out.length) throw new RangeError(`${size} sealed bytes do not fit`);
}

/** Random bytes are drawn for 256 IVs at once: a draw costs more than a cipher block. */
const ivPool = Buffer.alloc(256 * IV_SIZE);
let ivPoolUsed = ivPool.length;

function nextIv(): Buffer {
  if (ivPoolUsed === ivPool.length) {
    randomFillSync(ivPool);
    ivPoolUsed = 0;
  }
  const iv = ivPool.subarray(ivPoolUsed, ivPoolUsed + IV_SIZE);
  ivPoolUsed += IV_SIZE;
  return iv;
}
