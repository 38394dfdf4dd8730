/** What the files in `<cachePath>/set-aside/` are called: `<object name, / as %2F>.<ms>`; docs/file-format.md has it too. */
import { join } from 'node:path';
import { toObjectName } from './object-name.ts';

/** A version that was kept: of which object, and since when. */
export interface SetAsideName {
  /** As in the directory. */
  name: string;
  /** Everything before the time: the same for all versions of one file. */
  prefix: string;
  /** When it was kept, in ms since the epoch. */
  ms: number;
}

/** Leaves room for '.' and a time within a file name's 255 bytes. */
const NAME_BYTES_MAX = 230;
const NAME = /^(.+)\.(\d{1,15})$/s;

export function setAsideDirectory(cachePath: string): string {
  return join(cachePath, 'set-aside');
}

/** What the names of the versions of the file `path` begin with, up to the dot before the time. */
export function setAsidePrefix(path: string): string {
  return tail(toObjectName(path, 'file').replaceAll('/', '%2F'));
}

export function setAsideName(prefix: string, ms: number): string {
  return `${prefix}.${ms}`;
}

/** Undefined: another file's name. */
export function parseSetAsideName(name: string): SetAsideName | undefined {
  const [, prefix, digits] = NAME.exec(name) ?? [];
  return prefix === undefined ? undefined : { name, prefix, ms: Number(digits) };
}

/** A slash is the only thing that stands as %2F in an object's name: what else is escaped keeps its '%' as %25. */
export function setAsideObjectName(prefix: string): string {
  return prefix.replaceAll('%2F', '/');
}

/** The end of a long name tells more than its start; cut between characters. */
function tail(name: string): string {
  let kept = name;
  while (Buffer.byteLength(kept) > NAME_BYTES_MAX) kept = [...kept].slice(1).join('');
  return kept;
}
