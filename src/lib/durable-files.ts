/** File operations that a crash cannot tear: what they did is on stable storage when they resolve. */
import fs, { constants } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from './system-error.ts';

/** What fsync(2) says of a directory where the filesystem cannot sync one; there is nothing more to do then. */
const CANNOT_SYNC = ['EINVAL', 'ENOTSUP', 'EISDIR'];

/** Creates or empties the file, 0600, and writes all of `bytes`. Its name is not durable yet: see syncDirectory. */
export async function writeDurably(path: string, bytes: Uint8Array | string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Over an existing file, too. Both directories are synced. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncDirectory(dirname(to));
  if (dirname(from) !== dirname(to)) await syncDirectory(dirname(from));
}

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } catch (error) {
    if (!CANNOT_SYNC.includes(codeOf(error) ?? '')) throw error;
  } finally {
    await directory.close();
  }
}

/** As syncDirectory, and strict: a filesystem that cannot sync a directory is an error. */
export function syncDirectorySync(path: string): void {
  const directory = fs.openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fs.fsyncSync(directory);
  } finally {
    fs.closeSync(directory);
  }
}
