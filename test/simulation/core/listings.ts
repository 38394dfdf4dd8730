/** Listings that go on over several calls: what is there all the time is told exactly once, whatever comes and goes. */
import type { Call, Given, Handle } from './calls.ts';

interface Listing {
  /** There at the first call, and not touched since. */
  untouched: Set<string>;
  told: Set<string>;
  offset: number;
  isRenumbered: boolean;
}

type List = Extract<Call, { do: 'list' }>;

export class Listings {
  readonly #open = new Map<Handle, Listing>();
  readonly #asked = new Set<Handle>();

  clear(): void {
    this.#open.clear();
    this.#asked.clear();
  }

  /** Where the next call goes on; 0: a new one. Undefined: it is asked for. */
  begin(handle: Handle): number | undefined {
    if (this.#asked.has(handle)) return undefined;
    this.#asked.add(handle);
    return this.#open.get(handle)?.offset ?? 0;
  }

  done(handle: Handle): void {
    this.#asked.delete(handle);
  }

  changed(call: Call): void {
    if (call.do === 'lookup' || !('name' in call)) {
      if (call.do !== 'write' && call.do !== 'truncate') return;
      // It may publish its name.
      for (const listing of this.#open.values()) listing.untouched.delete(call.at.node.name);
      return;
    }
    for (const listing of this.#open.values()) {
      listing.untouched.delete(call.name);
      if (call.do === 'rename') listing.untouched.delete(call.newName);
    }
  }

  /** Names there have new numbers, which are larger: a listing goes on in the order of numbers, so it may tell them again. */
  renumbered(isThere: (handle: Handle) => boolean): void {
    for (const [handle, listing] of this.#open) if (isThere(handle)) listing.isRenumbered = true;
  }

  /** What is wrong with it. */
  answered(
    { at, offset, count }: List,
    { names, nextOffset }: Given,
    present: readonly string[],
  ): string | undefined {
    let listing = this.#open.get(at);
    if (offset === 0 || listing === undefined) {
      listing = { untouched: new Set(present), told: new Set(), offset: 0, isRenumbered: false };
      this.#open.set(at, listing);
    }
    for (const name of names) {
      if (listing.told.has(name) && listing.untouched.has(name) && !listing.isRenumbered)
        return `${name} is told twice`;
      listing.told.add(name);
    }
    listing.offset = nextOffset;
    if (names.length >= count) return undefined;
    this.#open.delete(at);
    const missing = [...listing.untouched].filter((name) => !listing.told.has(name));
    const unknown = [...listing.told].filter(
      (name) => listing.untouched.has(name) && !present.includes(name),
    );
    if (missing.length > 0) return `${missing.join(', ')} is not told`;
    return unknown.length > 0 ? `${unknown.join(', ')} is told and not there` : undefined;
  }
}
