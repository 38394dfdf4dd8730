/** One thing at a time for each session, in the order in which it was asked for. */
export class SessionLocks {
  readonly #last = new Map<string, Promise<unknown>>();

  async run<T>(session: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(session) ?? Promise.resolve();
    const done = before.then(work, work);
    const settled = done.catch(() => {});
    this.#last.set(session, settled);
    try {
      return await done;
    } finally {
      if (this.#last.get(session) === settled) this.#last.delete(session);
    }
  }
}
