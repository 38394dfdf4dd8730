/** What a simulation simulates. */
export interface World {
  /** After each event; throws Violation. */
  check(): void;
  /** Nothing goes wrong any more: everything must come to rest. `run` goes on until then. Throws Violation. */
  finish(run: (untilMs: number) => Promise<void>): Promise<void>;
}
