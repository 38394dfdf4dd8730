/** What fails at present, by key, and since when. */
export interface Failure {
  readonly error: unknown;
  /** Of the first failure in a row, in ms since the epoch. */
  readonly sinceMs: number;
}

export class Failures {
  readonly #failures = new Map<string, Failure>();

  failed(key: string, error: unknown): void {
    this.#failures.set(key, { error, sinceMs: this.#failures.get(key)?.sinceMs ?? Date.now() });
  }

  /** It went well, or is not tried any more. */
  clear(key: string): void {
    this.#failures.delete(key);
  }

  /** undefined: it does not fail at present. */
  of(key: string): Failure | undefined {
    return this.#failures.get(key);
  }
}
