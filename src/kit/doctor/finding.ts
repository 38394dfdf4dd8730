/** One line of `sessionfs doctor`. */
import { SessionfsError } from '../../lib/errors.ts';
import { messageOf } from '../../lib/system-error.ts';

export type Result =
  | 'ok'
  /** It works, and something will hurt later, or is less safe than it could be. */
  | 'warning'
  /** A mount would not work. */
  | 'failed'
  /** It could not be found out. */
  | 'unknown';

export interface Finding {
  readonly check: string;
  readonly result: Result;
  readonly text: string;
  /** What to do. */
  readonly hint?: string;
}

export function finding(check: string, result: Result, text: string, hint?: string): Finding {
  return { check, result, text, ...(hint === undefined ? {} : { hint }) };
}

/** An error as the line of its check. */
export function failure(check: string, error: unknown, result: Result = 'failed'): Finding {
  const hint = (error as { hint?: string } | undefined)?.hint;
  const text = messageOf(error);
  return finding(check, result, error instanceof SessionfsError ? `${text} (${error.code})` : text, hint);
}
