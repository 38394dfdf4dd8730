/** `sessionfs keygen`: a new encryption key, in a file that only its owner can read, or on stdout. */
import { resolve } from 'node:path';
import { newKey, newKeyIn } from '../kit/new-key.ts';
import { type Invocation, printEither } from './command.ts';

/** The key itself goes to stdout only where no file is named. */
export async function run(invocation: Invocation): Promise<number> {
  const out = invocation.given.get('--out');
  if (out === undefined) {
    const key = newKey();
    printEither(invocation, { key }, key);
    return 0;
  }
  const path = resolve(out);
  const keyId = newKeyIn(path);
  printEither(
    invocation,
    { path, keyId },
    `sessionfs: ${path} holds a new key, ${keyId}. Back it up: without it what it seals can never be opened again.\nUse it with SESSION_ENCRYPTION_KEY_FILE=${path}`,
  );
  return 0;
}
