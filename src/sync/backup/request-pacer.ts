/** When a request to the bucket may go: so many at a time, and about one a second for each object. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../lib/clock.ts';
import { Limiter } from '../../lib/limiter.ts';

/** The store takes about one write a second for a name, and throttles who asks for more. */
const OBJECT_INTERVAL_MS = 1_000;
const FORGET_ABOVE = 10_000;

export class RequestPacer {
  readonly #limiter: Limiter;
  readonly #clock: Clock;
  /** When the object was last written. */
  readonly #written = new Map<string, number>();

  constructor(concurrency: number, clock: Clock) {
    this.#limiter = new Limiter(concurrency);
    this.#clock = clock;
  }

  async inTurn<T>(objectName: string, request: () => Promise<T>): Promise<T> {
    const waitMs =
      (this.#written.get(objectName) ?? Number.NEGATIVE_INFINITY) + OBJECT_INTERVAL_MS - this.#now();
    if (waitMs > 0) await sleep(waitMs);
    return this.#limiter.run(async () => {
      try {
        return await request();
      } finally {
        this.#written.set(objectName, this.#now());
        if (this.#written.size > FORGET_ABOVE) this.#forget();
      }
    });
  }

  #forget(): void {
    const before = this.#now() - OBJECT_INTERVAL_MS;
    for (const [name, at] of this.#written) if (at < before) this.#written.delete(name);
  }

  #now(): number {
    return this.#clock.monotonicMs();
  }
}
