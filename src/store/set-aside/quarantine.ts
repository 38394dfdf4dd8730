/** Keeps a cache file that does not open, or that lost a conflict, before another file takes its name. */
import fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf, ifMissing } from '../../lib/system-error.ts';
import { keptVersionDirectory, keptVersionName, keptVersionPrefix } from '../../naming/kept-version-name.ts';
import { toObjectName } from '../../naming/object-name.ts';
import type { CacheFiles } from '../cache/files.ts';

/**
 * Hard-links the file of `path` into `<cachePath>/set-aside/` (naming/kept-version-name.ts). Durable on return. No-op when
 * there is no such file, when an interrupted run has linked it already (it has two names), or when that run has put
 * `replacement` in its place.
 */
export async function quarantine(
  files: CacheFiles,
  path: string,
  replacement: Uint8Array | undefined,
  nowMs: number,
): Promise<void> {
  if (await keep(files, path, replacement, nowMs)) await sync(files);
}

/** As `quarantine`, for many files that nothing replaces: one sync. Returns the paths of which a version was kept. */
export async function quarantineAll(
  files: CacheFiles,
  paths: readonly string[],
  nowMs: number,
): Promise<string[]> {
  const kept: string[] = [];
  for (const path of paths) if (await keep(files, path, undefined, nowMs)) kept.push(path);
  if (kept.length > 0) await sync(files);
  return kept;
}

async function keep(
  files: CacheFiles,
  path: string,
  replacement: Uint8Array | undefined,
  nowMs: number,
): Promise<boolean> {
  const old = files.locate(toObjectName(path, 'file'));
  const stat = await fs.lstat(old).catch(ifMissing);
  if (!stat?.isFile() || stat.nlink > 1) return false;
  if (replacement && stat.size === replacement.length && (await fs.readFile(old)).equals(replacement))
    return false;
  const directory = keptVersionDirectory(files.root);
  await files.ensureDirectory(directory, new Set());
  await linkFree(files, old, join(directory, keptVersionPrefix(path)), Math.floor(nowMs));
  return true;
}

async function sync(files: CacheFiles): Promise<void> {
  const directory = keptVersionDirectory(files.root);
  await files.syncDirectory(directory);
  await files.syncDirectory(dirname(directory));
}

async function linkFree(files: CacheFiles, old: string, prefix: string, nowMs: number): Promise<void> {
  for (let suffix = nowMs; ; suffix++) {
    try {
      return await files.operations.link(old, keptVersionName(prefix, suffix));
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
}
