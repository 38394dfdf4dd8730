/**
 * Databases that are kept because of the registration in them. Their names say so: a version of the database that was put aside for
 * another reason is no credentials.
 */
import { isCredentials } from './session-path.ts';

const SUFFIX = '.registered';

/** Under which path the image of the database `path` is kept, and sealed. */
export function keptDatabasePath(path: string): string {
  return path + SUFFIX;
}

/** Of which database that is an image; undefined: of none. */
export function keptDatabaseOf(path: string): string | undefined {
  return path.endsWith(SUFFIX) ? path.slice(0, -SUFFIX.length) : undefined;
}

/** Whether a kept version, by the name of its object, is credentials: a creds.json, or a database with a registration. */
export function isKeptCredentials(objectName: string): boolean {
  return isCredentials(objectName) || keptDatabaseOf(objectName) !== undefined;
}
