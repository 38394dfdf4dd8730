import { basename, dirname } from 'node:path';
import { usage } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';

export interface NamedSession {
  readonly session: string;
  /** Undefined: the settings name it. */
  readonly mountPoint: string | undefined;
}

/** Of `[DIR/]SESSION`. Throws USAGE. */
export function sessionNamed(named: string): NamedSession {
  const session = basename(named);
  if (session === '' || session === '.' || session === '..') throw usage(`${quote(named)} names no session`);
  return { session, mountPoint: named.includes('/') ? dirname(named) : undefined };
}
