/** Whether a version in the bucket is shown to be newer than the one here, by what their seals say. */
import type { Keyring } from '../crypto/keyring.ts';
import { SealError } from '../crypto/seal-error.ts';
import { openSealed, readHeader } from '../crypto/sealed-file.ts';

/**
 * Anyone who may write to the bucket can put an older version in the place of a newer one; only a holder of the key can say when
 * a version was written. `there` was verified. Returns true also where both have the same content.
 */
export function isShownNewer(keyring: Keyring, name: string, there: Buffer, here: Buffer): boolean {
  try {
    if (there.equals(here)) return true;
    const [newer, older] = [readHeader(there, there.length).meta, readHeader(here, here.length).meta];
    const seconds = newer.mtimeSec - older.mtimeSec;
    if (seconds !== 0) return seconds > 0;
    if (newer.mtimeNsec !== older.mtimeNsec) return newer.mtimeNsec > older.mtimeNsec;
    // Sealed anew, with another key for instance.
    return openSealed(keyring, name, there).plain.equals(openSealed(keyring, name, here).plain);
  } catch (error) {
    if (error instanceof SealError) return false;
    throw error;
  }
}
