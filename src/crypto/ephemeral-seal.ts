/** Seals what does not outlive this process, under a key that exists in its memory only. */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';
import { SealError } from './seal-error.ts';

const CIPHER = 'aes-256-gcm';
const KEY_SIZE = 32;
const NONCE_SIZE = 12;
const TAG_SIZE = 16;

/** What is kept in memory: with it, what was sealed earlier, or elsewhere, is never taken for this. */
export interface EphemeralMark {
  readonly nonce: Buffer;
  readonly tag: Buffer;
}

export class EphemeralSeal {
  readonly #key = createSecretKey(randomBytes(KEY_SIZE));
  /** A nonce is used once: the number of what was sealed before. */
  #sealed = 0;

  /** Fills `out`, which is as long as `plain`. */
  seal(plain: Buffer, out: Buffer): EphemeralMark {
    const nonce = Buffer.alloc(NONCE_SIZE);
    nonce.writeUIntLE(this.#sealed++, 0, 6);
    const cipher = createCipheriv(CIPHER, this.#key, nonce, { authTagLength: TAG_SIZE });
    cipher.update(plain).copy(out);
    cipher.final();
    return { nonce, tag: cipher.getAuthTag() };
  }

  /** Throws SealError `wrong-tag`. */
  open(sealed: Buffer, { nonce, tag }: EphemeralMark): Buffer {
    const decipher = createDecipheriv(CIPHER, this.#key, nonce, { authTagLength: TAG_SIZE });
    decipher.setAuthTag(tag);
    const plain = decipher.update(sealed);
    try {
      decipher.final();
    } catch {
      throw new SealError('wrong-tag');
    }
    return plain;
  }
}
