/** Versions that were set aside, as objects: `.sessionfs/set-aside/<object name>.<ms>`, outside of what a restore looks at. */
import { parseSetAsideName, setAsideObjectName } from './kept-version-name.ts';

export const SET_ASIDE_ROOT = '.sessionfs/set-aside/';

/** Of a file's name in set-aside/, or of the part that all versions have. */
export function setAsideObject(name: string): string {
  return SET_ASIDE_ROOT + setAsideObjectName(name);
}

/** The object that was set aside, and when; undefined for a foreign name. */
export function parseSetAsideObject(name: string): { objectName: string; ms: number } | undefined {
  const parsed = name.startsWith(SET_ASIDE_ROOT)
    ? parseSetAsideName(name.slice(SET_ASIDE_ROOT.length))
    : undefined;
  return parsed && { objectName: parsed.prefix, ms: parsed.ms };
}
