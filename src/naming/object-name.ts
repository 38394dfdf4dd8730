/**
 * Mount path <-> object name, a bijection on its image; docs/file-format.md has the rules and examples. The same names
 * are used below the cache directory, so no object name may be a prefix directory of another one that is a file.
 *
 * A mount path is relative, without a leading slash, '/'-separated valid UTF-8; '' is the root.
 */
import { decodeComponent, encodeComponent, escapeAll } from './component.ts';

export type EntryKind = 'file' | 'directory';

export interface ObjectIdentity {
  path: string;
  /** The object holds the attributes of the directory `path`, not a file's content. */
  directoryMeta: boolean;
}

/** The name, below its directory, of the object with the directory's attributes. No user's name contains a bare '%'. */
export const DIRECTORY_META_COMPONENT = '%dir';
export const OBJECT_ROOT = 'sessions';

/** Ends the component of a top-level file that is not *.json: `sessions/x` is free to be the USER part of a session. */
const TOP_LEVEL_FILE_MARK = '%';
const SESSION_SEPARATOR = '-+';
const COMPONENT_BYTES_MAX = 255;
const OBJECT_NAME_BYTES_MAX = 1024;

/**
 * Where a top-level directory's name splits into USER and +REST; undefined: it is not a session's name. A USER never
 * ends in .json, because `sessions/x.json` is a top-level file and cannot be a directory as well.
 */
function splitSession(name: string): { user: string; rest: string } | undefined {
  const at = name.lastIndexOf(SESSION_SEPARATOR);
  if (at <= 0 || at + SESSION_SEPARATOR.length === name.length) return undefined;
  const user = name.slice(0, at);
  return user.endsWith('.json') ? undefined : { user, rest: name.slice(at + 1) };
}

function topLevelFile(name: string): string {
  return name.endsWith('.json') ? encodeComponent(name) : encodeComponent(name) + TOP_LEVEL_FILE_MARK;
}

/** A name below a top-level directory that is not a session: a first '+' would read as the +REST of one. */
function plainChild(name: string): string {
  return name.startsWith('+') ? escapeAll('+') + encodeComponent(name.slice(1)) : encodeComponent(name);
}

/** The object that holds the file `path`, or the prefix (without a last slash) of the directory `path`. */
export function toObjectName(path: string, kind: EntryKind): string {
  if (path === '') return OBJECT_ROOT;
  const [first = '', ...others] = path.split('/');
  if (others.length === 0 && kind === 'file') return `${OBJECT_ROOT}/${topLevelFile(first)}`;
  const session = splitSession(first);
  const parts = session ? [session.user, session.rest].map(encodeComponent) : [encodeComponent(first)];
  others.forEach((name, depth) => {
    parts.push(depth === 0 && !session ? plainChild(name) : encodeComponent(name));
  });
  return `${OBJECT_ROOT}/${parts.join('/')}`;
}

/** What the names of all objects in the directory `path` begin with. */
export function folderOf(path: string): string {
  return `${toObjectName(path, 'directory')}/`;
}

/** The object that holds the attributes of the directory `path`. */
export function directoryMetaName(path: string): string {
  return folderOf(path) + DIRECTORY_META_COMPONENT;
}

function candidatePath(name: string, kind: EntryKind): string | undefined {
  const [root, ...parts] = name.split('/');
  if (root !== OBJECT_ROOT || parts.includes('')) return undefined;
  const only = parts.length === 1 && kind === 'file' ? parts[0] : undefined;
  if (only?.endsWith(TOP_LEVEL_FILE_MARK)) return decodeComponent(only.slice(0, -1));
  const names: string[] = [];
  for (const part of parts) {
    const decoded = decodeComponent(part);
    if (decoded === undefined || decoded === '' || decoded.includes('/')) return undefined;
    names.push(decoded);
  }
  if (parts[1]?.startsWith('+')) names.splice(0, 2, `${names[0]}-${names[1]}`);
  return names.join('/');
}

/**
 * What an object of that name is, or undefined for a foreign name: one that is not the image of any path. With `kind`
 * 'directory' the name is that of a directory (in the cache); a bucket holds files only, and directoryMeta objects.
 */
export function fromObjectName(name: string, kind: EntryKind = 'file'): ObjectIdentity | undefined {
  const metaSuffix = `/${DIRECTORY_META_COMPONENT}`;
  if (kind === 'file' && name.endsWith(metaSuffix)) {
    const directory = fromObjectName(name.slice(0, -metaSuffix.length), 'directory');
    return directory && { path: directory.path, directoryMeta: true };
  }
  const path = candidatePath(name, kind);
  if (path === undefined || (path === '' && kind === 'file')) return undefined;
  return toObjectName(path, kind) === name ? { path, directoryMeta: false } : undefined;
}

/**
 * Whether bucket and cache can hold `path`; if not, the application is told ENAMETOOLONG. Without `kind`: whatever it is, a
 * directory, which needs room for its attributes' object, or a file, whose name in the root gets a mark.
 */
export function isStorableName(path: string, kind?: EntryKind): boolean {
  if (kind === undefined) return isStorableName(path, 'file') && isStorableName(path, 'directory');
  const name = kind === 'directory' ? directoryMetaName(path) : toObjectName(path, kind);
  if (Buffer.byteLength(name) > OBJECT_NAME_BYTES_MAX) return false;
  return [...name.split('/'), ...path.split('/')].every(
    (part) => Buffer.byteLength(part) <= COMPONENT_BYTES_MAX,
  );
}

/** Whether a directory in the mount's root is named as a session folder, USER-+PHONE. */
export function isSessionFolder(path: string): boolean {
  return !path.includes('/') && splitSession(path) !== undefined;
}
