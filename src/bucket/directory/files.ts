/** File operations that a crash cannot tear: each is on stable storage when it resolves. */
import { lstat, mkdir, open, rename, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '../../lib/system-error.ts';
import { unlessMissing } from './error.ts';

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

/** Not every file system can sync a directory; those that cannot say EINVAL or the like. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } catch (error) {
    if (!['EINVAL', 'ENOTSUP', 'EISDIR'].includes(codeOf(error) ?? '')) throw error;
  } finally {
    await directory.close();
  }
}

/** Makes what is missing of `path`, each part synced into its parent. */
export async function makeDirectories(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    await syncDirectory(dirname(made));
    if (made === first) return;
  }
}

/** Removes `path` and the directories above it, below `root`, as far as they are empty. */
export async function removeEmptyDirectories(path: string, root: string): Promise<void> {
  for (let empty = path; empty.startsWith(`${root}/`); empty = dirname(empty)) {
    try {
      await rmdir(empty);
    } catch {
      return;
    }
  }
}

/** Whether a file is there; a folder of that name is none. */
export async function exists(path: string): Promise<boolean> {
  const found = await unlessMissing(lstat(path));
  return found?.isFile() ?? false;
}
