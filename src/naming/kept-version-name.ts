/** What the files in `<cachePath>/set-aside/` are called: `<object name, / as %2F>.<ms>`; docs/file-format.md has it too. */
import { join } from 'node:path';
import { toObjectName } from './object-name.ts';

/** A kept version: of which object, and since when. */
export interface KeptVersionName {
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

export function keptVersionDirectory(cachePath: string): string {
  return join(cachePath, 'set-aside');
}

/** What the names of the versions of the file `path` begin with, up to the dot before the time. */
export function keptVersionPrefix(path: string): string {
  return tail(toObjectName(path, 'file').replaceAll('/', '%2F'));
}

export function keptVersionName(prefix: string, ms: number): string {
  return `${prefix}.${ms}`;
}

/** Undefined: another file's name. */
export function parseKeptVersionName(name: string): KeptVersionName | undefined {
  const [, prefix, digits] = NAME.exec(name) ?? [];
  return prefix === undefined ? undefined : { name, prefix, ms: Number(digits) };
}

/** A slash is the only thing that stands as %2F in an object's name: what else is escaped keeps its '%' as %25. */
export function keptVersionObjectName(prefix: string): string {
  return prefix.replaceAll('%2F', '/');
}

/** The end of a long name tells more than its start; cut between characters. */
function tail(name: string): string {
  let kept = name;
  while (Buffer.byteLength(kept) > NAME_BYTES_MAX) kept = [...kept].slice(1).join('');
  return kept;
}
