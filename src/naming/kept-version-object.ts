/** Kept versions as objects: `.sessionfs/set-aside/<object name>.<ms>`, outside of what a restore looks at. */
import { keptVersionObjectName, parseKeptVersionName } from './kept-version-name.ts';

export const KEPT_VERSION_ROOT = '.sessionfs/set-aside/';

/** Of a kept version's file name, or of the prefix that all versions of a file share. */
export function keptVersionObject(name: string): string {
  return KEPT_VERSION_ROOT + keptVersionObjectName(name);
}

/** Of which object it is a version, and when that was kept; undefined for a foreign name. */
export function parseKeptVersionObject(name: string): { objectName: string; ms: number } | undefined {
  const parsed = name.startsWith(KEPT_VERSION_ROOT)
    ? parseKeptVersionName(name.slice(KEPT_VERSION_ROOT.length))
    : undefined;
  return parsed && { objectName: parsed.prefix, ms: parsed.ms };
}
