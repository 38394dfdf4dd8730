/** What lies between the mounts and the buckets: it loses, delays and doubles requests and answers, and refuses. */
import { BucketError, type BucketErrorKind } from '../../../src/bucket/bucket-error.ts';
import type { BucketOperation } from '../../../src/bucket/wrap.ts';
import type { Machine, Process } from '../platform/machine.ts';

/** Odds: one request in so many; 0: none. */
export interface Weather {
  lost: number;
  answerLost: number;
  /** What lies between repeats it, and passes the second answer on: a request that was answered never arrives again. */
  doubled: number;
  /** It arrives long after, perhaps when its sender has given up. */
  late: number;
  failed: number;
  /** 5xx although it was carried out. */
  failedAfter: number;
  slow: number;
}

export const FAIR: Readonly<Weather> = {
  lost: 0,
  answerLost: 0,
  doubled: 0,
  late: 0,
  failed: 0,
  failedAfter: 0,
  slow: 0,
};

export interface Exchange<T> {
  operation: BucketOperation;
  name: string;
  /** What the store does. Throws BucketError. */
  effect: () => T;
  signal: AbortSignal;
}

const LATE_MS = 20_000;

export class Network {
  weather: Weather = { ...FAIR };
  /** Computers that reach nothing. */
  readonly cut = new Set<string>();
  /** The buckets refuse every request, as they do where an operator has taken a role or a bucket away. */
  refusal: BucketErrorKind | undefined;
  asked: (owner: Process, operation: BucketOperation, name: string) => void = () => {};
  readonly #machine: Machine;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Settles when an answer comes, if one does: the caller has a deadline of its own. */
  exchange<T>(owner: Process, exchange: Exchange<T>): Promise<T> {
    const { operation, name } = exchange;
    this.asked(owner, operation, name);
    this.#trace(owner, `asks: ${operation} ${name}`);
    return new Promise((resolve, reject) => {
      const { weather } = this;
      if (this.cut.has(computerOf(owner))) {
        if (this.#machine.once(2)) this.#answer(owner, exchange, 5, () => reject(unreachable(name)));
        return;
      }
      if (this.#happens(weather.lost)) {
        this.#trace(owner, `is lost: ${operation} ${name}`);
        return;
      }
      const delayMs = this.#happens(weather.late) ? this.#machine.chance.below(LATE_MS) : this.#latencyMs();
      const arrive = (isLast: boolean) => () => this.#arrive(owner, exchange, isLast, resolve, reject);
      const isDoubled = this.#happens(weather.doubled);
      this.#machine.schedule(delayMs, arrive(!isDoubled), null);
      if (isDoubled) this.#machine.schedule(delayMs + this.#machine.chance.below(2_000), arrive(true), null);
    });
  }

  #arrive<T>(
    owner: Process,
    exchange: Exchange<T>,
    isLast: boolean,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ): void {
    const { operation, name, effect, signal } = exchange;
    // The connection was given up on the way; that may be too late.
    if (signal.aborted && this.#machine.once(2)) return;
    const refusal = this.#refusal(name);
    let settle: () => void;
    try {
      if (refusal !== undefined) throw refusal;
      const value = effect();
      this.#trace(owner, `is served: ${operation} ${name}${isLast ? '' : ' (to be repeated)'}`);
      settle = this.#happens(this.weather.failedAfter)
        ? () => reject(unreachable(name))
        : () => resolve(value);
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
      this.#trace(owner, `is refused: ${operation} ${name}: ${error.kind}`);
      settle = () => reject(error);
    }
    if (!isLast || this.#happens(this.weather.answerLost)) return;
    this.#answer(owner, exchange, this.#latencyMs(), settle);
  }

  #refusal(name: string): BucketError | undefined {
    if (this.refusal !== undefined) {
      const about = this.refusal === 'missing' ? { about: 'bucket' as const } : {};
      return new BucketError(this.refusal, `${name}: refused`, about);
    }
    if (!this.#happens(this.weather.failed)) return undefined;
    const isThrottled = this.#machine.once(3);
    const retryAfterMs = this.#machine.once(4) ? 3_000 : undefined;
    return new BucketError(isThrottled ? 'throttled' : 'unreachable', `${name}: 5xx or 429`, {
      retryAfterMs,
    });
  }

  #answer<T>(owner: Process, { signal }: Exchange<T>, delayMs: number, settle: () => void): void {
    this.#machine.schedule(delayMs, () => signal.aborted || settle(), owner);
  }

  #latencyMs(): number {
    const { chance } = this.#machine;
    const slow = this.#happens(this.weather.slow) ? chance.below(4_000) : 0;
    return 5 + chance.below(60) + slow;
  }

  #happens(odds: number): boolean {
    return odds > 0 && this.#machine.once(odds);
  }

  #trace(owner: Process, what: string): void {
    this.#machine.trace.add(`${this.#machine.nowMs.toFixed(1)} ${owner.name} ${what}`);
  }
}

/** A process is called after its computer. */
export function computerOf({ name }: Process): string {
  return name.slice(0, name.indexOf(' '));
}

function unreachable(name: string): BucketError {
  return new BucketError('unreachable', `${name}: no connection`);
}
