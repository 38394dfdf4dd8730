/**
 * How long to wait before a daemon that died is replaced, and when to stop trying. A daemon is ready once it has answered
 * everything that the one before it left unanswered: one that dies before that most likely dies of just that, or of its
 * configuration, and so will the next.
 */
const DEATHS_BEFORE_READY_MAX = 10;
const DELAY_MS = 50;
const DELAY_MAX_MS = 2_000;

export class RestartPolicy {
  #deathsBeforeReady = 0;
  #isReady = true;

  ready(): void {
    this.#isReady = true;
    this.#deathsBeforeReady = 0;
  }

  /** Milliseconds to wait, 0 after one that was ready; undefined: give up. */
  died(): number | undefined {
    if (!this.#isReady) this.#deathsBeforeReady++;
    this.#isReady = false;
    if (this.#deathsBeforeReady >= DEATHS_BEFORE_READY_MAX) return undefined;
    return this.#deathsBeforeReady === 0
      ? 0
      : Math.min(DELAY_MAX_MS, DELAY_MS * 2 ** (this.#deathsBeforeReady - 1));
  }
}
