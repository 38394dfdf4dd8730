/** The bucket's health: refuses a start that has nothing to serve, and tells status, readiness and metrics. */
import { BucketError } from '../bucket/bucket-error.ts';
import { backOff } from '../lib/backoff.ts';
import { type ErrorCode, SessionfsError } from '../lib/errors.ts';
import { inTime } from '../lib/in-time.ts';
import type { Logger } from '../observe/log.ts';
import type { BucketReach } from './bucket-reach.ts';
import type { KeyCheck } from './key-check.ts';

export interface BucketHealthParts {
  reach: BucketReach;
  keyCheck: KeyCheck;
  /** Returns BUCKET_UNCONDITIONAL. Rejects with BucketError. */
  unshareable: () => Promise<SessionfsError | undefined>;
  log: Logger;
}

export interface BucketTrouble {
  code: ErrorCode;
  /** In words that name no session, file or key. */
  summary: string;
  error: string;
  hint?: string;
  /** ISO 8601. */
  since?: string;
}

/** A bucket that has not answered by then does not hold up the start. */
const START_MS = 5_000;
const ATTEMPTS = 3;
const RETRY = { minMs: 100, maxMs: 500 };

export class BucketHealth {
  readonly #parts: BucketHealthParts;

  constructor(parts: BucketHealthParts) {
    this.#parts = parts;
  }

  /**
   * For the start of a mount. Rejects with KEY_WRONG or BUCKET_UNCONDITIONAL, and unless something is here that can be served with BUCKET_MISSING,
   * BUCKET_FORBIDDEN or BUCKET_CREDENTIALS. A bucket that does not answer is no reason not to start.
   */
  async requireUsable(canServe: boolean): Promise<void> {
    const outcome = await inTime(this.#ask(), START_MS, undefined);
    if (outcome instanceof SessionfsError) throw outcome;
    if (outcome === undefined || outcome.isTransient) return;
    const error = startError(outcome);
    if (!canServe) throw error;
    const { code, message, hint } = error;
    this.#parts.log.error(
      { code, error: message, hint },
      'The bucket refuses this mount; sessions in the cache are served and nothing is backed up',
    );
  }

  /** Asks again until the bucket answers. Never rejects. */
  untilKnown(signal: AbortSignal): Promise<void> {
    return this.#parts.keyCheck.untilKnown(signal);
  }

  /** undefined: nothing is wrong. */
  get trouble(): BucketTrouble | undefined {
    const { reach, keyCheck } = this.#parts;
    if (keyCheck.refusal !== undefined) return troubleOf(keyCheck.refusal);
    const { problem } = reach;
    return problem && troubleOf(startError(problem.error), problem.sinceMs);
  }

  /** Why sessions cannot come from this bucket before an operator has done something; undefined: they can, or will. */
  get refusal(): BucketTrouble | undefined {
    const { reach, keyCheck } = this.#parts;
    const isRefused =
      keyCheck.refusal !== undefined || (reach.problem?.isDefinite && reach.problem.isReading);
    return isRefused ? this.trouble : undefined;
  }

  /** What the bucket answers; undefined: it can be used. */
  async #ask(): Promise<BucketError | SessionfsError | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        const verdict = await this.#parts.keyCheck.verdict();
        return verdict instanceof SessionfsError ? verdict : await this.#parts.unshareable();
      } catch (error) {
        if (!(error instanceof BucketError)) throw error;
        if (!error.isTransient || attempt === ATTEMPTS) return error;
        await backOff(attempt, RETRY, new AbortController().signal);
      }
    }
  }
}

const SUMMARIES: Partial<Record<ErrorCode, string>> = {
  KEY_WRONG: 'the sessions in the bucket are sealed with another encryption key',
  BUCKET_MISSING: 'there is no such bucket',
  BUCKET_CREDENTIALS: 'the credentials for the bucket are missing or refused',
  BUCKET_FORBIDDEN: 'the bucket refuses permission',
};

function troubleOf({ code, message, hint }: SessionfsError, sinceMs?: number): BucketTrouble {
  return {
    code,
    summary: SUMMARIES[code] ?? 'the bucket does not answer',
    error: message,
    ...(hint === undefined ? {} : { hint }),
    ...(sinceMs === undefined ? {} : { since: new Date(sinceMs).toISOString() }),
  };
}

function startError(error: BucketError): SessionfsError {
  const { message, hint, about, kind } = error;
  const code = codeOf(kind, about);
  return new SessionfsError(code, message, { cause: error, ...(hint === undefined ? {} : { hint }) });
}

function codeOf(kind: BucketError['kind'], about: BucketError['about']): ErrorCode {
  if (about === 'credentials') return 'BUCKET_CREDENTIALS';
  if (kind === 'missing') return 'BUCKET_MISSING';
  return kind === 'permission' ? 'BUCKET_FORBIDDEN' : 'BUCKET_UNAVAILABLE';
}
