/**
 * Requests that daemons die of. A request that was in flight when a daemon died is carried out again by the next one, so a defect
 * that it meets would kill daemon after daemon and keep every caller waiting. After the third death it costs itself only: the next
 * daemon answers it EIO. Daemons that are killed from outside are no such deaths: whatever was in flight then, it is done later.
 */
import type { RepeatedRequest } from '../drivers/direct/in-flight.ts';

const DEATHS_MAX = 3;
/** Of the latest ones. A request that is answered never comes again. */
const REMEMBERED = 64;

export class FatalRequests {
  /** Number -> daemons that died while they carried it out, as far as is known. */
  readonly #deaths = new Map<number, number>();

  /** A daemon has crashed. `repeated`: what it was carrying out, if not for the first time. */
  daemonDied(repeated: RepeatedRequest | undefined): void {
    if (repeated === undefined) return;
    const { number, isInherited } = repeated;
    // The first death leaves no trace but this: the request was in flight, and came again.
    const before = this.#deaths.get(number) ?? (isInherited ? 1 : 0);
    this.#deaths.delete(number);
    this.#deaths.set(number, before + 1);
    for (const oldest of this.#deaths.keys()) if (this.#deaths.size > REMEMBERED) this.#deaths.delete(oldest);
  }

  get numbers(): number[] {
    return [...this.#deaths].filter(([, deaths]) => deaths >= DEATHS_MAX).map(([number]) => number);
  }
}
