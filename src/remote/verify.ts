/** What the restorer may know of the keys: whether sealed bytes open. */

import { KEY_ID_SIZE, type Keyring } from '../crypto/keyring.ts';
import { SealError } from '../crypto/seal-error.ts';
import { checkSealed } from '../crypto/sealed-file.ts';
import { KEY_ID_OFFSET } from '../crypto/sealed-header.ts';
import { directoryName } from '../naming/sealed-name.ts';
import type { Verdict } from '../sync/restore/download.ts';

export function verifier(keyring: Keyring) {
  return (path: string, directoryMeta: boolean, sealed: Buffer): Verdict => {
    try {
      checkSealed(keyring, directoryMeta ? directoryName(path) : path, sealed);
      return { kind: 'opens' };
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      if (error.reason !== 'unknown-key') return { kind: 'corrupt', reason: error.reason };
      return { kind: 'key', keyId: sealed.toString('hex', KEY_ID_OFFSET, KEY_ID_OFFSET + KEY_ID_SIZE) };
    }
  };
}
