/** Time is injected, never read from globals in logic, so that tests decide what time it is. */
export interface Clock {
  /** Milliseconds since the epoch, with a fraction; may jump. */
  wallMs(): number;
  /** Milliseconds on a clock that never jumps; its zero means nothing. */
  monotonicMs(): number;
}

/** What the two clocks read differs by less than this, rounding included, as long as the wall clock is not set. */
const APART_MS = 2;

/**
 * The system's wall clock, which has whole milliseconds, with the fraction of the monotonic one. `wholeMs` and `monotonicMs`
 * are the two clocks.
 */
export function wallClock(wholeMs: () => number, monotonicMs: () => number): () => number {
  let originMs = Number.NaN;
  return () => {
    const monotonic = monotonicMs();
    const whole = wholeMs();
    const apart = Math.abs(whole + 0.5 - (originMs + monotonic));
    // The first call, or the clock was set since: it is followed at once.
    if (!(apart < APART_MS)) originMs = whole - monotonic;
    return originMs + monotonic;
  };
}

export const systemClock: Clock = {
  wallMs: wallClock(Date.now, () => performance.now()),
  monotonicMs: () => performance.now(),
};

export const DAY_MS = 24 * 3_600_000;
