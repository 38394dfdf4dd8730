/**
 * Decides how long to wait before a dead daemon is replaced, and when to stop trying. A daemon is ready once it has answered
 * everything that the one before it left unanswered.
 *
 * Only refusals end the mount: a daemon that says why it cannot serve (its key, its cache) is likely to say so again. A daemon
 * that is killed or crashes before it is ready says nothing about the next one: on a loaded machine a start takes a second, and
 * an out-of-memory killer strikes in any of them. Callers wait meanwhile, so the supervisor goes on trying.
 */
const REFUSALS_MAX = 10;
const DELAY_MS = 50;
const DELAY_MAX_MS = 500;

export class RestartPolicy {
  #deathsBeforeReady = 0;
  #refusals = 0;
  #isReady = true;

  ready(): void {
    this.#isReady = true;
    this.#deathsBeforeReady = 0;
    this.#refusals = 0;
  }

  /** Deaths in a row before a daemon was ready. */
  get deathsBeforeReady(): number {
    return this.#deathsBeforeReady;
  }

  /**
   * `refused`: the daemon itself said that it cannot serve the mount. Returns the delay before the next start in ms, 0 after a
   * daemon that was ready; undefined: give up.
   */
  died(how: { refused: boolean }): number | undefined {
    if (!this.#isReady) this.#deathsBeforeReady++;
    this.#isReady = false;
    if (how.refused) this.#refusals++;
    if (this.#refusals >= REFUSALS_MAX) return undefined;
    const doublings = this.#deathsBeforeReady - 1;
    return doublings < 0 ? 0 : Math.min(DELAY_MAX_MS, DELAY_MS * 2 ** doublings);
  }
}
