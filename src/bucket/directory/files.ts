/** Directories of a directory bucket; what is made is on stable storage when it resolves. */
import { lstat, mkdir, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from '../../lib/durable-files.ts';
import { unlessMissing } from './error.ts';

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
