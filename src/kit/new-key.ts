/** A new encryption key. */
import { randomBytes } from 'node:crypto';
import { newKeyFile } from '../crypto/key-file.ts';
import { Keyring, RAW_KEY_SIZE } from '../crypto/keyring.ts';

/** 64 hex digits. */
export function newKey(): string {
  return randomBytes(RAW_KEY_SIZE).toString('hex');
}

/** Puts one into a new file, 0600. Returns the key's id, which is no secret. Throws KEY_FILE_EXISTS, KEY_FILE_NOT_WRITABLE. */
export function newKeyIn(path: string): string {
  const hex = newKey();
  newKeyFile(path, hex);
  const keyring = Keyring.fromHex(hex);
  const { currentId } = keyring;
  keyring.destroy();
  return currentId;
}
