/** What archives of removed sessions are called: `<cache>/trash/<object name, / as %2F>.<ms>`, and in the bucket. */
import { join } from 'node:path';
import { keptVersionName, keptVersionObjectName, parseKeptVersionName } from './kept-version-name.ts';
import { toObjectName } from './object-name.ts';
import { sessionOf } from './session-path.ts';

export const TRASH_ROOT = '.sessionfs/trash/';
/** The metadata of an archive in the bucket that says how many files it holds. */
export const TRASH_FILES = 'sessionfs-files';

export function trashDirectory(cachePath: string): string {
  return join(cachePath, 'trash');
}

export function trashName(session: string, ms: number): string {
  return keptVersionName(toObjectName(session, 'directory').replaceAll('/', '%2F'), ms);
}

/** Of which session, and when it was removed, in ms since the epoch; undefined: another file's name. */
export function parseTrashName(name: string): { name: string; session: string; ms: number } | undefined {
  const parsed = parseKeptVersionName(name);
  const session = parsed && sessionOf(`${keptVersionObjectName(parsed.prefix)}/creds.json`);
  return parsed === undefined || !session ? undefined : { name, session, ms: parsed.ms };
}

export function trashObject(name: string): string {
  return TRASH_ROOT + keptVersionObjectName(name);
}

/**
 * What the archives of that session are called in the bucket, up to the time; undefined: of all. Those of other sessions may begin so,
 * too.
 */
export function trashObjectPrefix(session: string | undefined): string {
  return session === undefined ? TRASH_ROOT : `${TRASH_ROOT}${toObjectName(session, 'directory')}.`;
}

export function parseTrashObject(objectName: string): ReturnType<typeof parseTrashName> {
  if (!objectName.startsWith(TRASH_ROOT)) return undefined;
  return parseTrashName(objectName.slice(TRASH_ROOT.length).replaceAll('/', '%2F'));
}
