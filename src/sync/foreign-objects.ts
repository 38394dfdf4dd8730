/**
 * Objects below `sessions/` that no mount can have stored, and that no cache can hold: names of no path, names that are too
 * long for a file, and files that lie below another file. Each is logged once and left alone.
 */

import { fromObjectName, isStorableName } from '../naming/object-name.ts';
import { sessionOfPath } from '../naming/session-path.ts';
import type { Logger } from '../observe/log.ts';

const NAMES_IN_LINE = 20;
/** In memory; beyond them the log may repeat itself. */
const NAMES_KNOWN = 10_000;
/** The mount serves a folder of its own under this name. */
const RESERVED = '.sessionfs';

export class ForeignObjects {
  readonly #log: Logger;
  readonly #known = new Set<string>();
  readonly #untold = new Set<string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** The session that the object belongs to; undefined: it is foreign, and noted for `tell`. */
  sessionOf(objectName: string): string | undefined {
    const session = this.#known.has(objectName) ? undefined : sessionOfStorable(objectName);
    if (session === undefined) this.note(objectName);
    return session;
  }

  /** The name turned out to be foreign: something else has its place. */
  note(objectName: string): void {
    if (this.#known.has(objectName)) return;
    if (this.#known.size < NAMES_KNOWN) this.#known.add(objectName);
    this.#untold.add(objectName);
  }

  /** Logs what was noted since. */
  tell(): void {
    if (this.#untold.size === 0) return;
    const names = [...this.#untold];
    this.#untold.clear();
    this.#log.warn(
      { objects: names.slice(0, NAMES_IN_LINE), files: names.length },
      'Objects in the bucket cannot be files of a session (their names, or another object in their way); they are skipped and left alone',
    );
  }
}

function sessionOfStorable(objectName: string): string | undefined {
  const identity = fromObjectName(objectName);
  if (identity === undefined) return undefined;
  const { path, directoryMeta } = identity;
  const names = path.split('/');
  if (names[0] === RESERVED || names.some((name) => name === '.' || name === '..' || name.includes('\0')))
    return undefined;
  const kind = directoryMeta ? 'directory' : 'file';
  return isStorableName(path, kind) ? sessionOfPath(path, kind) : undefined;
}

/** The names that would have to be folders for this object to be a file. */
export function ancestors(objectName: string): string[] {
  const parts = objectName.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}
