/**
 * Which version came from which: each version of a file has a number, written in it, and so has each deletion. What an
 * application writes comes from what it found there.
 */

interface Deletion {
  readonly path: string;
  /** A rename: the version went there. */
  readonly movedTo: string | undefined;
  readonly version: number;
  /** The computer. */
  readonly by: string;
}

/** Whether who makes a file anew can know of a deletion. */
export type Knows = (deletion: number, by: string) => boolean;

/** `movedTo`: it was a rename, of this version. */
export type Accepts = (movedTo: string | undefined, version: number) => boolean;

export class Lineage {
  readonly #next = new Map<number, number[]>();
  readonly #deletions = new Map<number, Deletion>();
  /** The deletions of a path: what is made there anew comes from those that its maker can know of. */
  readonly #deletionsOf = new Map<string, number[]>();
  /** What was ever meant to be at a path, and the newest number when it first was. */
  readonly #written = new Map<string, Map<number, number>>();
  /** Where a version was first written. */
  readonly #madeAt = new Map<number, string>();
  #last = 0;

  /** Numbers grow: what is newer was made later. */
  get newest(): number {
    return this.#last;
  }

  /** A version of `path` that is about to be written over `before`, or after it where that is a deletion; undefined: where there is nothing. */
  write(path: string, before: number | undefined, knows?: Knows): number {
    const version = ++this.#last;
    this.#madeAt.set(version, path);
    this.#follow(path, before, version, knows);
    return version;
  }

  /** An old version comes back, or a version moves here. */
  place(path: string, before: number | undefined, version: number, knows?: Knows): void {
    if (before !== version) this.#follow(path, before, version, knows);
  }

  delete(by: string, path: string, version: number, movedTo?: string): number {
    const deletion = ++this.#last;
    this.#deletions.set(deletion, { path, movedTo, version, by });
    const all = this.#deletionsOf.get(path) ?? [];
    this.#deletionsOf.set(path, [...all, deletion]);
    this.#link(version, deletion);
    return deletion;
  }

  isDeletion(version: number): boolean {
    return this.#deletions.has(version);
  }

  /** It moved on, as a deletion here. */
  isMove(version: number): boolean {
    return this.#deletions.get(version)?.movedTo !== undefined;
  }

  wasWritten(path: string, version: number): boolean {
    return this.#written.get(path)?.has(version) ?? false;
  }

  /** `later` is `version`, or came from it. */
  leadsTo(version: number, later: number): boolean {
    return version === later || this.#reach(version, (each) => each === later) !== undefined;
  }

  /** `later` came from what was made of `version` at `path` when `newest` had been made already. */
  cameSince(newest: number, path: string, version: number, later: number): boolean {
    const isMadeThere = (each: number) =>
      (this.#deletions.get(each)?.path ?? this.#madeAt.get(each)) === path;
    const made = (this.#next.get(version) ?? []).filter((each) => each > newest && isMadeThere(each));
    return made.some((each) => this.leadsTo(each, later));
  }

  /** The computer that deleted it. */
  deleterOf(deletion: number): string | undefined {
    return this.#deletions.get(deletion)?.by;
  }

  /**
   * Whether what is found at `path` may follow the version (undefined: nothing is): it came from it, or the version was deleted.
   * Of a deletion: what is found is not one of the versions that were deleted, or another computer moved it there since.
   */
  follows(path: string, version: number, found: number | undefined, accepts: Accepts = () => true): boolean {
    if (found === undefined) return this.deletionAfter(version, path, accepts) !== undefined;
    // Moved away and back, it came from its own deletion.
    return (
      this.leadsTo(version, found) || (this.isDeletion(version) && !this.#wasDeletedBy(version, path, found))
    );
  }

  #wasDeletedBy(deletion: number, path: string, found: number): boolean {
    const since = this.#written.get(path)?.get(found);
    return (since === undefined || since < deletion) && this.leadsTo(found, deletion);
  }

  /** A deletion of `path` that came from the version, of those that `accepts`; itself where it is one. */
  deletionAfter(version: number, path: string, accepts: Accepts): number | undefined {
    const isOne = (each: number) => {
      const deletion = this.#deletions.get(each);
      return deletion?.path === path && accepts(deletion.movedTo, deletion.version);
    };
    return isOne(version) ? version : this.#reach(version, isOne);
  }

  /** An application deleted it, or what came from it, wherever it was by then. */
  wasDeleted(version: number): boolean {
    const isDeletion = (each: number) => {
      const deletion = this.#deletions.get(each);
      return deletion !== undefined && deletion.movedTo === undefined;
    };
    return this.#reach(version, isDeletion) !== undefined;
  }

  #follow(path: string, before: number | undefined, version: number, knows: Knows = () => true): void {
    const written = this.#written.get(path) ?? new Map<number, number>();
    this.#written.set(path, written);
    if (!written.has(version)) written.set(version, this.#last);
    if (before !== undefined) this.#link(before, version);
    if (before !== undefined && !this.isDeletion(before)) return;
    for (const deletion of this.#deletionsOf.get(path) ?? [])
      if (knows(deletion, this.#deletions.get(deletion)?.by ?? '')) this.#link(deletion, version);
  }

  #link(from: number, to: number): void {
    const next = this.#next.get(from);
    if (next === undefined) this.#next.set(from, [to]);
    else if (!next.includes(to)) next.push(to);
  }

  #reach(from: number, found: (version: number) => boolean): number | undefined {
    const seen = new Set([from]);
    const queue = [from];
    for (let at = queue.pop(); at !== undefined; at = queue.pop())
      for (const next of this.#next.get(at) ?? []) {
        if (seen.has(next)) continue;
        if (found(next)) return next;
        seen.add(next);
        queue.push(next);
      }
    return undefined;
  }
}
