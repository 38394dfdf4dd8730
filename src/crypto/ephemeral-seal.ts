/** Seals what does not outlive this process, under a key that exists in its memory only. */
import { createSecretKey, randomBytes, randomFillSync } from 'node:crypto';
import { type AeadKeys, ciphertextSize, computeTag, decrypt, encryptInto, IV_SIZE } from './aead.ts';
import { SealError } from './seal-error.ts';

const KEY_SIZE = 32;
const NOTHING = new Uint8Array(0);

/** IV and ciphertext; the tag is kept elsewhere. */
export function ephemeralSize(plainLength: number): number {
  return IV_SIZE + ciphertextSize(plainLength);
}

export class EphemeralSeal {
  readonly #keys: AeadKeys = {
    macKey: createSecretKey(randomBytes(KEY_SIZE)),
    encryptionKey: createSecretKey(randomBytes(KEY_SIZE)),
  };

  /**
   * Fills `out`, which has `ephemeralSize(plain.length)` bytes, and returns the tag. It stays in memory, so that what was sealed
   * earlier, or elsewhere, is never taken for this.
   */
  seal(plain: Buffer, out: Buffer): Buffer {
    const iv = randomFillSync(out.subarray(0, IV_SIZE));
    encryptInto(out, IV_SIZE, this.#keys, iv, plain);
    return computeTag(this.#keys, NOTHING, '', out);
  }

  /** Throws SealError `wrong-tag`. */
  open(sealed: Buffer, tag: Buffer, plainLength: number): Buffer {
    if (!computeTag(this.#keys, NOTHING, '', sealed).equals(tag)) throw new SealError('wrong-tag');
    return decrypt(this.#keys, sealed.subarray(0, IV_SIZE), sealed.subarray(IV_SIZE), plainLength);
  }
}
