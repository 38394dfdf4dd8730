/** Keeps a cache file that did not open, beside the tree, before something else takes its name. */
import fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf, ifMissing } from '../../lib/system-error.ts';
import { setAsideDirectory, setAsideName, setAsidePrefix } from '../../naming/kept-version-name.ts';
import { toObjectName } from '../../naming/object-name.ts';
import type { CacheFiles } from '../cache/files.ts';

/**
 * Hard-links the file of `path` into `<cachePath>/set-aside/` (set-aside-names.ts). Durable on return. No-op when there is no
 * such file, when it was linked there before (it has two names), or when it is `replacement` itself: then an interrupted run
 * was here.
 */
export async function setAside(
  files: CacheFiles,
  path: string,
  replacement: Uint8Array | undefined,
  nowMs: number,
): Promise<void> {
  const old = files.locate(toObjectName(path, 'file'));
  const stat = await fs.lstat(old).catch(ifMissing);
  if (!stat?.isFile() || stat.nlink > 1) return;
  if (replacement && stat.size === replacement.length && (await fs.readFile(old)).equals(replacement)) return;
  const directory = setAsideDirectory(files.root);
  await files.ensureDirectory(directory, new Set());
  await linkFree(files, old, join(directory, setAsidePrefix(path)), Math.floor(nowMs));
  await files.syncDirectory(directory);
  await files.syncDirectory(dirname(directory));
}

async function linkFree(files: CacheFiles, old: string, prefix: string, nowMs: number): Promise<void> {
  for (let suffix = nowMs; ; suffix++) {
    try {
      return await files.operations.link(old, setAsideName(prefix, suffix));
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
}
