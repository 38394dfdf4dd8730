/** Time is injected, never read from globals in logic, so that tests decide what time it is. */
export interface Clock {
  /** Milliseconds since the epoch, with a fraction; may jump. */
  wallMs(): number;
  /** Milliseconds on a clock that never jumps; its zero means nothing. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  wallMs: () => performance.timeOrigin + performance.now(),
  monotonicMs: () => performance.now(),
};
