/** Keeps a cache file that did not open, beside the tree, before something else takes its name. */
import fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CacheFiles } from './cache-files.ts';
import { codeOf } from './file-operations.ts';
import { toObjectName } from './layout.ts';

/** Leaves room for '.' and a time within a file name's 255 bytes. */
const NAME_BYTES_MAX = 230;

/**
 * Hard-links the file of `path` into `<cachePath>/set-aside/`, as its object name with '/' as %2F, a dot and the time in
 * ms. Durable on return. No-op when there is no such file, when it was linked there before (it has two names), or when it
 * is `replacement` itself: then an interrupted run was here.
 */
export async function setAside(
  files: CacheFiles,
  path: string,
  replacement: Uint8Array | undefined,
  nowMs: number,
): Promise<void> {
  const objectName = toObjectName(path, 'file');
  const old = files.locate(objectName);
  const stat = await fs.lstat(old).catch(noFile);
  if (!stat?.isFile() || stat.nlink > 1) return;
  if (replacement && stat.size === replacement.length && (await fs.readFile(old)).equals(replacement)) return;
  const directory = join(files.root, 'set-aside');
  await files.ensureDirectory(directory, new Set());
  await linkFree(files, old, join(directory, tail(objectName.replaceAll('/', '%2F'))), Math.floor(nowMs));
  await files.syncDirectory(directory);
  await files.syncDirectory(dirname(directory));
}

function noFile(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error;
}

async function linkFree(files: CacheFiles, old: string, prefix: string, nowMs: number): Promise<void> {
  for (let suffix = nowMs; ; suffix++) {
    try {
      return await files.operations.link(old, `${prefix}.${suffix}`);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
}

/** The end of a long name tells more than its start; cut between characters. */
function tail(name: string): string {
  let kept = name;
  while (Buffer.byteLength(kept) > NAME_BYTES_MAX) kept = [...kept].slice(1).join('');
  return kept;
}
