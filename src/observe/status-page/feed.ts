/** Tells browsers what changes, while any of them listens. Nothing runs and nothing is kept while none does. */
import type { StatusReport } from './report.ts';
import { type Names, View } from './view.ts';

/** Of a browser. Neither throws. */
export interface Listener {
  readonly names: Names;
  send(data: string): void;
  /** Nothing can be said now; the connection lives. */
  beat(): void;
}

export interface FeedParts {
  read: () => Promise<StatusReport>;
  /** A report could not be made. */
  failed: (error: unknown) => void;
  wallMs: () => number;
  /** Between two reports. */
  intervalMs: number;
}

/** Of the time, about one part in so many at most is spent on making texts of reports. */
const PAUSE_FACTOR = 40;

export class StatusFeed {
  readonly #parts: FeedParts;
  /** Whether it has got the whole of it. */
  readonly #listeners = new Map<Listener, { isNew: boolean }>();
  #views = new Map<Names, View>();
  #timer: NodeJS.Timeout | undefined;
  #isReading = false;

  constructor(parts: FeedParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#listeners.size;
  }

  /** Returns what ends it. */
  add(listener: Listener): () => void {
    this.#listeners.set(listener, { isNew: true });
    this.#next(0);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#rest();
    };
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#views = new Map();
  }

  #next(delayMs: number): void {
    if (this.#isReading) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#tell(), delayMs);
    this.#timer.unref();
  }

  async #tell(): Promise<void> {
    this.#isReading = true;
    let costMs = 0;
    try {
      let startedMs = performance.now();
      const reading = this.#parts.read();
      costMs = performance.now() - startedMs;
      const report = await reading;
      startedMs = performance.now();
      this.#publish(report);
      costMs += performance.now() - startedMs;
    } catch (error) {
      this.#parts.failed(error);
      for (const listener of this.#listeners.keys()) listener.beat();
    }
    this.#isReading = false;
    if (this.#listeners.size === 0) this.#rest();
    else this.#next(Math.max(this.#parts.intervalMs, costMs * PAUSE_FACTOR));
  }

  #publish(report: StatusReport): void {
    const wanted = new Set([...this.#listeners.keys()].map(({ names }) => names));
    for (const names of this.#views.keys()) if (!wanted.has(names)) this.#views.delete(names);
    for (const names of wanted) {
      const view = this.#views.get(names) ?? new View(names);
      this.#views.set(names, view);
      const change = view.update(report, this.#parts.wallMs());
      let whole: string | undefined;
      for (const [listener, state] of this.#listeners) {
        if (listener.names !== names) continue;
        if (state.isNew) whole ??= view.whole();
        listener.send(state.isNew ? (whole as string) : change);
        state.isNew = false;
      }
    }
  }
}
