/** The sessions that this mount waits for: one acquisition each, shared by all who ask. */
import { Acquisition, type AcquisitionParts } from './acquisition.ts';
import type { Held } from './held.ts';

export interface Waiting {
  readonly session: string;
  /** What a human recognises the mount by that has it. */
  readonly holder: string;
  readonly waitedMs: number;
}

export class Acquisitions {
  readonly #parts: AcquisitionParts;
  readonly #running = new Map<string, { acquisition: Acquisition; done: Promise<Held> }>();

  constructor(parts: AcquisitionParts) {
    this.#parts = parts;
  }

  has(session: string): boolean {
    return this.#running.has(session);
  }

  /** As Acquisition.run. */
  start(session: string): Promise<Held> {
    const running = this.#running.get(session);
    if (running !== undefined) return running.done;
    const acquisition = new Acquisition(this.#parts, session);
    const done = acquisition.run().finally(() => this.#running.delete(session));
    this.#running.set(session, { acquisition, done });
    return done;
  }

  /** Whom the acquisition of this session waits for. */
  holderOf(session: string): string | undefined {
    return this.#running.get(session)?.acquisition.holderName;
  }

  /** Those that wait for another mount. */
  get waiting(): Waiting[] {
    const all = [...this.#running.values()].map(({ acquisition }) => acquisition);
    return all.flatMap(({ session, holderName: holder, waitedMs }) =>
      holder === undefined ? [] : [{ session, holder, waitedMs }],
    );
  }

  abandon(session: string): void {
    this.#running.get(session)?.acquisition.abandon();
  }

  abandonAll(): void {
    for (const { acquisition } of this.#running.values()) acquisition.abandon();
  }

  /** Resolves when none of those that are under way now is any more. Never rejects. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#running.values()].map(({ done }) => done));
  }
}
