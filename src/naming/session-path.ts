/** Which session a path of the mount, or an object of the bucket, belongs to, and what its name says about it. */
import { fromObjectName, OBJECT_ROOT } from './object-name.ts';

const CREDS = 'creds.json';
const CREDS_SUFFIX = `/${CREDS}`;
const ROOT_FOLDER = `${OBJECT_ROOT}/`;
/** Beside it, while an application replaces it. */
export const CREDS_BACKUP = `${CREDS}.bak`;

/** By the name of a file in a session's folder: the credentials, their backup, or what is to become them. */
export function belongsToCredentials(name: string): boolean {
  return name.startsWith(CREDS);
}

/** The top-level directory that a path is or lies in; '' for a file in the root. */
export function sessionOfPath(path: string, kind: 'file' | 'directory'): string {
  const slash = path.indexOf('/');
  if (slash >= 0) return path.slice(0, slash);
  return kind === 'file' ? '' : path;
}

/** The session whose creds.json this is the path of, if it is one's. */
export function sessionOfCreds(path: string): string | undefined {
  if (!path.endsWith(CREDS_SUFFIX)) return undefined;
  const session = path.slice(0, -CREDS_SUFFIX.length);
  return session.includes('/') ? undefined : session;
}

/** A last component that is the same in a path and in an object's name, wherever it lies below the root. */
const plainName = /^\w[\w.@+=,-]*$/;
/** Names come folder by folder: the last one, with its last slash, of which a plain name showed the session. */
let latest: { folder: string; session: string } | undefined;

/** Undefined for a name that no path of a mount has: a foreign object. */
export function sessionOf(objectName: string): string | undefined {
  const slash = objectName.lastIndexOf('/');
  const folder = objectName.slice(0, slash + 1);
  // In the root names are written in another way.
  const isPlain = folder !== ROOT_FOLDER && plainName.test(objectName.slice(slash + 1));
  if (isPlain && folder === latest?.folder) return latest.session;
  const session = sessionOfAny(objectName);
  if (isPlain && session !== undefined) latest = { folder, session };
  return session;
}

function sessionOfAny(objectName: string): string | undefined {
  const identity = fromObjectName(objectName);
  if (identity === undefined) return undefined;
  const slash = identity.path.indexOf('/');
  if (slash >= 0) return identity.path.slice(0, slash);
  return identity.directoryMeta ? identity.path : '';
}

/** The file that makes a session: stored after everything else, restored before it. */
export function isCredentials(objectName: string): boolean {
  return objectName.endsWith(CREDS_SUFFIX);
}

const BACKUP_SUFFIX = '.bak';
const BACKED_UP_SUFFIX = '.json';

/**
 * The backup that an application keeps beside `NAME.json`, under `NAME.json.bak`; undefined: no backup is kept of such a file. By
 * path or by object name.
 */
export function backupOf(name: string): string | undefined {
  return name.endsWith(BACKED_UP_SUFFIX) ? name + BACKUP_SUFFIX : undefined;
}

/** The file that `NAME.json.bak` is the backup of; undefined: it is no backup. */
export function backedUpBy(objectName: string): string | undefined {
  if (!objectName.endsWith(BACKED_UP_SUFFIX + BACKUP_SUFFIX)) return undefined;
  return objectName.slice(0, -BACKUP_SUFFIX.length);
}

/** Credentials, or their backup, which stands for them while they are missing. */
export function completesSession(objectName: string): boolean {
  return isCredentials(backedUpBy(objectName) ?? objectName);
}

/** Renaming it is what publishes it. */
export function isTemporary(objectName: string): boolean {
  return objectName.endsWith('.tmp');
}
